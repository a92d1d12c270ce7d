// Dropout of float32 elements by random_bits of their index.
#pragma once

#include <cstdint>

namespace marvin {

struct DropoutRule {
  uint64_t key = 0;        // of random.h
  uint32_t threshold = 0;  // an element is dropped when its 32 random bits are below this
  float scale = 1;         // of the elements that are kept
};

// Drops a share `ratio` in [0, 1).
constexpr DropoutRule dropout_rule(uint64_t key, double ratio) {
  return {key, static_cast<uint32_t>(ratio * 0x1p32), static_cast<float>(1 / (1 - ratio))};
}

// mask[i] = whether element first + i is kept, y[i] = mask[i] ? x[i] * scale : 0. The mask may be null; y may be x.
void dropout(const DropoutRule& rule, int64_t count, const float* x, float* y, bool* mask, int64_t first = 0);

// dx[i] = mask[i] ? dy[i] * scale : 0. dx may be dy.
void dropout_grad(float scale, int64_t count, const float* dy, const bool* mask, float* dx);

}  // namespace marvin
