// Which inputs the windows of a Pool cover, and vectors to compare them in. For the pooling kernels alone.
#pragma once

#include <algorithm>

#include "runtime/kernels/parallel.h"
#include "runtime/kernels/pooling.h"

namespace marvin {

// Written out, since a loop over float32 values and uint8 taps would be vectorised by 64, which few rows have.
template <int N>
struct Lanes {
  using Floats [[gnu::vector_size(4 * N)]] = float;
  using Ints [[gnu::vector_size(4 * N)]] = int32_t;
  using Bytes [[gnu::vector_size(N)]] = uint8_t;
};

#define MARVIN_INLINE [[gnu::always_inline]] inline

struct Range {
  int64_t begin, end;
};

// a / b rounded up, none below zero.
inline int64_t steps_to(int64_t a, int64_t b) { return a <= 0 ? 0 : (a + b - 1) / b; }

// The input that tap k of window o reads, which may not exist.
inline int64_t input_of(const PoolAxis& axis, int64_t o, int64_t k) {
  return o * axis.stride - axis.pad_begin + k * axis.dilation;
}

// The windows whose tap k exists.
inline Range windows_with_tap(const PoolAxis& axis, int64_t k) {
  const int64_t offset = k * axis.dilation - axis.pad_begin;
  const int64_t begin = std::min(steps_to(-offset, axis.stride), axis.out);
  return {begin, std::clamp(steps_to(axis.in - offset, axis.stride), begin, axis.out)};
}

// The taps of window o that exist.
inline Range taps_of_window(const PoolAxis& axis, int64_t o) {
  const int64_t start = input_of(axis, o, 0);
  const int64_t begin = std::min(steps_to(-start, axis.dilation), axis.kernel);
  return {begin, std::clamp(steps_to(axis.in - start, axis.dilation), begin, axis.kernel)};
}

// Calls body(plane) for every plane, in parallel when there is enough to do.
template <class Body>
void each_plane(const Pool& pool, Body&& body) {
  const int64_t work = pool.planes * std::max(pool.in_elements(), pool.out_elements() * pool.taps());
#pragma omp parallel for schedule(static) if (work >= kParallelElements)
  for (int64_t plane = 0; plane < pool.planes; ++plane) body(plane);
}

}  // namespace marvin
