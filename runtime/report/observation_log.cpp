#include "runtime/report/observation_log.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "runtime/precision/divergence.h"
#include "runtime/precision/push_up.h"

namespace marvin {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kFewestPoints = 50, kMostPoints = 200;
constexpr int64_t kShareOfTime = 200;  // one in so many
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// Of `points` steps that lie evenly up to the last; every step where the run has no more.
bool is_one_of(int64_t points, const ObservedStep& step) {
  return step.step * points / step.total_steps > (step.step - 1) * points / step.total_steps;
}

double zeros(std::span<const float> sample) {
  return static_cast<double>(std::ranges::count(sample, 0.0f)) /
         static_cast<double>(std::max<size_t>(1, sample.size()));
}

double shift_of_magnitude(const SlotWindow& window, FixedPoint format) {
  const double real = window.stats[QuantizeStats::mean_abs];
  if (format.is_float() || !(real > 0)) return kNone;
  return std::abs(real - window.stats[QuantizeStats::mean_abs_quantized]) / real;
}

double divergence_of(const SlotWindow& window, FixedPoint format) {
  const bool applies = window.slot->role != Role::gradient && !format.is_float();
  return applies ? divergence(window.sample, format, kObservedResolution) : kNone;
}

double diversity_of(const SlotWindow& window, FixedPoint) {
  if (window.gradients == 0) return kNone;
  const double sum = window.gradient_sum_norm, squares = window.gradient_square_norms;
  const bool unit = std::abs(squares - static_cast<double>(window.gradients)) < 1e-3 * squares;
  return unit ? gradient_diversity(window.gradients, sum) : squares / (sum * sum);
}

double sparsity_of(const SlotWindow& window, FixedPoint) {
  return zeros(window.sample) + window.stats[QuantizeStats::underflowed];
}

// Four digits are more than a curve shows.
double rounded(double value) {
  if (value == 0 || !std::isfinite(value)) return value;
  const double unit = std::pow(10.0, 3 - std::floor(std::log10(std::abs(value))));
  return std::isfinite(unit) ? std::round(value * unit) / unit : value;
}

template <class Value>
Json array_of(const ObservedStep& step, Value&& value) {
  Json array = Json::array();
  for (size_t i = 0; i < step.windows.size(); ++i) array.push_back(rounded(value(step.windows[i], step.formats[i])));
  return array;
}

Json line_of(const ObservedStep& step) {
  Json wl = Json::array(), fl = Json::array(), needed = Json::array();
  for (const FixedPoint format : step.formats) {
    wl.push_back(format.wl);
    fl.push_back(format.fl);
  }
  for (const SlotTest& test : step.tests) needed.push_back(test.needed_wl);
  const auto stat = [&](QuantizeStats::Index index) {
    return array_of(step,
                    [&](const SlotWindow& window, FixedPoint) { return window.stats[static_cast<size_t>(index)]; });
  };
  return {{"step", step.step},
          {"wl", wl},
          {"fl", fl},
          {"needed_wl", needed},
          {"absmax", stat(QuantizeStats::absmax)},
          {"magnitude_error", array_of(step, shift_of_magnitude)},
          {"saturated", stat(QuantizeStats::saturated)},
          {"underflowed", stat(QuantizeStats::underflowed)},
          {"sparsity", array_of(step, sparsity_of)},
          {"divergence", array_of(step, divergence_of)},
          {"diversity", array_of(step, diversity_of)}};
}

}  // namespace

ObservationLog::ObservationLog(const std::string& path, std::span<const Slot> slots) : lines_(path) {
  Json table = Json::array();
  for (const Slot& slot : slots) {
    table.push_back({{"slot", slot.name}, {"layer", slot.layer}, {"role", std::string(name_of(slot.role))}});
  }
  lines_.append({{"slots", table}});
  lines_.flush();
}

bool ObservationLog::is_due(const ObservedStep& step) const {
  if (step.step == 1 || is_one_of(kFewestPoints, step)) return true;
  return is_one_of(kMostPoints, step) && own_ns_ <= steps_ns_ / kShareOfTime;
}

void ObservationLog::observe(const ObservedStep& step) {
  steps_ns_ += step.ns;
  if (step.windows.empty() || !is_due(step)) return;
  const Clock::time_point start = Clock::now();
  lines_.append(line_of(step));
  own_ns_ += std::chrono::nanoseconds(Clock::now() - start).count();
}

}  // namespace marvin
