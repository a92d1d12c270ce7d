#include "runtime/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "runtime/ir/error.h"

namespace marvin {
namespace {

// From `start` to `end` along half a cosine wave, as `share` goes from 0 to 1.
double anneal(double start, double end, double share) {
  return end + (start - end) / 2 * (std::cos(std::numbers::pi * share) + 1);
}

// PyTorch 1.13, torch.optim.lr_scheduler.OneCycleLR: anneal_strategy cos, pct_start 0.3, div_factor 25,
// final_div_factor 1e4, two phases.
double one_cycle(double peak, int64_t index, int64_t total) {
  const double start = peak / 25;
  const double up = 0.3 * static_cast<double>(total) - 1;
  const double last = static_cast<double>(total) - 1;
  const double at = static_cast<double>(index);
  if (at <= up || last <= up) return anneal(start, peak, up > 0 ? std::min(at / up, 1.0) : 1.0);
  return anneal(peak, start / 1e4, (at - up) / (last - up));
}

}  // namespace

const std::vector<std::string>& schedule_names() {
  static const std::vector<std::string> names = {"constant", "step", "cosine", "linear", "one-cycle", "plateau"};
  return names;
}

void check_values(const ScheduleOptions& options) {
  if (std::ranges::find(schedule_names(), options.name) == schedule_names().end()) {
    throw Error("unknown learning-rate schedule '", options.name, "'; it is one of ", join(schedule_names(), " or "),
                ".", suggestion(options.name, schedule_names()));
  }
  for (const int64_t epoch : options.step_epochs)
    if (epoch < 1) throw Error("--step-epochs ", epoch, " makes no sense; an epoch is at least 1");
  if (options.warmup_steps < 0) throw Error("--warmup-steps ", options.warmup_steps, " is negative");
  if (!(options.gamma > 0) || !std::isfinite(options.gamma)) {
    throw Error("--gamma ", options.gamma, " is not positive and finite");
  }
}

double learning_rate(const ScheduleOptions& options, int64_t step, int64_t total_steps, int64_t steps_per_epoch) {
  if (step <= options.warmup_steps) {
    return options.lr * static_cast<double>(step) / static_cast<double>(options.warmup_steps);
  }
  const int64_t index = step - 1 - options.warmup_steps;
  const int64_t total = std::max<int64_t>(1, total_steps - options.warmup_steps);
  if (options.name == "one-cycle") return one_cycle(options.lr, index, total);
  if (options.name == "cosine") return anneal(options.lr, 0, static_cast<double>(index) / static_cast<double>(total));
  if (options.name == "linear") return options.lr * static_cast<double>(total - index) / static_cast<double>(total);
  if (options.name == "step") {
    const int64_t epoch = (step - 1) / steps_per_epoch;
    const auto passed = std::ranges::count_if(options.step_epochs, [&](int64_t at) { return epoch >= at; });
    return options.lr * std::pow(options.gamma, static_cast<double>(passed));
  }
  return options.lr;
}

void Plateau::observe(double loss) {
  constexpr double kThreshold = 1e-4;
  if (options_.name != "plateau") return;
  if (!best_ || loss < *best_ * (1 - kThreshold)) {
    best_ = loss;
    without_improvement_ = 0;
  } else if (++without_improvement_ > options_.patience) {
    factor_ *= options_.gamma;
    without_improvement_ = 0;
  }
}

}  // namespace marvin
