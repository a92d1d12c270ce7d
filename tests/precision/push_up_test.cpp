#include "runtime/precision/push_up.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "runtime/precision/observations.h"

namespace marvin {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST_CASE("push-up adds the bits that diversity and strategy ask for") {
  struct Row {
    double diversity;
    int bits, min, mean, max;
  };
  // s of the released rules for 4 and 8 fractional bits in use.
  const Row rows[] = {{1, 4, 1, 1, 1},   {2, 4, 1, 1, 1},    {std::exp(1.0), 4, 1, 1, 1}, {3, 4, 0, 52, 103},
                      {4, 4, 1, 4, 7},   {5, 4, 3, 6, 8},    {7, 4, 2, 14, 25},           {10, 4, 1, 15, 28},
                      {4, 8, 0, 4, 7},   {5, 8, 3, 4, 4},    {7, 8, 2, 12, 21},           {10, 8, 1, 13, 24}};
  for (const Row& row : rows) {
    INFO("diversity " << row.diversity << ", " << row.bits << " bits");
    CHECK(push_up(row.diversity, row.bits, Strategy::min) == row.min);
    CHECK(push_up(row.diversity, row.bits, Strategy::mean) == row.mean);
    CHECK(push_up(row.diversity, row.bits, Strategy::max) == row.max);
  }
  CHECK(push_up(kInfinity, 4, Strategy::max) == 1);
  CHECK(push_up(0, 4, Strategy::max) == 1);
}

TEST_CASE("diverse gradients shorten the look-back") {
  struct Row {
    double diversity;
    int64_t lookback, slow, fast;  // with gamma 0.33 and 0.9
  };
  const Row rows[] = {{1, 25, 50, 93}, {2, 100, 84, 55}, {3, 60, 52, 37}, {5, 40, 36, 27}, {10, 25, 25, 25},
                      {kInfinity, 80, 62, 31}};
  for (const Row& row : rows) {
    INFO("diversity " << row.diversity << ", look-back " << row.lookback);
    CHECK(adapt_lookback(row.diversity, row.lookback, 25, 100, 0.33) == row.slow);
    CHECK(adapt_lookback(row.diversity, row.lookback, 25, 100, 0.9) == row.fast);
  }
}

TEST_CASE("resolution grows at the longest look-back and shrinks at the shortest") {
  CHECK(adapt_resolution(100, 25, 100, 50, 50, 150) == 51);
  CHECK(adapt_resolution(25, 25, 100, 51, 50, 150) == 50);
  CHECK(adapt_resolution(60, 25, 100, 70, 50, 150) == 70);
  CHECK(adapt_resolution(100, 25, 100, 150, 50, 150) == 150);
  CHECK(adapt_resolution(25, 25, 100, 50, 50, 150) == 50);
}

TEST_CASE("strategy climbs one rung while the loss stalls and falls to min when it improves") {
  CHECK(adapt_strategy(Strategy::min, 2, 1) == Strategy::mean);
  CHECK(adapt_strategy(Strategy::mean, 2, 1) == Strategy::max);
  CHECK(adapt_strategy(Strategy::max, 1, 1) == Strategy::max);
  CHECK(adapt_strategy(Strategy::max, 0.5, 1) == Strategy::min);
}

TEST_CASE("gradient diversity is 1 for equal, sqrt(n) for orthogonal and infinite for cancelling gradients") {
  const std::vector<float> x = {3, 0}, y = {0, 7}, minus_x = {-2, 0}, zero = {0, 0};
  GradientWindow window;
  window.add(x);
  window.add(x);
  CHECK(gradient_diversity(window.count(), window.sum_norm()) == Approx(1));
  window.reset();
  window.add(x);
  window.add(y);
  CHECK(gradient_diversity(window.count(), window.sum_norm()) == Approx(std::sqrt(2.0)));
  window.reset();
  window.add(x);
  window.add(minus_x);
  CHECK(gradient_diversity(window.count(), window.sum_norm()) == kInfinity);
  window.reset();
  window.add(zero);
  CHECK(window.count() == 0);
}

}  // namespace
}  // namespace marvin
