// The formats of a training run: what a policy sees, and what comes of its answers.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/precision/cost_meter.h"
#include "runtime/precision/observations.h"
#include "runtime/precision/policy.h"
#include "runtime/train/step_plans.h"

namespace marvin {

struct SlotFormatNow {
  Slot slot;
  FixedPoint format;
  int needed_wl = 0;      // the shortest word that the policy's tests let through when last asked; 0 where never
  float first_range = 0;  // the largest magnitude before the first step, to which the first format was fitted
};

class FormatControl {
 public:
  // No policy: float32, without slots. at_epoch: what the policy switches takes effect at the end of the epoch.
  FormatControl(std::unique_ptr<SwitchPolicy> policy, bool at_epoch)
      : policy_(std::move(policy)), at_epoch_(at_epoch) {}

  bool is_on() const { return policy_ != nullptr; }
  Treatment treatment() const { return policy_ ? policy_->treatment() : Treatment{}; }
  Observation observation() const { return policy_ ? policy_->observation() : Observation{}; }

  // Takes the slots of a plan whose products are in float32, ...
  void adopt(const StepPlan& plan);
  // ... and once it has run chooses the first formats by what it shows.
  void begin(const StepPlan& plan);
  // After a step: brings what its plan shows of every slot into the windows.
  void look(const StepPlan& plan, bool epoch_ends);
  // Asks the policy, and returns the switches that the next step is to run in.
  std::span<const FormatChange> decide(const Progress& progress);

  const std::vector<Slot>& slots() const { return slots_; }
  std::span<const FixedPoint> formats() const { return formats_; }
  std::span<const SlotWindow> windows() const { return windows_; }
  std::span<const SlotTest> tests() const { return decision_.tests; }
  std::vector<SlotFormatNow> now() const;
  Formats by_name() const;
  // Of the last step, for every slot.
  void cost(std::span<SlotCost> costs) const;
  // "layer 'conv1' (conv1.weight)": the first slot that held a value that is not finite; empty when none did.
  std::string first_not_finite() const;

 private:
  void show(const StepPlan& plan);

  std::unique_ptr<SwitchPolicy> policy_;
  bool at_epoch_;
  PolicyState state_;
  Decision decision_;
  // By slot.
  std::vector<Slot> slots_;
  std::vector<std::vector<size_t>> partners_;
  std::vector<FixedPoint> formats_, wanted_;  // in effect, and as the policy knows them
  std::vector<Evidence> evidence_;            // of the switch to the wanted format
  std::vector<float> first_ranges_;
  std::vector<GradientWindow> gradients_;
  std::vector<SlotWindow> windows_;
  std::vector<FormatChange> switches_;
};

}  // namespace marvin
