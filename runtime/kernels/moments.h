// Mean and squared deviations of float32 elements, with the same bits for any vector width and number of threads.
#pragma once

#include <cstdint>

namespace marvin {

// Sums are interleaved by 32, so that results are the same for every vector width; written as vectors to stay in
// registers.
using Lanes [[gnu::vector_size(64)]] = float;
constexpr int64_t kLanes = 16;
using LanesInMemory [[gnu::vector_size(64), gnu::aligned(4), gnu::may_alias]] = float;
inline const LanesInMemory& lanes_at(const float* x) { return *reinterpret_cast<const LanesInMemory*>(x); }
inline void add_lanes(float* to, const Lanes& value) { *reinterpret_cast<LanesInMemory*>(to) += value; }

[[gnu::always_inline]] inline float sum_of(const Lanes& a, const Lanes& b) {
  const Lanes both = a + b;
  float sum = 0;
  for (int64_t lane = 0; lane < kLanes; ++lane) sum += both[lane];
  return sum;
}

// Elements that are summed in float32, about kElements: `rows` rows of `length`, which begin every `step` elements.
struct MomentsBlock {
  static constexpr int64_t kElements = 1024;
  const float* x;
  int64_t rows, length, step;

  int64_t count() const { return rows * length; }
};

struct Moments {
  double count = 0, mean = 0, squares = 0;  // squares: sum (x - mean)^2

  // Of both together. Chan, Golub and LeVeque (1979).
  void add(const Moments& other);
};

// By the corrected two-pass algorithm: the block is in the cache the second time.
Moments moments_of(const MomentsBlock& block);
// Of `count` consecutive elements, block by block.
Moments moments_of(const float* x, int64_t count);

}  // namespace marvin
