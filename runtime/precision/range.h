// Where is the point? The range of a slot, followed from step to step.
#pragma once

#include <optional>

#include "runtime/precision/policy.h"

namespace marvin {

// How a range follows what is observed, and when the point moves.
struct RangeRule {
  float decay = 0.99f;      // of the range, per step without a larger value
  int64_t settle = 25;      // steps between two moves to a finer point
  float margin = 1.125f;    // by which the range has to clear the finer point
  float tolerated = 5e-4f;  // share of saturated elements below which a coarser point can wait
};

// Updates the slot's range from the window and moves the point within the word: to a coarser one at once when values
// saturate, to a finer one when the decayed range, and a margin, has left the upper half of what the word holds.
std::optional<FormatChange> follow_range(const SlotWindow& window, RangeState& state, size_t slot,
                                         const RangeRule& rule = {});

// The range that the observed magnitude gives: the old one decayed, or the observed one where that is larger.
float followed_range(float range, float observed, const RangeRule& rule = {});

}  // namespace marvin
