#include "runtime/precision/observations.h"

#include <algorithm>
#include <cmath>

#include "runtime/kernels/clones.h"

namespace marvin {
namespace {

// Eight sums side by side, which vectorise.
MARVIN_CLONES double norm(std::span<const float> values) {
  constexpr size_t kLanes = 8;
  double sums[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes)
    for (size_t lane = 0; lane < kLanes; ++lane) sums[lane] += static_cast<double>(values[i + lane]) * values[i + lane];
  for (; i < values.size(); ++i) sums[0] += static_cast<double>(values[i]) * values[i];
  double sum = 0;
  for (const double each : sums) sum += each;
  return std::sqrt(sum);
}

MARVIN_CLONES void add_scaled(std::span<const float> values, float scale, std::span<float> sums) {
  for (size_t i = 0; i < values.size(); ++i) sums[i] += values[i] * scale;
}

}  // namespace

void GradientWindow::add(std::span<const float> gradient, const GradientRule& rule) {
  if (sum_.size() != gradient.size()) sum_.assign(gradient.size(), 0);
  const double length = norm(gradient);
  if (!std::isfinite(length) || (length == 0 && !rule.count_zeros)) return;
  ++count_;
  if (length == 0) return;
  const auto scale = rule.unit ? static_cast<float>(1 / length) : 1.0f;
  add_scaled(gradient, scale, sum_);
  square_norms_ += rule.unit ? 1 : length * length;
}

void GradientWindow::reset() {
  std::ranges::fill(sum_, 0.0f);
  count_ = 0;
  square_norms_ = 0;
}

double GradientWindow::sum_norm() const { return norm(sum_); }

}  // namespace marvin
