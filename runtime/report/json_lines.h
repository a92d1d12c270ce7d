// Files of one JSON object a line that grow while something runs.
#pragma once

#include <functional>
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

// Calls `visit` with every line's object; no lines where there is no file. A last line that was not written to its end,
// as while a run goes on or after a crash, is left out: false is returned then. Throws Error, naming file and line,
// where a line is no JSON object, or `visit` throws Error or an exception of Json's.
bool read_json_lines(const std::string& path, const std::function<void(const Json&)>& visit);

}  // namespace marvin
