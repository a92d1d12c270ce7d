// Where is the point? The range of a slot, followed from step to step.
#pragma once

#include <optional>

#include "runtime/precision/policy.h"

namespace marvin {

// How a range follows what is observed, and when the point moves.
struct RangeRule {
  float decay;      // of the range, per step without a larger value
  int64_t settle;   // steps between two moves to a finer point
  float margin;     // by which the range has to clear the finer point
  float tolerated;  // share of saturated elements below which a coarser point can wait
};

// Weights and activations change slowly, and clipping them changes what the network computes. The largest gradients
// change from batch to batch: most steps would not need the point that the largest of many steps asks for, and most
// values of a gradient are so small that this costs each of them a part of a bit. Clipping one of 50,000 costs less.
const RangeRule& range_rule(Role role);

// Updates the slot's range from the window and moves the point within the word: to a coarser one at once when values
// saturate, to a finer one when the decayed range, and a margin, has left the upper half of what the word holds.
std::optional<FormatChange> follow_range(const SlotWindow& window, RangeState& state, size_t slot);

}  // namespace marvin
