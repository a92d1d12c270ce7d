#include "runtime/precision/range.h"

#include <algorithm>
#include <cmath>

namespace marvin {

float followed_range(float range, float observed, const RangeRule& rule) {
  if (!std::isfinite(observed)) return range;
  return std::max(observed, range * rule.decay);
}

std::optional<FormatChange> follow_range(const SlotWindow& window, RangeState& state, size_t slot,
                                         const RangeRule& rule) {
  state.range = followed_range(state.range, window.stats[QuantizeStats::absmax], rule);
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
