// fixed:WL and fixed:WL.FL: one word length everywhere, for the whole run; and formats that a file gives slot by slot.
#include "runtime/precision/policy.h"
#include "runtime/precision/range.h"

namespace marvin {
namespace {

class FixedPolicy : public SwitchPolicy {
 public:
  FixedPolicy(SlotFormats formats, bool switches) : formats_(std::move(formats)), switches_(switches) {}

  bool switches() const override { return switches_; }

  std::vector<FixedPoint> begin(std::span<const SlotWindow> windows, PolicyState& state) const override {
    FixedState begun;
    std::vector<FixedPoint> formats;
    const std::vector<SlotFormat> wanted = formats_(windows);
    for (size_t i = 0; i < windows.size(); ++i) {
      const float range = windows[i].stats[QuantizeStats::absmax];
      FixedPoint format = wanted[i].format;
      if (wanted[i].fitted) format.fl = fitted_fl(format.wl, range);
      formats.push_back(format);
      begun.slots.push_back({.range = {range}, .fitted = wanted[i].fitted});
    }
    state = std::move(begun);
    return formats;
  }

  void decide(std::span<const SlotWindow> windows, const Progress&, PolicyState& stored,
              Decision& decision) const override {
    FixedState& state = std::get<FixedState>(stored);
    for (size_t i = 0; i < windows.size(); ++i) {
      if (!state.slots[i].fitted) continue;
      if (const std::optional<FormatChange> change = follow_range(windows[i], state.slots[i].range, i)) {
        decision.changes.push_back(*change);
      }
    }
  }

 private:
  SlotFormats formats_;
  bool switches_;
};

}  // namespace

std::unique_ptr<SwitchPolicy> make_fixed_policy(SlotFormats formats, bool switches) {
  return std::make_unique<FixedPolicy>(std::move(formats), switches);
}

}  // namespace marvin
