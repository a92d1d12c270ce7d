#include "runtime/precision/cost_model.h"

#include <catch2/catch.hpp>

#include "runtime/precision/cost_meter.h"

namespace marvin {
namespace {

constexpr FixedPoint kFloat{};

TEST_CASE("the published speed-up is 1 at 32 bits, 1.6 at 8 and approaches 2 at none") {
  const double macs = 1000;
  const auto speedup = [&](double bits, double nonzero) {
    return training_speedup(cost_of({.operations = macs, .bits = bits, .nonzero = nonzero}), macs * kFloatBits);
  };
  CHECK(speedup(32, 1) == 1);
  CHECK(speedup(16, 1) == Approx(4.0 / 3));
  CHECK(speedup(8, 1) == Approx(1.6));
  CHECK(speedup(0, 1) == 2);
  CHECK(speedup(16, 0.5) == Approx(1.6));
  CHECK(training_speedup(0, 0) == 1);
}

TEST_CASE("published operations count the height of a window once and the channels twice") {
  // AlexNet's first layer on 32x32 pixels.
  const PublishedSize conv = published_conv({128, 3, 32, 32}, {64, 3, 11, 11});
  CHECK(conv.operations == 2.0 * 32 * 32 * (3 * 11 + 1) * 64 * 3);
  CHECK(conv.extent == 11 * 11 * 64);
  const PublishedSize linear = published_linear(256, 10);
  CHECK(linear.operations == 2 * 256 * 10 - 256);
  CHECK(linear.extent == 256);
}

TEST_CASE("the published overhead of deciding") {
  // b = 2 log2(4) = 4, S = 3 * 150 * 4 * 50 / 2 + 26 * 150 + 1 = 48,901.
  CHECK(published_overhead(150, 12, 0.5, {.lookback = 25, .resolution = 50, .accumulate = 4}) ==
        Approx(32 * 10 * 48901.0 / 100));
  // Up to 8 bits, b = 1: S = 3 * 10 * 50 + 101 * 10 + 1 = 2511.
  CHECK(published_overhead(10, 8, 1, {.lookback = 100, .resolution = 50, .accumulate = 1}) ==
        Approx(32 * 10 * 2511.0 / 100));
  CHECK(published_overhead(10, 8, 1, {}) == 0);
}

TEST_CASE("deciding on 100 weights every 10 steps of 4 times 5 samples") {
  // 5 words in 3 passes each and 10 additions for each weight, over 200 samples.
  CHECK(deciding_overhead(100, 5, {.lookback = 10, .resolution = 50, .accumulate = 4}) ==
        Approx(32 * 100 * (5 * 3 + 10) / 200.0));
  CHECK(deciding_overhead(100, 5, {}) == 0);
}

// ---- A run ----------------------------------------------------------------------------------------------------------

// y = W2 (W1 x) of 4, 3 and 2 numbers, a batch of 10: slots x, W1, h, W2, dy, dh.
enum Slot : size_t { slot_x, slot_w1, slot_h, slot_w2, slot_dy, slot_dh, slot_count };

StepLayout two_layers(int64_t accumulate = 1) {
  StepLayout layout{.layers = {"fc1", "fc2"}, .batch = 10, .accumulate = accumulate};
  layout.operands = {{Role::activation, 40}, {Role::weight, 12},   {Role::activation, 30},
                     {Role::weight, 6},      {Role::gradient, 20}, {Role::gradient, 30}};
  layout.products = {{120, {slot_x, slot_w1}, 0, true, published_linear(4, 3)},
                     {60, {slot_h, slot_w2}, 1, true, published_linear(3, 2)},
                     {60, {slot_dy, slot_w2}, 1, false, {}},
                     {60, {slot_h, slot_dy}, 1, false, {}},
                     {120, {slot_x, slot_dh}, 0, false, {}}};
  return layout;
}

std::vector<SlotCost> all_in(FixedPoint format) { return std::vector<SlotCost>(slot_count, {.format = format}); }

CostSummary after(const std::vector<SlotCost>& slots, int64_t accumulate = 1) {
  CostMeter meter(two_layers(accumulate));
  meter.add(slots);
  return meter.summary();
}

TEST_CASE("a run in float32 gains nothing") {
  const CostSummary run = after(all_in(kFloat));
  for (const CostFigures& figures : {run.published, run.dense, run.sparse}) {
    CHECK(figures.training_speedup == 1);
    CHECK(figures.inference_speedup == 1);
    CHECK(figures.model_size == 1);
    CHECK(figures.overhead == 0);
  }
  CHECK(run.products_speedup == 1);
  CHECK(run.dense.memory == 1);  // no copy beside the masters
  CHECK(run.published.memory == 3);
  CHECK(run.weight_bytes == 18 * 4);
  CHECK(run.bit_operations.forward == run.float_bit_operations.forward);
  CHECK(run.macs.total == 420);
  CHECK(run.macs.le16 == 0);
  CHECK(run.mean_wl == std::array<double, kRoles>{32, 32, 32});
}

TEST_CASE("a run in 8 bits gains 1.6 in training as published, and 4 where backward products count too") {
  const CostSummary run = after(all_in({8, 4}), 3);
  for (const CostFigures& figures : {run.published, run.dense, run.sparse}) {
    CHECK(figures.training_speedup == Approx(1.6));
    CHECK(figures.inference_speedup == Approx(4));
    CHECK(figures.model_size == Approx(0.25));
  }
  CHECK(run.products_speedup == Approx(4));
  CHECK(run.dense.memory == Approx(1.25));
  CHECK(run.published.memory == Approx(1.5));
  CHECK(run.macs.total == 3 * 420);
  CHECK(run.macs.le8 == run.macs.total);
  CHECK(run.bit_operations.forward == 3 * 180 * 64.0);
  CHECK(run.bit_operations.backward == 3 * 240 * 64.0);
  CHECK(run.weight_bits == 18 * 8);
  CHECK(run.weight_bytes == 18 * 5);
}

TEST_CASE("words count by layer and role, zeros in the sparse model, sizes by parameters") {
  std::vector<SlotCost> slots = all_in({8, 4});
  slots[slot_w1] = {.format = {16, 9}, .nonzero = 0.5};
  slots[slot_dy].format = kFloat;
  const CostSummary run = after(slots);
  // fc1 multiplies in 16 bits forward, fc2 in 8; everything that reads dy is in float32.
  CHECK(run.dense.training_speedup == Approx(2 * 18 * 32 / (12 * 16 + 6 * 8 + 18 * 32.0)));
  CHECK(run.sparse.training_speedup == Approx(2 * 18 * 32 / (6 * 16 + 6 * 8 + 18 * 32.0)));
  CHECK(run.products_speedup == Approx(420 * 32 / (120 * 16 + 60 * 8 + 120 * 32 + 120 * 8.0)));
  CHECK(run.macs.le8 == 180);
  CHECK(run.macs.le16 == 300);
  CHECK(run.bit_operations.forward == 120 * 8 * 16 + 60 * 64);
  CHECK(run.bit_operations.backward == 120 * 1024 + 120 * 64);
  CHECK(run.dense.model_size == Approx((12 * 16 + 6 * 8) / (18 * 32.0)));
  CHECK(run.sparse.model_size == Approx((6 * 16 + 6 * 8) / (18 * 32.0)));
  CHECK(run.published.model_size == Approx(0.75 * 24 / 64));
  CHECK(run.mean_wl[0] == Approx((120 * 16 + 120 * 8) / 240.0));
  CHECK(run.mean_wl[1] == 8);
  CHECK(run.mean_wl[2] == Approx((120 * 32 + 120 * 8) / 240.0));
  REQUIRE(run.layers.size() == 2);
  CHECK(run.layers[0].name == "fc1");
  CHECK(run.layers[0].macs == 12);
  CHECK(run.layers[0].weights == 12);
  CHECK(run.layers[0].mean_wl == std::array<double, kRoles>{16, 8, 8});
  CHECK(run.layers[0].nonzero == 0.5);
  CHECK(run.layers[0].training_speedup == Approx(4.0 / 3));
  CHECK(run.layers[1].training_speedup == Approx(1.6));
}

TEST_CASE("training is modelled over the whole run, inference and model size by its last step") {
  CostMeter meter(two_layers());
  meter.add(all_in(kFloat));
  meter.add(all_in({8, 4}));
  const CostSummary run = meter.summary();
  CHECK(run.dense.training_speedup == Approx(2 * 64 / (40 + 64.0)));
  CHECK(run.dense.inference_speedup == Approx(4));
  CHECK(run.dense.model_size == Approx(0.25));
  CHECK(run.dense.memory == Approx(1.125));
  CHECK(run.mean_wl[0] == 20);
}

TEST_CASE("a policy that decides costs what its look-backs ask for, and inference is free of it") {
  std::vector<SlotCost> slots = all_in({8, 4});
  slots[slot_w1].lookback = slots[slot_w2].lookback = 25;
  slots[slot_w1].resolution = slots[slot_w2].resolution = 50;
  const CostSummary run = after(slots);
  const Deciding deciding{25, 50, 1};
  const double published = published_overhead(4, 8, 1, deciding) + published_overhead(3, 8, 1, deciding);
  CHECK(run.published.overhead == Approx(published / (8 * (20 + 9) + published)));
  const double dense = deciding_overhead(18, 10, deciding);
  CHECK(run.dense.training_speedup == Approx(2 * 18 * 32 / (18 * 8 + dense + 18 * 32.0)));
  CHECK(run.dense.inference_speedup == Approx(4));
}

}  // namespace
}  // namespace marvin
