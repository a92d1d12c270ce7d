#include "runtime/precision/push_up.h"

#include <algorithm>
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
  const Row rows[] = {{1, 4, 1, 1, 1}, {2, 4, 1, 1, 1}, {std::exp(1.0), 4, 1, 1, 1}, {3, 4, 0, 52, 103},
                      {4, 4, 1, 4, 7}, {5, 4, 3, 6, 8}, {7, 4, 2, 14, 25},           {10, 4, 1, 15, 28},
                      {4, 8, 0, 4, 7}, {5, 8, 3, 4, 4}, {7, 8, 2, 12, 21},           {10, 8, 1, 13, 24}};
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
  const Row rows[] = {{1, 25, 50, 93}, {2, 100, 84, 55}, {3, 60, 52, 37},
                      {5, 40, 36, 27}, {10, 25, 25, 25}, {kInfinity, 80, 62, 31}};
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

TEST_CASE("pushing up gives the published formats") {
  struct Row {
    double diversity;
    FixedPoint small[3], large[3];  // by strategy, of <8,4> with 4 bits before the point and of <16,8> with 8
  };
  const double e = std::exp(1.0);
  const Row rows[] = {{1, {{9, 5}, {9, 5}, {9, 5}}, {{17, 9}, {17, 9}, {17, 9}}},
                      {2, {{9, 5}, {9, 5}, {9, 5}}, {{17, 9}, {17, 9}, {17, 9}}},
                      {e, {{9, 5}, {9, 5}, {9, 5}}, {{17, 9}, {17, 9}, {17, 9}}},
                      {3, {{9, 4}, {32, 28}, {32, 28}}, {{17, 8}, {32, 24}, {32, 24}}},
                      {4, {{9, 5}, {12, 8}, {15, 11}}, {{17, 8}, {20, 12}, {23, 15}}},
                      {5, {{11, 7}, {14, 10}, {16, 12}}, {{19, 11}, {20, 12}, {20, 12}}},
                      {7, {{10, 6}, {22, 18}, {32, 28}}, {{18, 10}, {28, 20}, {32, 24}}},
                      {10, {{9, 5}, {23, 19}, {32, 28}}, {{17, 9}, {29, 21}, {32, 24}}}};
  for (const Row& row : rows) {
    for (const Strategy strategy : {Strategy::min, Strategy::mean, Strategy::max}) {
      INFO("diversity " << row.diversity << ", " << name_of(strategy));
      const auto k = static_cast<size_t>(strategy);
      CHECK(with_bits({8, 4}, push_up(row.diversity, 4, strategy), 4) == row.small[k]);
      CHECK(with_bits({16, 8}, push_up(row.diversity, 8, strategy), 8) == row.large[k]);
    }
  }
}

TEST_CASE("pushed formats have at most 32 bits, and the bits before the point that they have to have") {
  for (int wl = 4; wl <= 32; ++wl) {
    for (int fl = 4; fl <= wl; ++fl) {
      for (const int buff : {0, 4, 8, 24}) {
        for (const int bits : {0, 1, 7, 103}) {
          const FixedPoint to = with_bits({static_cast<int8_t>(wl), static_cast<int8_t>(fl)}, bits, buff);
          CHECK(to.wl <= 32);
          CHECK(to.fl <= 32 - buff);
          CHECK(to.wl >= std::min(to.fl + buff, 32));
        }
      }
    }
  }
}

TEST_CASE("the look-back stays in its bounds, and is the longest where the shortest is above it") {
  for (const double diversity : {0.0, 1.0, 3.3, 50.0, kInfinity}) {
    for (int64_t lookback = 25; lookback <= 100; ++lookback) {
      const int64_t next = adapt_lookback(diversity, lookback, 25, 100, 0.33);
      CHECK(next >= 25);
      CHECK(next <= 100);
    }
    CHECK(adapt_lookback(diversity, 100, 256, 100, 0.33) == 100);
  }
}

TEST_CASE("strategy compares the loss with those of the look-back before") {
  std::vector<double> losses;
  Strategy strategy = Strategy::min;
  const auto next = [&](double loss) { return strategy = adapt_strategy(strategy, loss, 3, losses); };
  for (const double loss : {5.0, 1.0, 1.0, 1.0}) CHECK(next(loss) == Strategy::min);
  CHECK(losses == std::vector<double>{5, 1, 1, 1});
  CHECK(next(2.5) == Strategy::min);  // below (5 + 1 + 1 + 1) / 3
  CHECK(losses == std::vector<double>{1, 1, 1, 2.5});
  CHECK(next(2) == Strategy::mean);  // above 5.5 / 3
  CHECK(next(3) == Strategy::max);   // above (1 + 1 + 2.5 + 2) / 3
  CHECK(next(0.5) == Strategy::min);
}

TEST_CASE("a window sums gradients as they are, and counts zeros, where its rule says so") {
  GradientWindow window;
  const GradientRule rule{.unit = false, .count_zeros = true};
  window.add(std::vector<float>{3, 4}, rule);
  window.add(std::vector<float>{0, 0}, rule);
  window.add(std::vector<float>{3, -4}, rule);
  CHECK(window.count() == 3);
  CHECK(window.sum_norm() == Approx(6));
  CHECK(window.square_norms() == Approx(50));
  window.reset();
  window.add(std::vector<float>{std::numeric_limits<float>::quiet_NaN(), 0}, rule);
  CHECK(window.count() == 0);
  CHECK(window.square_norms() == 0);
}

TEST_CASE("n orthonormal gradients have a diversity of sqrt(n)") {
  GradientWindow window;
  for (size_t i = 0; i < 9; ++i) {
    std::vector<float> gradient(9);
    gradient[i] = static_cast<float>(i) + 1;
    window.add(gradient);
  }
  CHECK(gradient_diversity(window.count(), window.sum_norm()) == Approx(3));
}

}  // namespace
}  // namespace marvin
