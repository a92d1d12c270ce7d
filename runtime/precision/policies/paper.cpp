// paper: MARViN/AdaPT (arXiv 2107.13490). Every weight has one format <WL,FL>, which its layer's inputs and gradients
// share; it starts at <8,4>. After a look-back of steps the format is pushed down to what keeps the weights' histogram,
// and up by what gradient diversity asks for. Gradients that flow back stay in float32.
//
// `released` decides as the authors' program does; `sound` as it means to.
#include <algorithm>
#include <cmath>
#include <optional>

#include "runtime/ir/error.h"
#include "runtime/kernels/random.h"
#include "runtime/precision/divergence.h"
#include "runtime/precision/policy.h"
#include "runtime/precision/push_down.h"
#include "runtime/precision/settings.h"

namespace marvin {
namespace {

constexpr FixedPoint kBegin{8, 4};

struct Settings {
  bool released = false;
  double lb_min = 25, lb_max = 100;  // look-backs, in optimizer steps
  double r_min = 50, r_max = 150;    // bins
  double buff = 8;                   // bits before the point, at least
  double gamma = 0.33;               // of the look-back's moving mean
  double tolerance = 1e-2;           // nats that push-down may lose, of `sound`
  double penalty = 1;                // weight of the penalty on bits that the strategy sees as part of the loss

  int64_t shortest() const { return static_cast<int64_t>(lb_min); }
  int64_t longest() const { return static_cast<int64_t>(lb_max); }
};

Settings parse(std::string_view text) {
  Settings result;
  for (const std::string_view mode : {"sound", "released"}) {
    if (!text.starts_with(mode) || (text.size() > mode.size() && text[mode.size()] != ',')) continue;
    result.released = next_word(text) == "released";
    break;
  }
  const std::vector<Setting> known = {{"lb_min", &result.lb_min, 1, 1e6, true},
                                      {"lb_max", &result.lb_max, 1, 1e6, true},
                                      {"r_min", &result.r_min, 2, kMaxResolution, true},
                                      {"r_max", &result.r_max, 2, kMaxResolution, true},
                                      {"buff", &result.buff, 0, 24, true},
                                      {"gamma", &result.gamma, 0, 1, false},
                                      {"tolerance", &result.tolerance, 0, 10, false},
                                      {"penalty", &result.penalty, 0, 1e6, false}};
  read_settings(text, known);
  if (result.r_min > result.r_max) throw Error("r_min is above r_max");
  // A published configuration has it so; its look-backs then go from lb_min to lb_max.
  if (result.lb_min > result.lb_max && !result.released)
    throw Error("lb_min is above lb_max; only paper:released, whose look-backs then go to lb_max, takes that");
  return result;
}

// Which weight's format each slot shares; -1: none. A parameter's gradient goes by the parameter's name, everything
// else by its layer; a layer without a weight shares the one before it.
class Sharing {
 public:
  explicit Sharing(std::span<const SlotWindow> windows) : windows_(windows) {
    for (size_t i = 0; i < windows.size(); ++i)
      if (windows[i].slot->role == Role::weight) weights_.push_back(i);
  }

  std::vector<int64_t> layers() const {
    std::vector<int64_t> result(windows_.size(), -1);
    int64_t last = 0;
    for (size_t i = 0; i < windows_.size() && !weights_.empty(); ++i) {
      if (windows_[i].slot->role == Role::gradient && !windows_[i].to_optimizer) continue;
      last = result[i] = weight_of(i).value_or(last);
    }
    return result;
  }
  size_t weights() const { return weights_.size(); }

 private:
  std::optional<int64_t> weight_of(size_t i) const {
    const Slot& slot = *windows_[i].slot;
    std::optional<int64_t> result;
    for (size_t k = weights_.size(); k-- > 0;) {
      const Slot& weight = *windows_[weights_[k]].slot;
      if (weights_[k] == i || (windows_[i].to_optimizer && slot.name == weight.name + ".gradient")) {
        return static_cast<int64_t>(k);
      }
      if (weight.layer == slot.layer) result = static_cast<int64_t>(k);
    }
    return result;
  }

  std::span<const SlotWindow> windows_;
  std::vector<size_t> weights_;
};

class PaperPolicy : public SwitchPolicy {
 public:
  explicit PaperPolicy(const Settings& settings) : settings_(settings) {}

  Treatment treatment() const override {
    return {.stochastic = true, .mixed = true, .round_gradients = true, .unit_gradients = true};
  }
  Observation observation() const override {
    constexpr int64_t kSample = 65536;
    return {.enabled = true,
            .weight_elements = settings_.released ? Observation::kWhole : kSample,
            .gradient_elements = Observation::kWhole};
  }
  GradientRule gradient_rule() const override { return {.count_zeros = settings_.released}; }

