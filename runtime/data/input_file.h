// Files read from front to back, whether they are compressed or not.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <memory>
#include <string>

namespace marvin {

// Deflate makes at most 1032 bytes of one (zlib's technical details). It bounds what a file can hold, so that a header
// that promises more is refused before memory is asked for.
constexpr int64_t kLargestDeflateRatio = 1032;

// A file's content; gzip is decompressed on the way. Every function throws Error, naming the file, when it cannot be
// opened or read, or its compressed data are damaged.
class InputFile {
 public:
  explicit InputFile(const std::string& path);

  // The next `bytes` bytes. Throws Error when the content ends before.
  void read(void* data, int64_t bytes);
  // Throws Error when there is more content.
  void expect_end();
  // Throws Error when the file cannot hold `bytes` more bytes of `what`.
  void expect_room(int64_t bytes, const std::string& what) const;
  const std::string& path() const { return path_; }

 private:
  // As many of the next `bytes` bytes as there are.
  int64_t read_some(void* data, int64_t bytes);
  struct Close {
    void operator()(gzFile_s* file) const;
  };
  std::string path_;
  std::unique_ptr<gzFile_s, Close> file_;
  int64_t most_bytes_ = 0;  // of content
  int64_t offset_ = 0;
};

}  // namespace marvin
