// The number format of everything that marvin quantizes.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "runtime/ir/type.h"

namespace marvin {

// Two's complement words of wl bits (the sign counts) with fl of them behind the point: value = q * 2^-fl,
// q in [-2^(wl-1), 2^(wl-1) - 1]. fl may be negative or exceed wl. wl 32 stands for float32: not quantized.
struct FixedPoint {
  static constexpr int kMaxWl = 24;  // the widest word whose products are computed exactly
  int8_t wl = 32;
  int8_t fl = 0;

  bool operator==(const FixedPoint&) const = default;
  constexpr bool is_float() const { return wl > kMaxWl; }
  int32_t min() const { return -(int32_t{1} << (wl - 1)); }
  int32_t max() const { return (int32_t{1} << (wl - 1)) - 1; }
};

// Formats by slot name.
using Formats = std::map<std::string, FixedPoint, std::less<>>;

// The container of a word: i8, i16, i32, or f32 for words that are not quantized. Kernels and memory depend on it
// alone.
constexpr DType storage_of(FixedPoint format) {
  if (format.is_float()) return DType::f32;
  return format.wl <= 8 ? DType::i8 : format.wl <= 16 ? DType::i16 : DType::i32;
}

// The widest word that a container is used for: 8, 16 or 24.
constexpr int max_wl(DType storage) {
  return storage == DType::i8 ? 8 : storage == DType::i16 ? 16 : FixedPoint::kMaxWl;
}

// 2^exponent, exact for every exponent that a float32 can hold.
float power_of_two(int exponent);

// The fractional length at which words of wl bits just hold magnitudes up to `range`: wl - 1 - ceil(log2(range)). A
// range of zero, or none, gives wl - 1: values in [-1, 1).
int8_t fitted_fl(int wl, float range);

// "<8,5>" or "float32".
std::string text_of(FixedPoint format);

// What Quantize observes about the real values that it reads, as the elements of its `stats` output.
struct QuantizeStats {
  enum Index : int64_t { absmax, mean_abs, mean_abs_quantized, saturated, underflowed, kCount };
};

}  // namespace marvin
