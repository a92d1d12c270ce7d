// A row of elements that quantize() takes at once.
#pragma once

#include <cstdint>

#include "runtime/kernels/quantize.h"

namespace marvin {

constexpr int64_t kTallyLanes = 16;  // independent sums, so that vectors can take them in a fixed order

// What a block's rows contribute to the stats, element i of a row in lane i % kTallyLanes.
struct LaneTally {
  float absmax[kTallyLanes] = {}, abs[kTallyLanes] = {}, quantized[kTallyLanes] = {};
  int32_t saturated[kTallyLanes] = {}, underflowed[kTallyLanes] = {};
};

// Quantizes `count` elements that lie in a row and adds them to the tally; element i's random position is
// position + i * stride. The same bits on every instruction set.
template <class Word>
void quantize_row(const float* x, Word* q, int64_t count, const QuantizeRule& rule, uint64_t position, uint64_t stride,
                  LaneTally& tally);

}  // namespace marvin