  std::vector<FixedPoint> begin(std::span<const SlotWindow> windows, PolicyState& state) const override {
    const Sharing sharing(windows);
    PaperState begun{.layer = sharing.layers()};
    begun.layers.assign(
        sharing.weights(),
        {.format = kBegin, .lookback = settings_.shortest(), .resolution = static_cast<int>(settings_.r_min)});
    begun.losses.reserve(static_cast<size_t>(settings_.longest()) + 2);
    std::vector<FixedPoint> formats;
    for (const int64_t layer : begun.layer) formats.push_back(layer < 0 ? FixedPoint{} : kBegin);
    state = std::move(begun);
    return formats;
  }

  void decide(std::span<const SlotWindow> windows, const Progress& progress, PolicyState& stored,
              Decision& decision) const override {
    PaperState& state = std::get<PaperState>(stored);
    if (state.layers.empty()) return;
    const double loss = progress.loss + progress.l1_term + settings_.penalty * penalty(windows, state);
    state.strategy = adapt_strategy(state.strategy, loss, mean_lookback(state), state.losses);
    for (size_t i = 0; i < windows.size(); ++i) {
      if (windows[i].slot->role != Role::weight) continue;
      PaperState::Layer& layer = state.layers[static_cast<size_t>(state.layer[i])];
      const double diversity = diversity_of(windows[i]);
      ++layer.since;
      layer.lookback =
          adapt_lookback(diversity, layer.lookback, settings_.shortest(), settings_.longest(), settings_.gamma);
      layer.resolution = adapt_resolution(layer.lookback, settings_.shortest(), settings_.longest(), layer.resolution,
                                          static_cast<int>(settings_.r_min), static_cast<int>(settings_.r_max));
      decision.tests[i].lookback = layer.lookback;
      decision.tests[i].resolution = layer.resolution;
      if (layer.since < layer.lookback) continue;
      decision.restart[i] = 1;
      push(windows, i, diversity, progress.step, state, decision);
    }
  }

 private:
  // Infinite where gradients cancel out, or are all zero.
  static double diversity_of(const SlotWindow& window) {
    return gradient_diversity(std::max<int64_t>(1, window.gradients), window.gradient_sum_norm);
  }

  static int64_t mean_lookback(const PaperState& state) {
    int64_t sum = 0;
    for (const PaperState::Layer& layer : state.layers) sum += layer.lookback;
    return sum / static_cast<int64_t>(state.layers.size());
  }

  // The mean over weights of WL / 32 times the share of elements that rounding does not make zero. It has no gradient.
  static double penalty(std::span<const SlotWindow> windows, const PaperState& state) {
    double sum = 0;
    for (size_t i = 0; i < windows.size(); ++i) {
      if (windows[i].slot->role != Role::weight) continue;
      const FixedPoint format = state.layers[static_cast<size_t>(state.layer[i])].format;
      sum += format.wl / 32.0 * (1 - windows[i].stats[QuantizeStats::underflowed]);
    }
    return sum / static_cast<double>(state.layers.size());
  }

  FixedPoint pushed_down(const SlotWindow& window, size_t slot, int64_t step, const PaperState::Layer& layer) const {
    if (!settings_.released) {
      return sound_push_down(window.sample, layer.format, layer.resolution, settings_.tolerance);
    }
    const auto row =
        window.sample.first(std::min<size_t>(window.sample.size(), static_cast<size_t>(window.row_elements)));
    return released_push_down(row, layer.format, layer.resolution,
                              random_key(static_cast<uint64_t>(step), static_cast<uint64_t>(slot), 0));
  }

  // Decides on the weight of slot `at`, and gives all that share its format the new one.
  void push(std::span<const SlotWindow> windows, size_t at, double diversity, int64_t step, PaperState& state,
            Decision& decision) const {
    PaperState::Layer& layer = state.layers[static_cast<size_t>(state.layer[at])];
    const FixedPoint kept = pushed_down(windows[at], at, step, layer);
    const FixedPoint to =
        with_bits(kept, push_up(diversity, kept.fl, state.strategy), static_cast<int>(settings_.buff));
    const Evidence evidence{.reason = to.wl < layer.format.wl ? "divergence" : "gradient diversity",
                            .needed_wl = kept.wl,
                            .range = windows[at].stats[QuantizeStats::absmax],
                            .divergence = divergence(windows[at].sample, kept, layer.resolution),
                            .diversity = diversity,
                            .saturated = windows[at].stats[QuantizeStats::saturated],
                            .underflowed = windows[at].stats[QuantizeStats::underflowed],
                            .lookback = layer.lookback,
                            .resolution = layer.resolution,
                            .strategy = state.strategy};
    layer.format = to;
    layer.since = 0;
    for (size_t i = 0; i < windows.size(); ++i) {
      if (state.layer[i] != state.layer[at]) continue;
      decision.tests[i].needed_wl = kept.wl;
      if (windows[i].format != to) decision.changes.push_back({i, windows[i].format, to, evidence});
    }
  }

  Settings settings_;
};

}  // namespace

std::unique_ptr<SwitchPolicy> make_paper_policy(std::string_view settings) {
  return std::make_unique<PaperPolicy>(parse(settings));
}

}  // namespace marvin
