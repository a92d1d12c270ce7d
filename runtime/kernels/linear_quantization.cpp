#include "runtime/kernels/linear_quantization.h"

#include <cmath>

#include "runtime/ir/narrow.h"
#include "runtime/kernels/parallel.h"

namespace marvin {
namespace {

constexpr int64_t kBlock = 1 << 13;

template <class X, class Q>
MARVIN_CLONES void quantize_run(const X* x, const float* scale, const Q* zero, bool steps, Q* q, int64_t n,
                                bool saturate) {
  const float low = LevelsOf<Q>::low(), high = LevelsOf<Q>::high();
  for (int64_t i = 0; i < n; ++i) {
    const int64_t at = steps ? i : 0;
    const float scaled = static_cast<float>(x[i]) / scale[at], shift = zero ? static_cast<float>(zero[at]) : 0.0f;
    if constexpr (LevelsOf<Q>::kAreIntegers) {
      const float level = std::rint(scaled) + shift;
      const float above = level > low ? level : low;
      const float clamped = above < high ? above : high;
      if constexpr (std::is_integral_v<Q>)
        q[i] = static_cast<Q>(static_cast<int32_t>(clamped));
      else
        q[i] = Q(clamped);
    } else {
      q[i] = Q(scaled + shift, saturate);
    }
  }
}

struct HalfEven {
  float operator()(float x) const { return std::rint(x); }
};

struct ByMode {
  Rounding mode;
  float operator()(float x) const {
    const float magnitude = std::abs(x);
    switch (mode) {
      case Rounding::half_up:
        return std::copysign(std::floor(magnitude + 0.5f), x);
      case Rounding::half_down:
        return std::copysign(std::ceil(magnitude - 0.5f), x);
      case Rounding::up:
        return std::copysign(std::ceil(magnitude), x);
      case Rounding::down:
        return std::trunc(x);
      case Rounding::ceil:
        return std::ceil(x);
      case Rounding::floor:
        return std::floor(x);
      case Rounding::bipolar:
        return x != x ? x : x >= 0 ? 1.0f : -1.0f;
      case Rounding::float8e4m3fn:
        return static_cast<float>(Float8E4M3FN(x));
      case Rounding::float8e4m3fnuz:
        return static_cast<float>(Float8E4M3FNUZ(x));
      case Rounding::float8e5m2:
        return static_cast<float>(Float8E5M2(x));
      case Rounding::float8e5m2fnuz:
        return static_cast<float>(Float8E5M2FNUZ(x));
      case Rounding::float4e2m1:
        return static_cast<float>(Float4E2M1(x));
      default:
        return std::rint(x);
    }
  }
};

// The integer that x becomes, before it is clamped.
template <class Round>
[[gnu::always_inline]] inline float level_of(float x, float scale, float zero, bool shift_first, Round round) {
  const float scaled = x / scale;
  return shift_first ? round(scaled + zero) : round(scaled) + zero;
}

template <class Round>
MARVIN_CLONES void fake_run(const FakeQuantizeRule& by_reference, Round round, const float* x, const float* scale,
                            const float* zero, bool steps, float* y, int64_t n) {
  const FakeQuantizeRule rule = by_reference;
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const int64_t at = steps ? i : 0;
    const float level = level_of(x[i], scale[at], zero[at], rule.shift_first, round);
    const float above = level < rule.low ? rule.low : level;
    y[i] = ((above > rule.high ? rule.high : above) - zero[at]) * scale[at];
  }
}

template <class Round>
MARVIN_CLONES void fake_grad_run(const FakeQuantizeRule& by_reference, Round round, const float* dy, const float* x,
                                 const float* scale, const float* zero, bool steps, float* dx, int64_t n) {
  const FakeQuantizeRule rule = by_reference;
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const int64_t at = steps ? i : 0;
    const float level = level_of(x[i], scale[at], zero[at], rule.shift_first, round);
    dx[i] = level >= rule.low && level <= rule.high ? dy[i] : 0.0f;
  }
}

// Calls body(round) with the functor of the rule.
template <class Body>
void with_rounding(Rounding mode, Body&& body) {
  if (mode == Rounding::half_even) return body(HalfEven{});
  body(ByMode{mode});
}

template <class Body>
void parallel_walk(const QuantizationGrid& grid, int64_t count, Body&& body) {
  parallel_blocks(count, kBlock, [&](int64_t begin, int64_t end) { grid.walk(begin, end, body); });
}

}  // namespace

template <class X, class Q>
void quantize_linear(const QuantizationGrid& grid, int64_t count, const X* x, const float* scale, const Q* zero, Q* q,
                     bool saturate) {
  parallel_walk(grid, count, [&](int64_t i, int64_t at, bool steps, int64_t n) {
    quantize_run(x + i, scale + at, zero ? zero + at : nullptr, steps, q + i, n, saturate);
  });
}

#define MARVIN_QUANTIZE_TO(Q)                                                                                      \
  template void quantize_linear(const QuantizationGrid&, int64_t, const float*, const float*, const Q*, Q*, bool); \
  template void quantize_linear(const QuantizationGrid&, int64_t, const int32_t*, const float*, const Q*, Q*, bool);
MARVIN_QUANTIZE_TO(int8_t)
MARVIN_QUANTIZE_TO(uint8_t)
MARVIN_QUANTIZE_TO(int16_t)
MARVIN_QUANTIZE_TO(uint16_t)
MARVIN_QUANTIZE_TO(Int4)
MARVIN_QUANTIZE_TO(UInt4)
MARVIN_QUANTIZE_TO(Float8E4M3FN)
MARVIN_QUANTIZE_TO(Float8E4M3FNUZ)
MARVIN_QUANTIZE_TO(Float8E5M2)
MARVIN_QUANTIZE_TO(Float8E5M2FNUZ)
MARVIN_QUANTIZE_TO(Float4E2M1)
#undef MARVIN_QUANTIZE_TO

void fake_quantize(const QuantizationGrid& grid, const FakeQuantizeRule& rule, int64_t count, const float* x,
                   const float* scale, const float* zero, float* y) {
  with_rounding(rule.rounding, [&](auto round) {
    parallel_walk(grid, count, [&](int64_t i, int64_t at, bool steps, int64_t n) {
      fake_run(rule, round, x + i, scale + at, zero + at, steps, y + i, n);
    });
  });
}

void fake_quantize_grad(const QuantizationGrid& grid, const FakeQuantizeRule& rule, int64_t count, const float* dy,
                        const float* x, const float* scale, const float* zero, float* dx) {
  with_rounding(rule.rounding, [&](auto round) {
    parallel_walk(grid, count, [&](int64_t i, int64_t at, bool steps, int64_t n) {
      fake_grad_run(rule, round, dy + i, x + i, scale + at, zero + at, steps, dx + i, n);
    });
  });
}

}  // namespace marvin
