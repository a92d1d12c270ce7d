#include "runtime/ir/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "runtime/ir/error.h"

namespace marvin {
namespace {

// A file that disappears unless it is published.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& path)
      : path_(path), name_(cat(path, ".", ::getpid(), ".tmp")), descriptor_(::open(name_.c_str(), kFlags, 0666)) {
    if (descriptor_ < 0) fail();
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!published_) ::unlink(name_.c_str());
  }

  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail();
      bytes.remove_prefix(static_cast<size_t>(written));
    }
  }

  void publish() {
    if (::fsync(descriptor_) != 0) fail();
    const int closed = ::close(descriptor_);
    descriptor_ = -1;
    if (closed != 0 || ::rename(name_.c_str(), path_.c_str()) != 0) fail();
    published_ = true;
    sync_directory();
  }

 private:
  static constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;

  // The rename is on disk only once its directory is. File systems that cannot sync directories do without.
  void sync_directory() const {
    const std::filesystem::path parent = std::filesystem::path(path_).parent_path();
    const int directory = ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return;
    ::fsync(directory);
    ::close(directory);
  }

  [[noreturn]] void fail() const { throw Error("cannot write '", path_, "': ", std::strerror(errno)); }

  std::string path_, name_;
  int descriptor_;
  bool published_ = false;
};

// What a symbolic link leads to, whether that exists or not; the path itself when it is none.
std::filesystem::path followed(std::filesystem::path path) {
  constexpr int kMostLinks = 40;  // as many as Linux follows
  std::error_code ignored;
  for (int links = 0; links < kMostLinks && std::filesystem::is_symlink(path, ignored); ++links) {
    path = path.parent_path() / std::filesystem::read_symlink(path, ignored);
  }
  return path;
}

}  // namespace

void write_file_atomically(const std::string& path, std::string_view bytes) {
  std::error_code ignored;
  const std::filesystem::path target = followed(path);
  const std::filesystem::file_status status = std::filesystem::symlink_status(target, ignored);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    throw Error("cannot write '", path, "': it is not a regular file");
  }
  TemporaryFile file(target);
  file.write(bytes);
  file.publish();
}

}  // namespace marvin
