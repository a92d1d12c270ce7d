#include "runtime/precision/divergence.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace marvin {
namespace {

// Rounds to nearest within the word.
class Rounding {
 public:
  explicit Rounding(FixedPoint format)
      : scale_(power_of_two(format.fl)), unscale_(power_of_two(-format.fl)), limit_(power_of_two(format.wl - 1)) {}
  float operator()(float x) const { return std::rint(std::clamp(x * scale_, -limit_, limit_ - 1)) * unscale_; }

 private:
  float scale_, unscale_, limit_;
};

}  // namespace

double divergence(std::span<const float> sample, FixedPoint format, int resolution) {
  if (sample.empty() || format == FixedPoint{}) return 0;
  const auto [lowest, highest] = std::ranges::minmax(sample);
  if (!(highest > lowest) || !std::isfinite(highest - lowest)) return 0;
  const float bins_per_unit = static_cast<float>(resolution) / (highest - lowest);
  const auto bin = [&, low = lowest](float x) {
    return std::clamp(static_cast<int>((x - low) * bins_per_unit), 0, resolution - 1);
  };
  std::array<int32_t, kMaxResolution> p{};
  std::array<int32_t, kMaxResolution> q{};
  const Rounding quantized(format);
  for (const float x : sample) {
    ++p[static_cast<size_t>(bin(x))];
    ++q[static_cast<size_t>(bin(quantized(x)))];
  }
  const double total = static_cast<double>(sample.size()) + 0.5 * resolution;
  double result = 0;
  for (size_t i = 0; i < static_cast<size_t>(resolution); ++i) {
    if (p[i] != q[i]) result += (p[i] + 0.5) / total * std::log((p[i] + 0.5) / (q[i] + 0.5));
  }
  return std::max(result, 0.0);
}

double magnitude_error(std::span<const float> sample, FixedPoint format) {
  if (format.is_float()) return 0;
  const Rounding quantized(format);
  double real = 0;
  double rounded = 0;
  for (const float x : sample) {
    real += std::fabs(x);
    rounded += std::fabs(quantized(x));
  }
  return real > 0 ? std::fabs(real - rounded) / real : 0;
}

}  // namespace marvin
