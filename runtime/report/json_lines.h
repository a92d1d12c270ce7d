// Files of one JSON object a line that grow while something runs.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

namespace marvin {

using Json = nlohmann::ordered_json;

// The double whose shortest text is the float's: JSON then says 0.9, not 0.8999999761581421, and reads back as the same
// float.
double json_number(float value);
std::vector<double> json_numbers(std::span<const float> values);

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
