// Who decides on formats: between two iterations a policy reads what was observed of every slot and answers with the
// switches to make. Policies hold settings only; what they remember is in PolicyState, which callers keep, store and
// restore. Same state and same windows give the same answer.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/ir/graph.h"
#include "runtime/precision/fixed_point.h"
#include "runtime/precision/push_up.h"

namespace marvin {

// What was observed of one slot in the step that has just run.
struct SlotWindow {
  const Slot* slot = nullptr;
  FixedPoint format;              // in which the step ran
  std::span<const float> stats;   // QuantizeStats
  std::span<const float> sample;  // of the real values
  int64_t gradients = 0;          // of a weight: how many unit-norm gradients were summed since the slot's last decision
  double gradient_sum_norm = 0;   // and the norm of their sum
};

struct Progress {
  int64_t step = 0;  // that has just run, from 1
  double loss = 0;
};

// Why a switch was made.
struct Evidence {
  std::string_view reason;  // "range", "saturation", "divergence", "magnitude error" or "gradient diversity"
  int needed_wl = 0;        // the shortest word that passes the policy's tests
  float range = 0;
  double divergence = 0;  // nats, of the chosen word; the magnitude error for gradients
  double diversity = 1;
  float saturated = 0, underflowed = 0;  // shares of elements
  int64_t lookback = 0;
  int resolution = 0;
  Strategy strategy = Strategy::min;
};

struct FormatChange {
  size_t slot = 0;
  FixedPoint from, to;
  Evidence evidence;
};

// What is remembered of one slot.
struct SlotState {
  float range = 0;        // decayed maximum of the magnitude
  int64_t settled = 0;    // steps since the point last moved
  int64_t since = 0;      // steps since the last decision on the word length
  int64_t lookback = 0;   // steps until the next one
  int resolution = 0;     // bins of the divergence test
  int needed_wl = 0;      // the last decision's word length; 0 before the first
  int agreed = 0;         // look-backs in a row that would have done with a narrower container
  int hold = 1;           // how many of them it takes
  int64_t narrowed = -1;  // the step of the last narrowing
};

struct PolicyState {
  std::vector<SlotState> slots;
  Strategy strategy = Strategy::min;
  double recent_loss = 0;  // decayed means of the loss, over a short and a long time
  double usual_loss = 0;
  int64_t losses = 0;  // how many went into them
  int64_t rising = 0;  // steps in a row in which the recent loss was above the usual one
};

class SwitchPolicy {
 public:
  virtual ~SwitchPolicy() = default;
  // The formats of the first step, from one float32 pass that changed nothing. `state` is sized and set.
  virtual std::vector<FixedPoint> begin(std::span<const SlotWindow> windows, PolicyState& state) const = 0;
  // Appends the switches to make before the next step. A weight's gradient window starts anew once its slot's
  // SlotState::since is 0.
  virtual void decide(std::span<const SlotWindow> windows, const Progress& progress, PolicyState& state,
                      std::vector<FormatChange>& changes) const = 0;
};

// "adaptive", "float32", "fixed:WL" (point fitted to the range) or "fixed:WL.FL". Null for float32, which has no formats
// to decide on. Throws Error on anything else.
std::unique_ptr<SwitchPolicy> make_policy(const std::string& spec);

// In policies/.
std::unique_ptr<SwitchPolicy> make_fixed_policy(int wl, int fl, bool fitted);
std::unique_ptr<SwitchPolicy> make_adaptive_policy();

}  // namespace marvin
