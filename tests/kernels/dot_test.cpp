#include "runtime/kernels/dot.h"

#include <catch2/catch.hpp>
#include <vector>

#include "runtime/kernels/instruction_sets.h"

namespace marvin {

TEST_CASE("an int32 holds the largest sum that a scheme of dot products takes at a time") {
  for (int a = 2; a <= 16; ++a) {
    for (int b = 2; b <= 16; ++b) {
      const DotScheme scheme = dot_scheme(a, b, 2);
      const int64_t largest = int64_t{1} << (a - 1 + (scheme.split ? 8 : b - 1));
      INFO(a << " by " << b << " bits");
      CHECK(scheme.most_groups >= 16);
      CHECK(2 * scheme.most_groups * largest < int64_t{1} << 31);
    }
  }
}

TEST_CASE("operands are interleaved group by group, and nothing is written behind them") {
  if (!vnni_is_available()) return;
  for (const int64_t width : {1, 4, 15, 16, 17, 64, 100}) {
    // The position before the last is of zeros.
    std::vector<int8_t> source(static_cast<size_t>(7 * width + 64));
    for (size_t i = 0; i < source.size(); ++i) source[i] = static_cast<int8_t>(i * 37 + 1);
    std::vector<int32_t> offsets;
    for (int32_t p = 0; p < 8; ++p) offsets.push_back(p == 6 ? -1 : p * static_cast<int32_t>(width) * 6 / 7);
    constexpr int8_t kUntouched = 99;
    std::vector<int8_t> out(static_cast<size_t>(8 * width + 64), kUntouched), expected = out;
    for (int64_t p = 0; p < 8; ++p)
      for (int64_t v = 0; v < width; ++v)
        expected[static_cast<size_t>((p / 4 * width + v) * 4 + p % 4)] =
            p == 6 ? int8_t{0} : source[static_cast<size_t>(offsets[static_cast<size_t>(p)] + v)];
    interleave(source.data(), offsets, width, out.data());
    INFO("width " << width);
    CHECK(out == expected);
  }
}

TEST_CASE("sums of dot products that no int32 holds are exact") {
  if (!vnni_is_available()) return;
  constexpr int64_t kGroups = 300;
  // Of a tile of one row and one vector; the lowest words, whose sum is 600 * 2^24.
  const std::vector<int16_t> rows(2 * kGroups, -4096), lanes(2 * kGroups * kDotLanes, -4096);
  DotTile tile{.rows = reinterpret_cast<const std::byte*>(rows.data()),
               .row_step = kDotGroupBytes,
               .lanes = {reinterpret_cast<const std::byte*>(lanes.data())},
               .lane_step = kDotVectorBytes,
               .vector_count = 1,
               .row_count = 1};
  const std::vector<DotRun> runs = {{0, 0, 7}, {7 * kDotGroupBytes, 7 * kDotVectorBytes, kGroups - 7}};
  int64_t totals[kDotTileSums] = {};
  add_dot_words(tile, runs, dot_scheme(13, 13, 2).most_groups, 3, totals);
  for (int64_t lane = 0; lane < kDotLanes; ++lane) CHECK(totals[lane] == 3 * 2 * kGroups * (int64_t{1} << 24));
}

}  // namespace marvin
