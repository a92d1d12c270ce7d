// Who decides on formats: between two iterations a policy reads what was observed of every slot and answers with the
// switches to make. Policies hold settings only; what they remember is in PolicyState, which callers keep, store and
// restore. Same state and same windows give the same answer.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/ir/graph.h"
#include "runtime/precision/fixed_point.h"
#include "runtime/precision/policy_state.h"
#include "runtime/precision/treatment.h"

namespace marvin {

// What was observed of one slot in the step that has just run.
struct SlotWindow {
  const Slot* slot = nullptr;
  FixedPoint format;                 // that the policy chose last
  std::span<const float> stats;      // QuantizeStats
  std::span<const float> sample;     // of the real values, of a weight before the step's update
  int64_t row_elements = 0;          // of a weight: how many elements share its first index
  std::span<const size_t> partners;  // the slots that products multiply it with
  bool to_optimizer = false;         // a parameter's gradient as the optimizer takes it; other gradients flow back
  // Of a weight: the gradients since the slot's window began, as GradientRule says.
  int64_t gradients = 0;
  double gradient_sum_norm = 0;      // 2-norm of their sum
  double gradient_square_norms = 0;  // sum of their squared 2-norms
};

struct Progress {
  int64_t step = 0;  // that has just run, from 1
  double loss = 0;
  double l1_term = 0;  // what the sum of absolute values adds to the loss
  int64_t epoch = 1;   // of the step, from 1
  bool epoch_ends = false;
};

// Why a switch was made.
struct Evidence {
  std::string_view reason;  // "range", "saturation", "divergence", "magnitude error", "gradient diversity", "partner"
                            // or "replay"
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

// What a policy asked of a slot last; zeros where it asks nothing.
struct SlotTest {
  int needed_wl = 0;     // the shortest word that passed; 0 before the first look-back ended
  int64_t lookback = 0;  // steps
  int resolution = 0;    // bins
};

// What a policy answers after a step.
struct Decision {
  std::vector<FormatChange> changes;  // to make before the next step
  std::vector<uint8_t> restart;       // by slot: its gradient window begins anew
  std::vector<SlotTest> tests;        // by slot; stay from step to step

  // Room for so many slots, and no answer yet.
  void clear(size_t slots) {
    changes.clear();
    changes.reserve(slots);
    restart.assign(slots, 0);
    tests.resize(slots);
  }
};

class SwitchPolicy {
 public:
  virtual ~SwitchPolicy() = default;
  // What the training step has to be like, and to show.
  virtual Treatment treatment() const { return {}; }
  virtual Observation observation() const { return {.enabled = true}; }
  virtual GradientRule gradient_rule() const { return {}; }
  // Whether formats ever change by the policy's own judgement.
  virtual bool switches() const { return true; }
  // The formats of the first step, from one float32 pass that changed nothing. `state` is set.
  virtual std::vector<FixedPoint> begin(std::span<const SlotWindow> windows, PolicyState& state) const = 0;
  // Adds the answer to `decision`, which is clear.
  virtual void decide(std::span<const SlotWindow> windows, const Progress& progress, PolicyState& state,
                      Decision& decision) const = 0;
};

// What the user may write.
constexpr std::string_view kPrecisionSpecs =
    "adaptive, float32, fixed:WL, fixed:WL.FL, paper (or paper:sound), paper:released, muppet, FILE.json or "
    "RUN/precision.jsonl";

// The policy of a specification that names no file. Null for float32, which has no formats to decide on. Throws Error
// on anything else.
std::unique_ptr<SwitchPolicy> make_policy(const std::string& spec);

// How one slot is treated by those who do not judge.
struct SlotFormat {
  FixedPoint format;
  bool fitted = false;  // the point follows the range
};
// Of "float32", "WL" (fitted) and "WL.FL", 2 to 24 bits. Throws Error on another text.
SlotFormat slot_format(std::string_view text);

// A run's switches, as its precision.jsonl has them.
struct Recording {
  struct Switch {
    int64_t step = 0;  // after which it was made; 0: the first formats
    std::string slot;
    FixedPoint to;
  };
  std::string source;
  Treatment treatment;
  std::vector<Switch> switches;  // by step
};

// In policies/.
std::unique_ptr<SwitchPolicy> make_adaptive_policy();
// One format per slot.
using SlotFormats = std::function<std::vector<SlotFormat>(std::span<const SlotWindow>)>;
std::unique_ptr<SwitchPolicy> make_fixed_policy(SlotFormats formats, bool switches);
// `settings`: what follows "paper:" or "muppet:". Throws Error on what is none.
std::unique_ptr<SwitchPolicy> make_paper_policy(std::string_view settings);
std::unique_ptr<SwitchPolicy> make_muppet_policy(std::string_view settings);
std::unique_ptr<SwitchPolicy> make_replay_policy(Recording recording);

}  // namespace marvin
