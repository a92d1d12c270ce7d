// observations.jsonl: from time to time, what a step showed of every slot.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/precision/policy.h"
#include "runtime/report/json_lines.h"

namespace marvin {

// What is recorded of a slot, one array each in every line, in the order of the slots of the first line. NaN, which
// JSON writes as null, where there is none.
//   wl, fl           the format that the step ran in
//   needed_wl        the shortest word that the policy's tests let through when last asked; 0 before
//   absmax           the largest magnitude
//   magnitude_error  |mean|x| - mean|q|| / mean|x| over all elements; none in float32
//   saturated        the share of elements that were clamped
//   underflowed      the share that is not zero but became zero
//   sparsity         the share of zeros after rounding: of those before, in a sample, and the underflowed
//   divergence       of weights and activations in fixed point: divergence() of the sample in the slot's format, in
//                    kObservedResolution bins
//   diversity        of weights, over the gradients g since the slot's last decision: gradient_diversity() where they
//                    have unit norm, sum |g|^2 / |sum g|^2 (Yin et al., as in MuPPET) where they have not
constexpr int kObservedResolution = 24;

struct ObservedStep {
  int64_t step = 0, total_steps = 0;
  int64_t ns = 0;  // that the step took
  std::span<const SlotWindow> windows;
  std::span<const FixedPoint> formats;  // that the step ran in
  std::span<const SlotTest> tests;
};

class ObservationLog {
 public:
  // Creates the file with the line {"slots": [{"slot", "layer", "role"}, ..]}. Every function throws Error, naming the
  // file, when it cannot be written.
  ObservationLog(const std::string& path, std::span<const Slot> slots);

  // Appends {"step", "wl": [..], ..} at the first step and at 50 that lie evenly up to the last, or at all where a run
  // has no more; and at up to 200 as far as all of it takes less than half a percent of the steps' time.
  void observe(const ObservedStep& step);
  void flush() { lines_.flush(); }
  void sync() { lines_.sync(); }

 private:
  bool is_due(const ObservedStep& step) const;

  JsonLines lines_;
  int64_t steps_ns_ = 0, own_ns_ = 0;
};

}  // namespace marvin
