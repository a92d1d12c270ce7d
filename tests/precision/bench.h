// What tests of policies share.
#pragma once

#include <catch2/catch.hpp>
#include <random>

#include "runtime/ir/error.h"
#include "runtime/precision/policy.h"

namespace marvin {

// Slots on hand-made values, stepped by hand.
class Bench {
 public:
  explicit Bench(const std::string& spec) : Bench(make_policy(spec)) {}
  explicit Bench(std::unique_ptr<SwitchPolicy> policy) : policy_(std::move(policy)) {}

  void add(Role role, std::vector<float> sample, const std::string& name = "", const std::string& layer = "layer",
           bool to_optimizer = false) {
    slots_.push_back({name.empty() ? cat("v", slots_.size()) : name, layer, role});
    samples_.push_back(std::move(sample));
    to_optimizer_.push_back(to_optimizer);
  }
  std::vector<float>& sample(size_t i) { return samples_[i]; }
  void begin() {
    formats.assign(slots_.size(), {});
    formats = policy_->begin(windows(), state);
  }
  // Runs `steps` steps with the values as they are, `epoch` of them to an epoch; returns every switch.
  std::vector<FormatChange> run(int steps, double loss = 1) {
    std::vector<FormatChange> all;
    for (int i = 0; i < steps; ++i) {
      decision.clear(slots_.size());
      ++step_;
      policy_->decide(windows(),
                      {.step = step_, .loss = loss, .epoch = (step_ - 1) / epoch + 1, .epoch_ends = step_ % epoch == 0},
                      state, decision);
      for (const FormatChange& change : decision.changes) formats[change.slot] = change.to;
      all.insert(all.end(), decision.changes.begin(), decision.changes.end());
    }
    return all;
  }

  std::vector<FixedPoint> formats;
  PolicyState state;
  int64_t gradients = 0;
  double gradient_sum_norm = 0, gradient_square_norms = 0;
  Decision decision;
  int64_t epoch = 1000;
  std::vector<std::vector<size_t>> partners;  // by slot; none where there are fewer

 private:
  std::vector<SlotWindow> windows() {
    std::vector<SlotWindow> result;
    stats_.assign(slots_.size(), std::vector<float>(QuantizeStats::kCount));
    for (size_t i = 0; i < slots_.size(); ++i) {
      const FixedPoint format = formats.empty() ? FixedPoint{} : formats[i];
      float saturated = 0;
      for (const float x : samples_[i]) {
        stats_[i][QuantizeStats::absmax] = std::max(stats_[i][QuantizeStats::absmax], std::abs(x));
        if (!format.is_float())
          saturated += std::abs(x) * power_of_two(format.fl) > static_cast<float>(format.max()) + 0.5f;
      }
      stats_[i][QuantizeStats::saturated] = saturated / static_cast<float>(samples_[i].size());
      const bool weight = slots_[i].role == Role::weight;
      result.push_back(
          {.slot = &slots_[i],
           .format = format,
           .stats = stats_[i],
           .sample = samples_[i],
           .row_elements = static_cast<int64_t>(samples_[i].size()) / 4,
           .partners = i < partners.size() ? std::span<const size_t>(partners[i]) : std::span<const size_t>(),
           .to_optimizer = to_optimizer_[i],
           .gradients = weight ? gradients : 0,
           .gradient_sum_norm = weight ? gradient_sum_norm : 0,
           .gradient_square_norms = weight ? gradient_square_norms : 0});
    }
    return result;
  }

  std::unique_ptr<SwitchPolicy> policy_;
  std::vector<Slot> slots_;
  std::vector<std::vector<float>> samples_, stats_;
  std::vector<bool> to_optimizer_;
  int64_t step_ = 0;
};

inline std::vector<float> uniform(float range, size_t count = 4096) {
  std::mt19937 random(5);
  std::vector<float> values(count);
  for (float& value : values) value = (static_cast<float>(random() >> 8) * 0x1p-23f - 1) * range;
  values[0] = range;
  return values;
}

}  // namespace marvin
