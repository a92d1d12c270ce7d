// Quantization with scales and zero points, as ONNX's QuantizeLinear has it: q = round(x / scale) + zero point.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <limits>

namespace marvin {

// Which elements of x share a scale and a zero point: all, those at an index of an axis, or those of a block along an
// axis. The default is all of one element.
struct QuantizationGrid {
  int64_t extent = 1, inner = 1;  // of x along the axis, and inside of it
  int64_t block = 1;              // neighbours along the axis that share a scale
  int64_t scales = 1;             // along the axis
  bool everywhere = false;        // positions outside and inside of the axis have scales of their own

  // Calls body(i, at, steps, n) for runs that make up [begin, end): element i + k of x has scale at + (steps ? k : 0).
  template <class Body>
  void walk(int64_t begin, int64_t end, Body&& body) const {
    for (int64_t i = begin, n = 0; i < end; i += n) {
      const int64_t inside = i % inner, along = i / inner % extent, outside = i / (inner * extent);
      int64_t at = along / block + (everywhere ? outside * scales : 0);
      bool steps = everywhere;
      if (inner > 1) {
        n = inner - inside;
        if (everywhere) at = at * inner + inside;
      } else {
        steps = block == 1;
        n = std::min(extent - along, steps ? extent : block - along % block);
      }
      n = std::min(n, end - i);
      body(i, at, steps, n);
    }
  }
};

// The least and the greatest number of a type that is quantized to: of an integer, of a struct with `kLowest` and
// `kGreatest` (4 bits), of one with `greatest()` (a small float).
template <class Q>
struct LevelsOf;
template <std::integral Q>
struct LevelsOf<Q> {
  static constexpr bool kAreIntegers = true;
  static float low() { return std::numeric_limits<Q>::lowest(); }
  static float high() { return std::numeric_limits<Q>::max(); }
};
template <class Q>
requires requires { Q::kLowest; }
struct LevelsOf<Q> {
  static constexpr bool kAreIntegers = true;
  static float low() { return Q::kLowest; }
  static float high() { return Q::kGreatest; }
};
template <class Q>
requires requires { Q::greatest(); }
struct LevelsOf<Q> {
  static constexpr bool kAreIntegers = false;
  static float low() { return -Q::greatest(); }
  static float high() { return Q::greatest(); }
};

// For integers q = round(x / scale) + zero, to nearest even, clamped to Q; NaN becomes the lowest Q. For floats x /
// scale + zero, rounded to Q, and saturated or not. X is float or int32_t. `zero` may be null.
template <class X, class Q>
void quantize_linear(const QuantizationGrid& grid, int64_t count, const X* x, const float* scale, const Q* zero, Q* q,
                     bool saturate);

// How a number becomes an integer: half_* to the nearest one (ties to the even one, away from zero or towards it), up
// and down away from zero and towards it, bipolar to 1 or -1. The last five round to a number of a float of 8 or 4
// bits.
enum class Rounding : uint8_t {
  half_even,
  half_up,
  half_down,
  up,
  down,
  ceil,
  floor,
  bipolar,
  float8e4m3fn,
  float8e4m3fnuz,
  float8e5m2,
  float8e5m2fnuz,
  float4e2m1
};

struct FakeQuantizeRule {
  float low = 0, high = 0;
  Rounding rounding = Rounding::half_even;
  bool shift_first = false;  // the zero point is added before rounding
};

// q = round(x / scale) + zero, or round(x / scale + zero); y = (clamp(q, low, high) - zero) * scale. NaN stays NaN.
void fake_quantize(const QuantizationGrid& grid, const FakeQuantizeRule& rule, int64_t count, const float* x,
                   const float* scale, const float* zero, float* y);
// dx = dy where that q is in [low, high], else 0.
void fake_quantize_grad(const QuantizationGrid& grid, const FakeQuantizeRule& rule, int64_t count, const float* dy,
                        const float* x, const float* scale, const float* zero, float* dx);

}  // namespace marvin
