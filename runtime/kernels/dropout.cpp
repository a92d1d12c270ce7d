#include "runtime/kernels/dropout.h"

#include "runtime/kernels/parallel.h"
#include "runtime/kernels/random.h"

namespace marvin {
namespace {

constexpr int64_t kBlock = 1 << 12;

// Elements [begin, begin + count) of the whole. Bits are drawn apart from their use, since mixed widths vectorise
// badly.
MARVIN_CLONES void drop_block(const DropoutRule& rule, int64_t begin, int64_t count, const float* x, float* y,
                              bool* mask) {
  constexpr int64_t kPiece = 256;
  uint32_t bits[kPiece];
  for (int64_t from = 0; from < count; from += kPiece) {
    const int64_t n = from + kPiece < count ? kPiece : count - from;
    for (int64_t i = 0; i < n; ++i) bits[i] = random_bits(rule.key, static_cast<uint64_t>(begin + from + i));
    const float* piece_x = x + from;
    float* piece_y = y + from;
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) {
      const float kept = piece_x[i] * rule.scale;
      piece_y[i] = bits[i] >= rule.threshold ? kept : 0.0f;
    }
    if (!mask) continue;
    for (int64_t i = 0; i < n; ++i) mask[from + i] = bits[i] >= rule.threshold;
  }
}

// Read as bytes, since a choice by bools does not vectorise.
MARVIN_CLONES void select_block(float scale, int64_t count, const float* dy, const uint8_t* mask, float* dx) {
#pragma GCC ivdep
  for (int64_t i = 0; i < count; ++i) {
    const float kept = dy[i] * scale;
    const int32_t keep = mask[i];
    dx[i] = keep != 0 ? kept : 0.0f;
  }
}

}  // namespace

void dropout(const DropoutRule& rule, int64_t count, const float* x, float* y, bool* mask, int64_t first) {
  parallel_blocks(count, kBlock, [&](int64_t begin, int64_t end) {
    drop_block(rule, first + begin, end - begin, x + begin, y + begin, mask ? mask + begin : nullptr);
  });
}

void dropout_grad(float scale, int64_t count, const float* dy, const bool* mask, float* dx) {
  parallel_blocks(count, kBlock, [&](int64_t begin, int64_t end) {
    select_block(scale, end - begin, dy + begin, reinterpret_cast<const uint8_t*>(mask) + begin, dx + begin);
  });
}

}  // namespace marvin
