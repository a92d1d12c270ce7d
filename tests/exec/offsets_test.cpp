#include <catch2/catch.hpp>
#include <random>

#include "runtime/exec/plan.h"

namespace marvin {
namespace {

void check_no_overlap(std::span<const Interval> intervals, std::span<const int64_t> offsets) {
  for (size_t a = 0; a < intervals.size(); ++a) {
    CHECK(offsets[a] % Buffer::kAlignment == 0);
    for (size_t b = a + 1; b < intervals.size(); ++b) {
      if (intervals[a].last < intervals[b].first || intervals[b].last < intervals[a].first) continue;
      const bool apart = offsets[a] + intervals[a].bytes <= offsets[b] || offsets[b] + intervals[b].bytes <= offsets[a];
      REQUIRE((apart || intervals[a].bytes == 0 || intervals[b].bytes == 0));
    }
  }
}

int64_t end_of(std::span<const Interval> intervals, std::span<const int64_t> offsets) {
  int64_t end = 0;
  for (size_t i = 0; i < intervals.size(); ++i) end = std::max(end, offsets[i] + intervals[i].bytes);
  return end;
}

TEST_CASE("buffers that are alive together lie beside each other, others share") {
  struct Row {
    std::vector<Interval> intervals;
    std::vector<int64_t> offsets;
  };
  const Row rows[] = {
      {{}, {}},
      {{{0, 1, 100}}, {0}},
      {{{0, 1, 100}, {2, 3, 100}}, {0, 0}},                                     // one after the other: the same place
      {{{0, 1, 100}, {1, 2, 100}}, {0, 128}},                                   // both alive at step 1
      {{{0, 3, 64}, {0, 1, 128}, {2, 3, 128}}, {128, 0, 0}},                    // the largest first
      {{{0, 4, 200}, {0, 1, 64}, {1, 4, 64}, {2, 3, 64}}, {0, 256, 320, 256}},  // into the gap that opened
      {{{0, 0, 0}, {0, 0, 64}}, {0, 0}},                                        // nothing takes no room
  };
  for (const Row& row : rows) CHECK(assign_offsets(row.intervals) == row.offsets);
}

TEST_CASE("random lifetimes never overlap, and the arena stays near the live peak") {
  std::mt19937 random(11);
  for (int round = 0; round < 50; ++round) {
    std::vector<Interval> intervals;
    for (int i = 0; i < 80; ++i) {
      const int64_t first = random() % 60;
      intervals.push_back({first, first + static_cast<int64_t>(random() % 12), static_cast<int64_t>(random() % 5000)});
    }
    const std::vector<int64_t> offsets = assign_offsets(intervals);
    check_no_overlap(intervals, offsets);
    const int64_t peak = live_peak(intervals);
    CHECK(end_of(intervals, offsets) <= peak * 3 / 2);
    CHECK(end_of(intervals, offsets) > peak - int64_t{Buffer::kAlignment});
  }
}

TEST_CASE("more buffers than are worth a search do not overlap either, and share memory") {
  std::mt19937 random(3);
  std::vector<Interval> intervals;
  for (int64_t i = 0; i < 6000; ++i) {
    const int64_t first = static_cast<int64_t>(random() % 3000);
    intervals.push_back({first, first + static_cast<int64_t>(random() % 20), static_cast<int64_t>(random() % 1000)});
  }
  const std::vector<int64_t> offsets = assign_offsets(intervals);
  int64_t overlaps = 0;
  for (size_t a = 0; a < intervals.size(); ++a)
    for (size_t b = a + 1; b < intervals.size(); ++b) {
      if (intervals[a].last < intervals[b].first || intervals[b].last < intervals[a].first) continue;
      overlaps += offsets[a] < offsets[b] + intervals[b].bytes && offsets[b] < offsets[a] + intervals[a].bytes ? 1 : 0;
    }
  CHECK(overlaps == 0);
  CHECK(end_of(intervals, offsets) <= live_peak(intervals) * 2);
}

}  // namespace
}  // namespace marvin
