#include "runtime/precision/fixed_point.h"

#include <algorithm>
#include <cmath>

#include "runtime/ir/error.h"

namespace marvin {

float power_of_two(int exponent) { return std::ldexp(1.0f, exponent); }

int8_t fitted_fl(int wl, float range) {
  // Beyond these bounds 2^fl or 2^-fl leaves the normal float32 numbers.
  constexpr int kLowest = -100;
  constexpr int kHighest = 100;
  if (!(range > 0) || !std::isfinite(range)) return static_cast<int8_t>(wl - 1);
  int exponent = 0;
  const float mantissa = std::frexp(range, &exponent);  // range = mantissa * 2^exponent, mantissa in [0.5, 1)
  if (mantissa == 0.5f) --exponent;                     // a power of two: ceil(log2(range)) is one less
  return static_cast<int8_t>(std::clamp(wl - 1 - exponent, kLowest, kHighest));
}

std::string text_of(FixedPoint format) {
  return format == FixedPoint{} ? "float32" : cat("<", int{format.wl}, ",", int{format.fl}, ">");
}

}  // namespace marvin
