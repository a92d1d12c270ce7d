// What policies remember from step to step: plain data, which callers keep, store and restore.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "runtime/precision/fixed_point.h"
#include "runtime/precision/push_up.h"

namespace marvin {

// The range of a slot, as range.h follows it.
struct RangeState {
  float range = 0;      // decayed maximum of the magnitude
  int64_t settled = 0;  // steps since the point last moved
};

// fixed:WL, fixed:WL.FL, and formats from a file.
struct FixedState {
  struct Slot {
    RangeState range;
    bool fitted = false;  // whether the point follows the range
  };
  std::vector<Slot> slots;
};

struct AdaptiveState {
  struct Slot {
    RangeState range;
    int64_t since = 0;      // steps since the last decision on the word length
    int64_t lookback = 0;   // steps until the next one
    int resolution = 0;     // bins of the divergence test
    int needed_wl = 0;      // the last decision's word length; 0 before the first
    int agreed = 0;         // look-backs in a row that would have done with a narrower container
    int hold = 1;           // how many of them it takes
    int64_t narrowed = -1;  // the step of the last narrowing
  };
  std::vector<Slot> slots;
  Strategy strategy = Strategy::min;
  double recent_loss = 0;  // decayed means of the loss, over a short and a long time
  double usual_loss = 0;
  int64_t losses = 0;  // how many went into them
  int64_t rising = 0;  // steps in a row in which the recent loss was above the usual one
};

struct PaperState {
  struct Layer {
    FixedPoint format;
    int64_t since = 0;  // steps since the last decision
    int64_t lookback = 0;
    int resolution = 0;
  };
  std::vector<Layer> layers;   // one per weight
  std::vector<int64_t> layer;  // by slot; -1: not quantized
  Strategy strategy = Strategy::min;
  std::vector<double> losses;  // of the last steps
};

struct MuppetState {
  int64_t level = 0;             // of the word lengths
  int64_t epochs = 0;            // in the window of gradients
  double largest_diversity = 0;  // since the last switch
  int64_t violations = 0;
};

struct ReplayState {
  uint64_t next = 0;  // of the recorded switches
};

using PolicyState = std::variant<std::monostate, FixedState, AdaptiveState, PaperState, MuppetState, ReplayState>;

}  // namespace marvin
