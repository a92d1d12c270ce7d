#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "runtime/exec/plan.h"

namespace marvin {
namespace {

int64_t aligned(int64_t bytes) {
  constexpr int64_t kUnit = Buffer::kAlignment;
  return (bytes + kUnit - 1) / kUnit * kUnit;
}

// Greedy placement looks at all pairs.
constexpr size_t kMostGreedy = 4096;

// Places the intervals in `order` from 0 on; returns where the last of them ends.
int64_t place_greedily(std::span<const Interval> intervals, std::span<const size_t> order,
                       std::vector<int64_t>& offsets) {
  std::vector<size_t> placed;  // by offset
  int64_t end = 0;
  for (const size_t i : order) {
    const int64_t bytes = aligned(intervals[i].bytes);
    int64_t offset = 0;
    for (const size_t other : placed) {
      const bool overlaps = intervals[other].first <= intervals[i].last && intervals[i].first <= intervals[other].last;
      if (!overlaps) continue;
      if (offsets[other] >= offset + bytes) break;
      offset = std::max(offset, offsets[other] + aligned(intervals[other].bytes));
    }
    offsets[i] = offset;
    end = std::max(end, offset + bytes);
    const auto at = std::upper_bound(placed.begin(), placed.end(), offset,
                                     [&](int64_t value, size_t other) { return value < offsets[other]; });
    placed.insert(at, i);
  }
  return end;
}

// Memory that is taken and given back while time goes by.
class Gaps {
 public:
  explicit Gaps(int64_t begin) : end_(begin) {}

  // The begin of the smallest gap that holds so many bytes, or of new memory behind everything.
  int64_t take(int64_t bytes) {
    const auto smallest = by_size_.lower_bound({bytes, 0});
    if (smallest == by_size_.end()) return std::exchange(end_, end_ + bytes);
    const auto [size, begin] = *smallest;
    erase(begin);
    if (size > bytes) insert(begin + bytes, size - bytes);
    return begin;
  }

  void give_back(int64_t begin, int64_t bytes) {
    const auto next = size_.find(begin + bytes);
    if (next != size_.end()) {
      bytes += next->second;
      erase(next->first);
    }
    const auto behind = size_.lower_bound(begin);
    if (behind != size_.begin()) {
      const auto [before, size] = *std::prev(behind);
      if (before + size == begin) {
        erase(before);
        begin = before;
        bytes += size;
      }
    }
    insert(begin, bytes);
  }

 private:
  void insert(int64_t begin, int64_t bytes) {
    size_[begin] = bytes;
    by_size_.insert({bytes, begin});
  }
  void erase(int64_t begin) {
    by_size_.erase({size_.at(begin), begin});
    size_.erase(begin);
  }

  int64_t end_;
  std::map<int64_t, int64_t> size_;  // by begin
  std::set<std::pair<int64_t, int64_t>> by_size_;
};

void place_by_time(std::span<const Interval> intervals, std::vector<size_t> order, int64_t begin,
                   std::vector<int64_t>& offsets) {
  std::ranges::stable_sort(order, {}, [&](size_t i) { return intervals[i].first; });
  std::multimap<int64_t, size_t> ends;  // of what is alive, by its last step
  Gaps gaps(begin);
  for (const size_t i : order) {
    for (; !ends.empty() && ends.begin()->first < intervals[i].first; ends.erase(ends.begin()))
      gaps.give_back(offsets[ends.begin()->second], aligned(intervals[ends.begin()->second].bytes));
    offsets[i] = gaps.take(aligned(intervals[i].bytes));
    ends.emplace(intervals[i].last, i);
  }
}

}  // namespace

std::vector<int64_t> assign_offsets(std::span<const Interval> intervals) {
  std::vector<size_t> order;
  for (size_t i = 0; i < intervals.size(); ++i)
    if (intervals[i].bytes > 0) order.push_back(i);
  std::ranges::stable_sort(order, std::ranges::greater{}, [&](size_t i) { return intervals[i].bytes; });
  std::vector<int64_t> offsets(intervals.size(), 0);
  const auto split = order.begin() + static_cast<std::ptrdiff_t>(std::min(order.size(), kMostGreedy));
  const int64_t end = place_greedily(intervals, {order.begin(), split}, offsets);
  place_by_time(intervals, {split, order.end()}, end, offsets);
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
