#include "runtime/precision/muppet.h"

#include "tests/precision/bench.h"

namespace marvin {
namespace {

TEST_CASE("MuPPET's scale is the finest that keeps rounded values in the word") {
  CHECK(muppet_scale(8, 1, -1) == 6);  // floor(log2(127.5))
  CHECK(muppet_scale(8, 1, 0) == 6);
  CHECK(muppet_scale(8, 0.99, -1) == 7);  // 128.5 for the smallest, 127.5 / 0.99 for the largest
  CHECK(muppet_scale(16, 1, -1) == 14);
  CHECK(muppet_scale(8, 300, -20) == -2);
}

TEST_CASE("MuPPET's threshold falls from 2.5 to 1") {
  CHECK(muppet_threshold(0) == 2.5);
  CHECK(muppet_threshold(10) == Approx(1.552).margin(5e-4));
  CHECK(muppet_threshold(20) == Approx(1.203).margin(5e-4));
  CHECK(muppet_threshold(50) == Approx(1.010).margin(5e-4));
}

TEST_CASE("a diversity violates when the largest one is more than the threshold times it") {
  double largest = 0;
  CHECK_FALSE(muppet_violates(3, 0, largest));
  CHECK(largest == 3);
  CHECK_FALSE(muppet_violates(1.3, 0, largest));
  CHECK(muppet_violates(1.1, 0, largest));
  CHECK(muppet_violates(1.9, 10, largest));
  CHECK_FALSE(muppet_violates(3.5, 10, largest));
  CHECK(largest == 3.5);
}

TEST_CASE("MuPPET's diversity is the mean of the weights' ratios") {
  const SlotWindow orthogonal{.gradients = 3, .gradient_sum_norm = 2, .gradient_square_norms = 4};
  const SlotWindow similar{.gradients = 3, .gradient_sum_norm = 6, .gradient_square_norms = 12};
  const SlotWindow activation;
  const std::vector<SlotWindow> windows = {activation, orthogonal, similar};
  CHECK(muppet_diversity(windows) == Approx((1 + 1.0 / 3) / 2));
  CHECK(muppet_diversity({}) == 1);
}

// The diversity of a bench whose one weight has had these gradients.
void show(Bench& bench, double diversity) {
  bench.gradients = 3;
  bench.gradient_sum_norm = 2;
  bench.gradient_square_norms = 4 * diversity;
}

TEST_CASE("muppet's words grow all together, upward only, and its scales follow every step") {
  Bench bench("muppet:resolution=2,patience=2");
  bench.add(Role::weight, uniform(1));
  bench.add(Role::activation, uniform(3));
  bench.add(Role::gradient, uniform(1e-4f));
  bench.epoch = 5;
  bench.begin();
  CHECK(bench.formats == std::vector<FixedPoint>{{8, 6}, {8, 5}, {8, 20}});
  bench.sample(1) = uniform(100);
  REQUIRE(bench.run(1).size() == 1);
  CHECK(bench.formats[1] == FixedPoint{8, 0});

  show(bench, 8);
  CHECK(bench.run(9).empty());  // the first two epochs set the mark
  CHECK(std::get<MuppetState>(bench.state).largest_diversity == 8);
  show(bench, 1);
  CHECK(bench.run(19).empty());
  CHECK(bench.run(1).size() == 3);  // a violation in each of the looks after epochs 4 and 6
  for (const FixedPoint format : bench.formats) CHECK(format.wl == 12);
  for (const int word : {14, 16, 32}) {
    show(bench, 8);
    bench.run(10);
    show(bench, 0.5);
    const std::vector<FormatChange> up = bench.run(20);
    REQUIRE(up.size() == 3);
    CHECK(up[0].to.wl == word);
    CHECK(up[0].evidence.reason == "gradient diversity");
  }
  CHECK(bench.run(100).empty());
  CHECK(bench.formats == std::vector<FixedPoint>(3));
}

}  // namespace
}  // namespace marvin
