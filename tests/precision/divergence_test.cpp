#include "runtime/precision/divergence.h"

#include <catch2/catch.hpp>
#include <random>
#include <vector>

namespace marvin {
namespace {

std::vector<float> normal_sample(size_t count, float deviation) {
  std::mt19937 random(3);
  std::vector<float> sample(count);
  for (float& x : sample) {
    float sum = 0;  // Irwin-Hall: near enough to normal, and the same on every platform
    for (int i = 0; i < 12; ++i) sum += static_cast<float>(random() >> 8) * 0x1p-24f;
    x = (sum - 6) * deviation;
  }
  return sample;
}

TEST_CASE("divergence is zero for float32 and for values that the format holds") {
  const std::vector<float> halves = {-1, -0.5, 0, 0.5, 0.5, 1, 1.5};
  CHECK(divergence(halves, {}, 16) == 0);
  CHECK(divergence(halves, {8, 4}, 16) == 0);
  CHECK(divergence(halves, {8, 0}, 16) > 0);
  CHECK(divergence(std::vector<float>(9, 2.0f), {8, 0}, 16) == 0);
}

TEST_CASE("divergence is never negative and vanishes as words grow") {
  const std::vector<float> sample = normal_sample(5000, 0.05f);
  for (const int resolution : {16, 50, 150}) {
    double last = 1e9;
    for (int wl = 3; wl <= 16; ++wl) {
      const double d = divergence(sample, {static_cast<int8_t>(wl), fitted_fl(wl, 0.3f)}, resolution);
      CHECK(d >= 0);
      CHECK(d <= last + 0.02);
      last = d;
    }
    CHECK(last < 1e-3);
  }
}

TEST_CASE("words that do not line up with bins diverge where they are counted, but not where they are spread") {
  // Four words to a bin, or three or five.
  const std::vector<float> sample = normal_sample(4096, 1.0f);
  const FixedPoint format{8, 4};
  const auto [low, high] = std::ranges::minmax(sample);
  const int resolution = static_cast<int>((high - low) * 16 / 4.3f);
  CHECK(divergence(sample, format, resolution) > 0.005);
  CHECK(spread_divergence(sample, format, resolution) < 0.001);
  // Words as wide as several bins blur them.
  CHECK(spread_divergence(sample, {8, 0}, resolution) > 0.01);
  CHECK(spread_divergence(sample, {16, 12}, resolution) < 1e-4);
  CHECK(spread_divergence(sample, {}, resolution) == 0);
}

TEST_CASE("a finer resolution asks for more bits") {
  const std::vector<float> sample = normal_sample(4096, 0.05f);
  const auto needed = [&](int resolution) {
    return smallest_word(2, 16, [&](int wl) {
      return divergence(sample, {static_cast<int8_t>(wl), fitted_fl(wl, 0.3f)}, resolution) <= 1e-2;
    });
  };
  CHECK(needed(16) >= 4);
  CHECK(needed(16) <= needed(50));
  CHECK(needed(50) < needed(150));
  CHECK(needed(150) <= 12);
}

TEST_CASE("the smallest word is found by bisection, or one more than the longest when none passes") {
  const auto at_least = [](int threshold) { return smallest_word(4, 16, [=](int wl) { return wl >= threshold; }); };
  CHECK(at_least(0) == 4);
  CHECK(at_least(5) == 5);
  CHECK(at_least(8) == 8);
  CHECK(at_least(13) == 13);
  CHECK(at_least(16) == 16);
  CHECK(at_least(99) == 17);
}

TEST_CASE("magnitude error is the relative shift of the mean magnitude") {
  const std::vector<float> sample = {0.25f, -0.25f, 1.0f, -1.0f};  // rounded to whole numbers: 0, 0, 1, -1
  CHECK(magnitude_error(sample, {8, 0}) == Approx(0.2));
  CHECK(magnitude_error(sample, {8, 2}) == 0);
  CHECK(magnitude_error(sample, {}) == 0);
  CHECK(magnitude_error(std::vector<float>(4, 0.0f), {8, 0}) == 0);
}

TEST_CASE("the fitted point just holds the range") {
  CHECK(fitted_fl(8, 1.0f) == 7);
  CHECK(fitted_fl(8, 1.01f) == 6);
  CHECK(fitted_fl(8, 0.3f) == 8);  // the point may lie outside of the word
  CHECK(fitted_fl(8, 300.0f) == -2);
  CHECK(fitted_fl(16, 1.0f) == 15);
  CHECK(fitted_fl(8, 0.0f) == 7);
  CHECK(fitted_fl(8, 1e-44f) == 100);
}

}  // namespace
}  // namespace marvin
