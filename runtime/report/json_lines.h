// Files of one JSON object a line that grow while something runs.
#pragma once

#include <string>

#include "runtime/report/json.h"

namespace marvin {

class JsonLines {
 public:
  // Creates the file, or empties it. Every function throws Error, naming the file, when it cannot be written.
  explicit JsonLines(const std::string& path);
  ~JsonLines();
  JsonLines(const JsonLines&) = delete;
  JsonLines& operator=(const JsonLines&) = delete;

  // Lines are handed to the system a few at a time.
  void append(const Json& object);
  void flush();
  // Everything is on disk once this returns.
  void sync();

 private:
  [[noreturn]] void fail() const;
  std::string path_;
  std::string pending_;
  int descriptor_;
};

}  // namespace marvin
