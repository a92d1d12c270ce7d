#include "runtime/data/input_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "runtime/ir/error.h"

namespace marvin {

void InputFile::Close::operator()(gzFile_s* file) const { gzclose_r(file); }

InputFile::InputFile(const std::string& path) : path_(path) {
  std::error_code failure;
  const uintmax_t size = std::filesystem::file_size(path, failure);
  if (failure) throw Error(path, ": cannot be read: ", failure.message());
  errno = 0;
  file_.reset(gzopen(path.c_str(), "rb"));
  if (!file_) throw Error(path, ": cannot be opened: ", std::strerror(errno ? errno : ENOMEM));
  gzbuffer(file_.get(), 1 << 17);
  most_bytes_ = static_cast<int64_t>(size) * (gzdirect(file_.get()) ? 1 : kLargestDeflateRatio);
}

int64_t InputFile::read_some(void* data, int64_t bytes) {
  int64_t done = 0;
  while (done < bytes) {
    const int64_t wanted = std::min<int64_t>(bytes - done, 1 << 30);
    const int got = gzread(file_.get(), static_cast<char*>(data) + done, static_cast<unsigned>(wanted));
    int code = Z_OK;
    const char* message = gzerror(file_.get(), &code);
    if (got < 0 || code == Z_DATA_ERROR || code == Z_BUF_ERROR) {
      throw Error(path_, ": damaged or truncated after ", offset_ + done + std::max(got, 0),
                  " bytes of content: ", code == Z_ERRNO ? std::strerror(errno) : message);
    }
    if (got == 0) break;
    done += got;
  }
  offset_ += done;
  return done;
}

void InputFile::read(void* data, int64_t bytes) {
  const int64_t start = offset_;
  const int64_t got = read_some(data, bytes);
  if (got < bytes) throw Error(path_, ": ends after ", start + got, " bytes; expected at least ", start + bytes);
}

void InputFile::expect_end() {
  char surplus = 0;
  const int64_t end = offset_;
  if (read_some(&surplus, 1) != 0) throw Error(path_, ": goes on after the ", end, " bytes that its header promises");
}

void InputFile::expect_room(int64_t bytes, const std::string& what) const {
  const int64_t room = most_bytes_ - offset_;
  if (bytes > room) {
    throw Error(path_, ": promises ", what, " (", bytes, " bytes) but holds at most ", std::max<int64_t>(room, 0));
  }
}

}  // namespace marvin
