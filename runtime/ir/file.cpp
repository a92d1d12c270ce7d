#include "runtime/ir/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "runtime/ir/error.h"

namespace marvin {
namespace {

namespace fs = std::filesystem;

// What a symbolic link leads to, whether that exists or not; the path itself when it is none.
fs::path followed(fs::path path) {
  constexpr int kMostLinks = 40;  // as many as Linux follows
  std::error_code ignored;
  for (int links = 0; links < kMostLinks && fs::is_symlink(path, ignored); ++links)
    path = path.parent_path() / fs::read_symlink(path, ignored);
  return path;
}

// The rename is on disk only once its directory is. File systems that cannot sync directories do without.
void sync_directory_of(const std::string& path) {
  const fs::path parent = fs::path(path).parent_path();
  const int directory = ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return;
  ::fsync(directory);
  ::close(directory);
}

}  // namespace

AtomicFile::AtomicFile(const std::string& path) : path_(followed(path).string()) {
  std::error_code ignored;
  const fs::file_status status = fs::status(path, ignored);
  const bool circular = fs::is_symlink(fs::symlink_status(path_, ignored));
  if (circular || (fs::exists(status) && !fs::is_regular_file(status)))
    throw Error("cannot write '", path, "': it is not a regular file");
  name_ = cat(path_, ".", ::getpid(), ".tmp");
  descriptor_ = ::open(name_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail();
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!published_) ::unlink(name_.c_str());
}

void AtomicFile::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail();
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

void AtomicFile::publish() {
  if (::fsync(descriptor_) != 0) fail();
  const int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0 || ::rename(name_.c_str(), path_.c_str()) != 0) fail();
  published_ = true;
  sync_directory_of(path_);
}

void AtomicFile::fail() const { throw Error("cannot write '", path_, "': ", std::strerror(errno)); }

void write_file_atomically(const std::string& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.publish();
}

}  // namespace marvin
