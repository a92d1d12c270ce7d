#include "runtime/precision/range.h"

#include <algorithm>
#include <cmath>

namespace marvin {

const RangeRule& range_rule(Role role) {
  static constexpr RangeRule kValues{.decay = 0.99f, .settle = 25, .margin = 1.125f, .tolerated = 5e-4f};
  static constexpr RangeRule kGradients{.decay = 0.9f, .settle = 10, .margin = 1, .tolerated = 2e-5f};
  return role == Role::gradient ? kGradients : kValues;
}

std::optional<FormatChange> follow_range(const SlotWindow& window, RangeState& state, size_t slot) {
  const RangeRule& rule = range_rule(window.slot->role);
  const float observed = window.stats[QuantizeStats::absmax];
  if (std::isfinite(observed)) state.range = std::max(observed, state.range * rule.decay);
  ++state.settled;
  const float saturated = window.stats[QuantizeStats::saturated];
  const FixedPoint format = window.format;
  if (format.is_float() || state.range == 0) return std::nullopt;
  const bool coarser = fitted_fl(format.wl, state.range) < format.fl && saturated > rule.tolerated;
  const bool finer = fitted_fl(format.wl, state.range * rule.margin) > format.fl && state.settled >= rule.settle;
  if (!coarser && !finer) return std::nullopt;
  const int8_t fl = fitted_fl(format.wl, coarser ? state.range : state.range * rule.margin);
  state.settled = 0;
  return FormatChange{.slot = slot,
                      .from = format,
                      .to = {format.wl, fl},
                      .evidence = {.reason = coarser ? "saturation" : "range",
                                   .range = state.range,
                                   .saturated = saturated,
                                   .underflowed = window.stats[QuantizeStats::underflowed]}};
}

}  // namespace marvin
