// Writing files so that a reader sees the old contents or the new ones, never half of either.
#pragma once

#include <string>
#include <string_view>

namespace marvin {

// A file that is written under a temporary name beside `path`, and disappears unless it is published. A symbolic link
// stays, and the file that it leads to is written. Throws Error where that is impossible (no such directory, no space,
// not a regular file).
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  void write(std::string_view bytes);
  // Syncs and renames: at every moment `path` is what it was, or everything that was written.
  void publish();

 private:
  [[noreturn]] void fail() const;

  std::string path_, name_;
  int descriptor_ = -1;
  bool published_ = false;
};

// Writes `bytes` under a temporary name beside `path`, syncs, and renames: at every moment `path` is what it was or the
// whole of `bytes`. Throws Error as AtomicFile does; nothing is left behind then.
void write_file_atomically(const std::string& path, std::string_view bytes);

}  // namespace marvin
