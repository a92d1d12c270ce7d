#include "runtime/train/schedule.h"

#include <catch2/catch.hpp>

#include "runtime/ir/error.h"

namespace marvin {
namespace {

TEST_CASE("one-cycle follows PyTorch's OneCycleLR") {
  // torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.2, total_steps=20), the rates of steps 1, 2, ...
  const double expected[] = {0.008,
                             0.026334368540005065,
                             0.07433436854000505,
                             0.13366563145999494,
                             0.18166563145999495,
                             0.2,
                             0.19749280124701749,
                             0.19009692640269477,
                             0.17818323551421,
                             0.1623491307899526,
                             0.14338860035826018,
                             0.12225240438725786,
                             0.1000004,
                             0.07774839561274215,
                             0.056612199641739844,
                             0.0376516692100474,
                             0.021817564485790007,
                             0.009903873597305258,
                             0.002507998752982511,
                             8e-07};
  const ScheduleOptions options{.name = "one-cycle", .lr = 0.2};
  int64_t step = 0;
  for (const double rate : expected) CHECK(learning_rate(options, ++step, 20, 5) == Approx(rate).epsilon(1e-9));
}

TEST_CASE("linear falls to zero in a straight line, after the warm-up") {
  const ScheduleOptions options{.name = "linear", .lr = 1, .warmup_steps = 2};
  const double expected[] = {0.5, 1, 1, 0.75, 0.5, 0.25};
  for (int64_t step = 1; step <= 6; ++step) CHECK(learning_rate(options, step, 6, 3) == Approx(expected[step - 1]));
}

TEST_CASE("plateau follows PyTorch's ReduceLROnPlateau") {
  // ReduceLROnPlateau(optimizer, factor=0.5, patience=1) on a rate of 1: the rate after each loss.
  const double losses[] = {1.0, 0.9, 0.95, 0.9, 0.89999, 0.8, 0.8, 0.8, 0.7};
  const double rates[] = {1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25};
  Plateau plateau({.name = "plateau", .gamma = 0.5, .patience = 1});
  for (size_t i = 0; i < std::size(losses); ++i) {
    plateau.observe(losses[i]);
    CHECK(plateau.factor() == Approx(rates[i]));
  }
  Plateau other({.name = "constant"});
  for (int i = 0; i < 50; ++i) other.observe(1);
  CHECK(other.factor() == 1);
}

TEST_CASE("step multiplies the rate after the given epochs") {
  const ScheduleOptions options{.name = "step", .lr = 1, .step_epochs = {2, 3}, .gamma = 0.1};
  const double by_epoch[] = {1, 1, 0.1, 0.01};
  for (int64_t step = 1; step <= 12; ++step) {
    CHECK(learning_rate(options, step, 12, 3) == Approx(by_epoch[(step - 1) / 3]));
  }
}

TEST_CASE("cosine falls from the rate towards zero") {
  const ScheduleOptions options{.name = "cosine", .lr = 2};
  CHECK(learning_rate(options, 1, 100, 10) == Approx(2));
  CHECK(learning_rate(options, 51, 100, 10) == Approx(1));
  CHECK(learning_rate(options, 100, 100, 10) < 0.001);
}

TEST_CASE("warm-up grows linearly and then hands over") {
  const ScheduleOptions options{.lr = 1, .warmup_steps = 4};
  CHECK(learning_rate(options, 1, 10, 5) == Approx(0.25));
  CHECK(learning_rate(options, 4, 10, 5) == Approx(1));
  CHECK(learning_rate(options, 5, 10, 5) == Approx(1));
}

TEST_CASE("an unknown schedule is an error that suggests") {
  CHECK_THROWS_WITH(check_values(ScheduleOptions{.name = "cosin"}), Catch::Contains("Did you mean 'cosine'?"));
  CHECK_THROWS_WITH(check_values(ScheduleOptions{.step_epochs = {3, 0}}), Catch::Contains("--step-epochs 0"));
}

}  // namespace
}  // namespace marvin
