// RUN/precision.jsonl: the switches of a recorded run, at their steps.
#include <algorithm>

#include "runtime/ir/error.h"
#include "runtime/precision/policy.h"

namespace marvin {
namespace {

class ReplayPolicy : public SwitchPolicy {
 public:
  explicit ReplayPolicy(Recording recording) : recording_(std::move(recording)) {}

  Treatment treatment() const override { return recording_.treatment; }
  bool switches() const override { return false; }

  std::vector<FixedPoint> begin(std::span<const SlotWindow> windows, PolicyState& state) const override {
    std::vector<FixedPoint> formats(windows.size());
    std::vector<bool> known(windows.size());
    ReplayState begun;
    for (const Recording::Switch& change : recording_.switches) {
      const size_t slot = slot_named(windows, change.slot);
      if (change.step > 0) continue;
      formats[slot] = change.to;
      known[slot] = true;
      ++begun.next;
    }
    for (size_t i = 0; i < windows.size(); ++i) {
      if (!known[i])
        throw Error(recording_.source, ": has no first format of '", windows[i].slot->name,
                    "'; it was recorded with another model");
    }
    state = begun;
    return formats;
  }

  void decide(std::span<const SlotWindow> windows, const Progress& progress, PolicyState& stored,
              Decision& decision) const override {
    uint64_t& next = std::get<ReplayState>(stored).next;
    for (; next < recording_.switches.size() && recording_.switches[next].step <= progress.step; ++next) {
      const Recording::Switch& change = recording_.switches[next];
      const size_t slot = slot_named(windows, change.slot);
      decision.changes.push_back({slot,
                                  windows[slot].format,
                                  change.to,
                                  {.reason = "replay",
                                   .range = windows[slot].stats[QuantizeStats::absmax],
                                   .saturated = windows[slot].stats[QuantizeStats::saturated],
                                   .underflowed = windows[slot].stats[QuantizeStats::underflowed]}});
    }
  }

 private:
  size_t slot_named(std::span<const SlotWindow> windows, const std::string& name) const {
    const auto window = std::ranges::find(windows, name, [](const SlotWindow& w) { return w.slot->name; });
    if (window == windows.end()) {
      throw Error(recording_.source, ": the model has no slot '", name, "'; it was recorded with another model");
    }
    return static_cast<size_t>(window - windows.begin());
  }

  Recording recording_;
};

}  // namespace

std::unique_ptr<SwitchPolicy> make_replay_policy(Recording recording) {
  return std::make_unique<ReplayPolicy>(std::move(recording));
}

}  // namespace marvin
