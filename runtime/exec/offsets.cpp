#include <algorithm>
#include <map>
#include <numeric>

#include "runtime/exec/plan.h"

namespace marvin {
namespace {

int64_t aligned(int64_t bytes) {
  constexpr int64_t kUnit = Buffer::kAlignment;
  return (bytes + kUnit - 1) / kUnit * kUnit;
}

}  // namespace

std::vector<int64_t> assign_offsets(std::span<const Interval> intervals) {
  std::vector<size_t> order(intervals.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return intervals[a].bytes > intervals[b].bytes; });
  std::vector<int64_t> offsets(intervals.size(), 0);
  std::vector<size_t> placed;  // by offset
  for (const size_t i : order) {
    if (intervals[i].bytes == 0) continue;
    const int64_t bytes = aligned(intervals[i].bytes);
    int64_t offset = 0;
    for (const size_t other : placed) {
      const bool overlaps = intervals[other].first <= intervals[i].last && intervals[i].first <= intervals[other].last;
      if (!overlaps) continue;
      if (offsets[other] >= offset + bytes) break;
      offset = std::max(offset, offsets[other] + aligned(intervals[other].bytes));
    }
    offsets[i] = offset;
    const auto at = std::upper_bound(placed.begin(), placed.end(), offset,
                                     [&](int64_t value, size_t other) { return value < offsets[other]; });
    placed.insert(at, i);
  }
  return offsets;
}

int64_t live_peak(std::span<const Interval> intervals) {
  std::map<int64_t, int64_t> change;
  for (const Interval& interval : intervals) {
    change[interval.first] += aligned(interval.bytes);
    change[interval.last + 1] -= aligned(interval.bytes);
  }
  int64_t alive = 0;
  int64_t peak = 0;
  for (const auto& [step, delta] : change) peak = std::max(peak, alive += delta);
  return peak;
}

}  // namespace marvin
