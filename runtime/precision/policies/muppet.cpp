// muppet: MuPPET (Rajagopal et al., ICML 2020, arXiv 2006.09049). One word length for the whole network, 8, 12, 14, 16
// bits and then float32, that grows at ends of epochs when gradient diversity stays below what it was; one scale per
// tensor, fitted anew after every step.
#include "runtime/precision/muppet.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "runtime/precision/settings.h"

namespace marvin {

int8_t muppet_scale(int bits, double largest, double smallest) {
  constexpr double kLowest = -100, kHighest = 100;
  const double half = std::ldexp(1.0, bits - 1);
  double room = std::numeric_limits<double>::infinity();
  if (largest != 0) room = std::min(room, std::abs((half - 0.5) / largest));
  if (smallest != 0) room = std::min(room, std::abs((half + 0.5) / smallest));
  return static_cast<int8_t>(std::clamp(std::floor(std::log2(room)), kLowest, kHighest));
}

double muppet_diversity(std::span<const SlotWindow> windows) {
  double sum = 0;
  int64_t weights = 0;
  for (const SlotWindow& window : windows) {
    if (window.gradients == 0 || !(window.gradient_sum_norm > 0)) continue;
    sum += window.gradient_square_norms / (window.gradient_sum_norm * window.gradient_sum_norm);
    ++weights;
  }
  return weights > 0 ? sum / static_cast<double>(weights) : 1;
}

double muppet_threshold(int64_t epoch) { return 1 + 1.5 * std::exp(-0.1 * static_cast<double>(epoch)); }

bool muppet_violates(double diversity, int64_t epoch, double& largest) {
  if (diversity >= largest) {
    largest = diversity;
    return false;
  }
  return largest / diversity > muppet_threshold(epoch);
}

namespace {

constexpr std::array<int8_t, 5> kWords = {8, 12, 14, 16, 32};

struct Settings {
  double resolution = 3;  // epochs to a look at gradient diversity
  double patience = 2;    // looks at which it was too small before the words grow
};

Settings parse(std::string_view text) {
  Settings result;
  const std::vector<Setting> known = {{"resolution", &result.resolution, 1, 1e6, true},
                                      {"patience", &result.patience, 1, 1e6, true}};
  read_settings(text, known);
  return result;
}

class MuppetPolicy : public SwitchPolicy {
 public:
  explicit MuppetPolicy(const Settings& settings) : settings_(settings) {}

  Treatment treatment() const override { return {.stochastic = true, .round_gradients = true}; }
  Observation observation() const override { return {.enabled = true, .gradient_elements = Observation::kWhole}; }
  GradientRule gradient_rule() const override { return {.unit = false, .count_zeros = true, .epoch_ends = true}; }

  std::vector<FixedPoint> begin(std::span<const SlotWindow> windows, PolicyState& state) const override {
    state = MuppetState{};
    std::vector<FixedPoint> formats;
    for (const SlotWindow& window : windows) formats.push_back(fitted(kWords[0], window));
    return formats;
  }

  void decide(std::span<const SlotWindow> windows, const Progress& progress, PolicyState& stored,
              Decision& decision) const override {
    MuppetState& state = std::get<MuppetState>(stored);
    double diversity = 1;
    const int64_t before = state.level;
    if (progress.epoch_ends && static_cast<size_t>(state.level) + 1 < kWords.size()) {
      diversity = look(windows, progress.epoch, state, decision);
    }
    const int8_t word = kWords[static_cast<size_t>(state.level)];
    for (size_t i = 0; i < windows.size(); ++i) {
      decision.tests[i].needed_wl = word;
      const FixedPoint to = fitted(word, windows[i]);
      if (to == windows[i].format) continue;
      decision.changes.push_back({i,
                                  windows[i].format,
                                  to,
                                  {.reason = state.level > before ? "gradient diversity" : "range",
                                   .needed_wl = word,
                                   .range = windows[i].stats[QuantizeStats::absmax],
                                   .diversity = diversity,
                                   .saturated = windows[i].stats[QuantizeStats::saturated],
                                   .underflowed = windows[i].stats[QuantizeStats::underflowed]}});
    }
  }

 private:
  // The point stays where it is while all values are zero.
  static FixedPoint fitted(int8_t word, const SlotWindow& window) {
    const FixedPoint format{word, window.format.fl};
    if (format.is_float()) return {};
    const double range = window.stats[QuantizeStats::absmax];
    if (!(range > 0) || !std::isfinite(range)) return format;
    return {word, muppet_scale(word, range, -range)};
  }

  // At the end of an epoch: the diversity where it was time to look at it, 1 elsewhere.
  double look(std::span<const SlotWindow> windows, int64_t epoch, MuppetState& state, Decision& decision) const {
    if (++state.epochs < static_cast<int64_t>(settings_.resolution)) return 1;
    state.epochs = 0;
    std::ranges::fill(decision.restart, uint8_t{1});
    const double diversity = muppet_diversity(windows);
    if (muppet_violates(diversity, epoch - 1, state.largest_diversity)) ++state.violations;
    if (state.violations >= static_cast<int64_t>(settings_.patience)) {
      ++state.level;
      state.violations = 0;
      state.largest_diversity = 0;
    }
    return diversity;
  }

  Settings settings_;
};

}  // namespace

std::unique_ptr<SwitchPolicy> make_muppet_policy(std::string_view settings) {
  return std::make_unique<MuppetPolicy>(parse(settings));
}

}  // namespace marvin
