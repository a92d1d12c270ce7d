#pragma once

#include <charconv>

namespace marvin {

// The number that a float attribute was written as: the shortest decimal that rounds to it, in float64. So 1 - beta of
// an optimizer is 0.001 as its user meant, and not 1 - float(0.999) = 0.00099998713.
inline double as_written(float value) {
  char text[32];
  const std::to_chars_result end = std::to_chars(text, text + sizeof text, value);
  double number = value;
  std::from_chars(text, end.ptr, number);
  return number;
}

}  // namespace marvin
