#include "runtime/report/json.h"

#include <charconv>
#include <cmath>
#include <utility>

namespace marvin {
namespace {

// Always with a '.' or an exponent: what was real stays so when it is read back.
std::string real_text(double value) {
  if (!std::isfinite(value)) return "null";
  char buffer[32];
  const std::string text(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

// Names of files and values need not be UTF-8, but JSON has to be.
std::string scalar_text(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

class Writer {
 public:
  explicit Writer(int indent) : indent_(indent) {}

  std::string text;

  void write(const Json& json) {
    if (json.is_number_float()) {
      text += real_text(json.get<double>());
    } else if (json.is_structured() && !json.empty()) {
      write_elements(json);
    } else {
      text += scalar_text(json);
    }
  }

 private:
  void write_elements(const Json& json) {
    text += json.is_object() ? '{' : '[';
    ++depth_;
    const char* separator = "";
    for (const auto& [key, value] : json.items()) {
      text += separator;
      separator = ",";
      break_line();
      if (json.is_object()) text += scalar_text(key) + (indent_ < 0 ? ":" : ": ");
      write(value);
    }
    --depth_;
    break_line();
    text += json.is_object() ? '}' : ']';
  }

  void break_line() {
    if (indent_ >= 0) text += '\n' + std::string(static_cast<size_t>(indent_ * depth_), ' ');
  }

  int indent_;
  int depth_ = 0;
};

}  // namespace

double json_number(float value) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, value);
  double number = value;
  std::from_chars(text, end, number);
  return static_cast<float>(number) == value ? number : value;
}

std::vector<double> json_numbers(std::span<const float> values) {
  std::vector<double> numbers;
  for (const float value : values) numbers.push_back(json_number(value));
  return numbers;
}

std::optional<int64_t> integer_in(const Json& value) {
  if (!value.is_number_integer()) return std::nullopt;
  if (value.is_number_unsigned() && !std::in_range<int64_t>(value.get<uint64_t>())) return std::nullopt;
  return value.get<int64_t>();
}

std::string json_text(const Json& json, int indent) {
  Writer writer(indent);
  writer.write(json);
  return writer.text;
}

}  // namespace marvin
