#include "runtime/kernels/moments.h"

#include <algorithm>

#include "runtime/kernels/parallel.h"

namespace marvin {
namespace {

MARVIN_CLONES float block_sum(const MomentsBlock& block) {
  Lanes a = {}, b = {};
  float rest = 0;
  for (int64_t row = 0; row < block.rows; ++row) {
    const float* x = block.x + row * block.step;
    int64_t i = 0;
    for (; i + 2 * kLanes <= block.length; i += 2 * kLanes) {
      a += lanes_at(x + i);
      b += lanes_at(x + i + kLanes);
    }
    for (; i < block.length; ++i) rest += x[i];
  }
  return sum_of(a, b) + rest;
}

struct Deviations {
  float sum = 0, squares = 0;
};

MARVIN_CLONES Deviations block_deviations(const MomentsBlock& block, float center) {
  Lanes sum_a = {}, sum_b = {}, squares_a = {}, squares_b = {};
  Deviations rest;
  for (int64_t row = 0; row < block.rows; ++row) {
    const float* x = block.x + row * block.step;
    int64_t i = 0;
    for (; i + 2 * kLanes <= block.length; i += 2 * kLanes) {
      const Lanes a = lanes_at(x + i) - center, b = lanes_at(x + i + kLanes) - center;
      sum_a += a;
      sum_b += b;
      squares_a += a * a;
      squares_b += b * b;
    }
    for (; i < block.length; ++i) {
      const float d = x[i] - center;
      rest.sum += d;
      rest.squares += d * d;
    }
  }
  return {sum_of(sum_a, sum_b) + rest.sum, sum_of(squares_a, squares_b) + rest.squares};
}

}  // namespace

void Moments::add(const Moments& other) {
  const double total = count + other.count, delta = other.mean - mean;
  mean += delta * (other.count / total);
  squares += other.squares + delta * delta * (count * other.count / total);
  count = total;
}

Moments moments_of(const MomentsBlock& block) {
  const double count = static_cast<double>(block.count());
  const float center = block_sum(block) / static_cast<float>(block.count());
  const Deviations deviations = block_deviations(block, center);
  const double shift = deviations.sum / count;
  return {count, center + shift, std::max(0.0, deviations.squares - shift * deviations.sum)};
}

Moments moments_of(const float* x, int64_t count) {
  Moments total;
  for (int64_t i = 0; i < count; i += MomentsBlock::kElements) {
    const int64_t length = std::min(MomentsBlock::kElements, count - i);
    total.add(moments_of(MomentsBlock{x + i, 1, length, length}));
  }
  return total;
}

}  // namespace marvin
