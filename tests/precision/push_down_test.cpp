#include "runtime/precision/push_down.h"

#include <catch2/catch.hpp>
#include <random>
#include <vector>

#include "runtime/precision/divergence.h"

namespace marvin {
namespace {

using Shares = std::vector<double>;

TEST_CASE("the released program's divergence is none") {
  const Shares even = {0.25, 0.25, 0.25, 0.25};
  CHECK(pseudo_divergence(even, even) == 0);
  CHECK(pseudo_divergence(even, Shares{0.5, 0.5, 0, 0}) == Approx(0.0810902).margin(1e-7));
  CHECK(pseudo_divergence(even, Shares{0.3, 0.2, 0.25, 0.25}) == Approx(0.0016057).margin(1e-7));
  CHECK(pseudo_divergence(even, Shares{1, 0, 0, 0}) == Approx(0.3221778).margin(1e-7));
  CHECK(pseudo_divergence(Shares{1, 0, 0, 0}, even) == Approx(0).margin(1e-12));  // though they differ
}

TEST_CASE("released and sound bisections find what they are known to find") {
  struct Row {
    int threshold;  // fewer bits lose something
    int fraction_4_12, fraction_4_24, word_4_16, word_8_32, sound_4_16, sound_8_32;
  };
  const Row rows[] = {{0, 4, 4, 4, 8, 4, 8},       {5, 8, 14, 4, 8, 5, 8},       {8, 8, 14, 7, 8, 8, 8},
                      {10, 10, 14, 9, 9, 10, 10},  {13, 11, 14, 12, 12, 13, 13}, {20, 11, 22, 15, 19, 16, 20},
                      {99, 11, 23, 15, 31, 16, 32}};
  for (const Row& row : rows) {
    INFO("threshold " << row.threshold);
    const auto loses = [&](int bits) { return bits < row.threshold; };
    CHECK(released_fraction(4, 12, loses) == row.fraction_4_12);
    CHECK(released_fraction(4, 24, loses) == row.fraction_4_24);
    CHECK(released_word(4, 16, loses) == row.word_4_16);
    CHECK(released_word(8, 32, loses) == row.word_8_32);
    CHECK(sound_bits(4, 16, loses) == row.sound_4_16);
    CHECK(sound_bits(8, 32, loses) == row.sound_8_32);
  }
  CHECK(released_fraction(4, 4, [](int) { return true; }) == 4);
}

std::vector<float> normal(size_t count, float deviation) {
  std::mt19937 random(3);
  std::vector<float> values(count);
  for (float& value : values) {
    float sum = 0;  // Irwin-Hall
    for (int i = 0; i < 12; ++i) sum += static_cast<float>(random() >> 8) * 0x1p-24f;
    value = (sum - 6) * deviation;
  }
  return values;
}

TEST_CASE(
    "the released divergence is zero for what the format holds, ignores what leaves the range, repeats to the bit") {
  const std::vector<float> halves = {-1, -0.5, 0, 0.5, 0.5, 1, 1.5};
  CHECK(released_divergence(halves, {8, 4}, 16, 1) == 0);
  CHECK(released_divergence(halves, {8, 0}, 16, 1) != 0);
  CHECK(released_divergence(std::vector<float>(5, 2.0f), {8, 0}, 16, 1) == 0);
  CHECK(released_divergence(std::vector<float>{3.1f, 3.2f, 3.3f}, {8, 0}, 16, 1) == 0);  // all are rounded outside
  const std::vector<float> values = normal(500, 0.1f);
  CHECK(released_divergence(values, {8, 6}, 50, 1) == released_divergence(values, {8, 6}, 50, 1));
  CHECK(released_divergence(values, {8, 6}, 50, 1) != released_divergence(values, {8, 6}, 50, 2));
}

// The fewest bits behind the point for `tolerance` nats; the published simulation found these within a bit.
TEST_CASE("sound push-down stops where a step of the format is about as wide as a bin") {
  struct Row {
    size_t count;
    float deviation;
    int resolution, coarse, fine;  // for 1e-1 and 1e-2 nats
  };
  for (const Row& row : {Row{5000, 0.02f, 50, 9, 11}, Row{5000, 0.02f, 150, 11, 12}, Row{20000, 0.05f, 50, 8, 8},
                         Row{20000, 0.05f, 150, 9, 11}}) {
    const std::vector<float> values = normal(row.count, row.deviation);
    INFO(row.count << " values, " << row.resolution << " bins");
    CHECK(std::abs(sound_push_down(values, {32, 24}, row.resolution, 1e-1).fl - row.coarse) <= 1);
    CHECK(std::abs(sound_push_down(values, {32, 24}, row.resolution, 1e-2).fl - row.fine) <= 1);
  }
}

TEST_CASE("push-down never widens, and words of more than 24 bits are judged by what they hold") {
  const std::vector<float> values = normal(5000, 3);
  const FixedPoint kept = sound_push_down(values, {32, 28}, 50, 1e-2);  // holds no more than 8 in magnitude
  CHECK(kept.wl <= 32);
  CHECK(kept.fl < 28);
  CHECK(divergence(values, {32, 30}, 50) > 0.1);
  for (const FixedPoint format : {FixedPoint{8, 4}, FixedPoint{32, 28}, FixedPoint{9, 4}, FixedPoint{12, 12}}) {
    const FixedPoint sound = sound_push_down(values, format, 50, 1e-2);
    const FixedPoint released = released_push_down(values, format, 50, 7);
    for (const FixedPoint result : {sound, released}) {
      CHECK(result.wl <= format.wl);
      CHECK(result.fl <= format.fl);
      CHECK(result.fl >= 4);
    }
  }
}

}  // namespace
}  // namespace marvin
