#include "runtime/precision/push_down.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "runtime/kernels/random.h"
#include "runtime/precision/divergence.h"

namespace marvin {
namespace {

constexpr int kFewestFraction = 4;

FixedPoint format_of(int wl, int fl) { return {static_cast<int8_t>(wl), static_cast<int8_t>(fl)}; }

// Equal bins over [low, high]; the last one holds `high`, none what lies outside.
class Histogram {
 public:
  Histogram(double low, double high, int bins) : low_(low), high_(high), bins_(bins) {}

  void add(double x) {
    if (!(x >= low_ && x <= high_)) return;
    const int bin = static_cast<int>((x - low_) / (high_ - low_) * bins_);
    ++counts_[static_cast<size_t>(std::min(bin, bins_ - 1))];
    ++total_;
  }
  std::span<const double> shares() {
    for (size_t i = 0; i < static_cast<size_t>(bins_); ++i) counts_[i] /= total_;
    return {counts_.data(), static_cast<size_t>(bins_)};
  }
  bool is_empty() const { return total_ == 0; }

 private:
  double low_, high_;
  int bins_;
  std::array<double, kMaxResolution> counts_{};
  double total_ = 0;
};

}  // namespace

double pseudo_divergence(std::span<const double> p, std::span<const double> q) {
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) sum += std::exp(q[i]) * (q[i] - p[i]);
  return sum / static_cast<double>(p.size());
}

double released_divergence(std::span<const float> values, FixedPoint format, int resolution, uint64_t key) {
  if (values.empty()) return 0;
  const auto [low, high] = std::ranges::minmax(values);
  if (!(high > low) || !std::isfinite(high - low)) return 0;
  Histogram p(low, high, resolution), q(low, high, resolution);
  const double scale = std::ldexp(1.0, format.fl), limit = std::ldexp(1.0, format.wl - 1);
  for (size_t i = 0; i < values.size(); ++i) {
    const double x = values[i];
    p.add(x);
    q.add(std::clamp(std::floor(x * scale + random_uniform(key, i)), -limit, limit - 1) / scale);
  }
  return q.is_empty() ? 0 : pseudo_divergence(p.shares(), q.shares());
}

FixedPoint released_push_down(std::span<const float> values, FixedPoint format, int resolution, uint64_t key) {
  const auto loses = [&](int wl, int fl) {
    const auto draws = static_cast<uint64_t>(wl) * 64 + static_cast<uint64_t>(fl);
    return released_divergence(values, format_of(wl, fl), resolution, random_key(key, draws, 0)) > 0;
  };
  const int fl = released_fraction(kFewestFraction, format.fl, [&](int bits) { return loses(format.wl, bits); });
  const int wl = released_word(fl, format.wl, [&](int bits) { return loses(bits, fl); });
  return format_of(wl, fl);
}

FixedPoint sound_push_down(std::span<const float> values, FixedPoint format, int resolution, double tolerance) {
  const auto loses = [&](int wl, int fl) { return divergence(values, format_of(wl, fl), resolution) > tolerance; };
  const int fl = sound_bits(std::min<int>(kFewestFraction, format.fl), format.fl,
                            [&](int bits) { return loses(format.wl, bits); });
  const int wl = sound_bits(std::max(fl, 2), format.wl, [&](int bits) { return loses(bits, fl); });
  return format_of(wl, fl);
}

}  // namespace marvin
