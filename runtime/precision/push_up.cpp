#include "runtime/precision/push_up.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

namespace marvin {

std::string_view name_of(Strategy strategy) {
  constexpr std::array<std::string_view, 3> kNames = {"min", "mean", "max"};
  return kNames[static_cast<size_t>(strategy)];
}

double gradient_diversity(int64_t count, double sum_norm) {
  if (count == 0) return 1;
  return sum_norm > 0 ? static_cast<double>(count) / sum_norm : std::numeric_limits<double>::infinity();
}

int push_up(double diversity, int bits, Strategy strategy) {
  if (!(diversity > 0) || !std::isfinite(diversity)) return 1;
  const double l = std::log(diversity) - 1;
  if (l <= 0) return 1;
  const int s1 = static_cast<int>(std::min(std::max(std::ceil(1 / (l * l)), 1.0), 1e6));
  const int s2 = std::max(static_cast<int>(std::min(std::ceil(32 * l * l), 32.0)) - bits, 0);
  if (strategy == Strategy::min) return std::min(s1, s2);
  if (strategy == Strategy::max) return std::max(s1, s2);
  return (s1 + s2 + 1) / 2;
}

FixedPoint with_bits(FixedPoint kept, int bits, int buff) {
  constexpr int kLongest = 32;
  int fl = std::min(kept.fl + bits, kLongest);
  int wl = std::min(std::max<int>(kept.wl, fl) + 1, kLongest);
  fl = std::min(fl, kLongest - buff);
  wl = std::max(std::min(fl + buff, kLongest), wl);
  return {static_cast<int8_t>(wl), static_cast<int8_t>(fl)};
}

int64_t adapt_lookback(double diversity, int64_t lookback, int64_t shortest, int64_t longest, double gamma) {
  const double wanted = diversity > 0 ? static_cast<double>(longest) / diversity : static_cast<double>(longest);
  const double bounded = std::min(std::max(wanted, static_cast<double>(shortest)), static_cast<double>(longest));
  return static_cast<int64_t>(std::ceil(gamma * std::ceil(bounded) + (1 - gamma) * static_cast<double>(lookback)));
}

int adapt_resolution(int64_t lookback, int64_t shortest, int64_t longest, int resolution, int lowest, int highest) {
  if (lookback == longest) resolution = std::clamp(resolution + 1, lowest, highest);
  if (lookback == shortest) resolution = std::clamp(resolution - 1, lowest, highest);
  return resolution;
}

Strategy adapt_strategy(Strategy strategy, double loss, double mean_loss) {
  if (loss < mean_loss) return Strategy::min;
  return strategy == Strategy::min ? Strategy::mean : Strategy::max;
}

Strategy adapt_strategy(Strategy strategy, double loss, int64_t lookback, std::vector<double>& losses) {
  if (static_cast<int64_t>(losses.size()) > lookback) {
    const double sum = std::accumulate(losses.begin(), losses.end(), 0.0);
    strategy = adapt_strategy(strategy, std::abs(loss), std::abs(sum / static_cast<double>(lookback)));
    losses.erase(losses.begin(), losses.end() - lookback);
  }
  losses.push_back(loss);
  return strategy;
}

}  // namespace marvin
