// fixed:WL and fixed:WL.FL: one word length everywhere, for the whole run.
#include <algorithm>

#include "runtime/precision/policy.h"
#include "runtime/precision/range.h"

namespace marvin {
namespace {

class FixedPolicy : public SwitchPolicy {
 public:
  FixedPolicy(int wl, int fl, bool fitted)
      : format_{static_cast<int8_t>(wl), static_cast<int8_t>(fl)}, fitted_(fitted) {}

  std::vector<FixedPoint> begin(std::span<const SlotWindow> windows, PolicyState& state) const override {
    state.slots.assign(windows.size(), {});
    std::vector<FixedPoint> formats(windows.size(), format_);
    for (size_t i = 0; fitted_ && i < windows.size(); ++i) {
      state.slots[i].range = windows[i].stats[QuantizeStats::absmax];
      formats[i].fl = fitted_fl(format_.wl, state.slots[i].range);
    }
    return formats;
  }

  void decide(std::span<const SlotWindow> windows, const Progress&, PolicyState& state,
              std::vector<FormatChange>& changes) const override {
    for (size_t i = 0; fitted_ && i < windows.size(); ++i) {
      if (const std::optional<FormatChange> change = follow_range(windows[i], state.slots[i], i)) {
        changes.push_back(*change);
      }
    }
  }

 private:
  FixedPoint format_;
  bool fitted_;
};

}  // namespace

std::unique_ptr<SwitchPolicy> make_fixed_policy(int wl, int fl, bool fitted) {
  return std::make_unique<FixedPolicy>(wl, fl, fitted);
}

}  // namespace marvin
