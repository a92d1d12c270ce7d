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

// The bins of a sample's histogram.
struct Bins {
  float lowest = 0, per_unit = 0;
  int count = 0;

  Bins(std::span<const float> sample, int resolution) : count(resolution) {
    const auto [low, high] = std::ranges::minmax(sample);
    if (!(high > low) || !std::isfinite(high - low)) return;
    lowest = low;
    per_unit = static_cast<float>(resolution) / (high - low);
  }
  bool has_spread() const { return per_unit > 0; }
  // In bins from the first one's begin on.
  float position(float x) const { return (x - lowest) * per_unit; }
  size_t bin(float at) const { return static_cast<size_t>(std::clamp(static_cast<int>(at), 0, count - 1)); }
};

// D(P||Q) of counts, half a count added to every bin.
template <class P, class Q>
double of_counts(const P& p, const Q& q, int bins, size_t count) {
  const double total = static_cast<double>(count) + 0.5 * bins;
  double result = 0;
  for (size_t i = 0; i < static_cast<size_t>(bins); ++i)
    if (p[i] != q[i]) result += (p[i] + 0.5) / total * std::log((p[i] + 0.5) / (q[i] + 0.5));
  return std::max(result, 0.0);
}

}  // namespace

double divergence(std::span<const float> sample, FixedPoint format, int resolution) {
  if (sample.empty() || format == FixedPoint{}) return 0;
  const Bins bins(sample, resolution);
  if (!bins.has_spread()) return 0;
  std::array<int32_t, kMaxResolution> p{};
  std::array<int32_t, kMaxResolution> q{};
  const Rounding quantized(format);
  for (const float x : sample) {
    ++p[bins.bin(bins.position(x))];
    ++q[bins.bin(bins.position(quantized(x)))];
  }
  return of_counts(p, q, resolution, sample.size());
}

double spread_divergence(std::span<const float> sample, FixedPoint format, int resolution) {
  if (sample.empty() || format == FixedPoint{}) return 0;
  const Bins bins(sample, resolution);
  if (!bins.has_spread()) return 0;
  std::array<int32_t, kMaxResolution> p{};
  std::array<double, kMaxResolution> q{};
  const Rounding quantized(format);
  const float width = power_of_two(-format.fl) * bins.per_unit;
  for (const float x : sample) {
    ++p[bins.bin(bins.position(x))];
    const float begin = bins.position(quantized(x)) - width / 2, end = begin + width;
    const size_t first = bins.bin(begin), last = bins.bin(end);
    for (size_t bin = first; bin <= last; ++bin) {
      const float from = bin == first ? begin : static_cast<float>(bin);
      const float to = bin == last ? end : static_cast<float>(bin + 1);
      q[bin] += static_cast<double>((to - from) / width);
    }
  }
  return of_counts(p, q, resolution, sample.size());
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
