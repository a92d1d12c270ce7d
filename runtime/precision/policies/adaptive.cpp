// adaptive: MARViN's two questions asked of every slot on its own, with a point that is fitted to the range.
//
// The answer to "how few bits lose nothing, and how many must stay" is a needed word length. The slot runs in the
// narrowest container that holds it (8 or 16 bits, float32 beyond that) and uses the container's spare bits for a finer
// point, which costs nothing; so it does with the wider container of all that it is multiplied with, in which its
// products are computed anyway: what is multiplied with numbers of very different magnitude cannot be known too well.
// It moves up at once and down only after as many look-backs in a row as `hold` says; a slot that has to come back up
// soon after it went down doubles its hold.
#include <algorithm>
#include <cmath>

#include "runtime/precision/divergence.h"
#include "runtime/precision/policy.h"
#include "runtime/precision/range.h"

namespace marvin {
namespace {

struct Settings {
  int shortest_wl = 4, longest_wl = 16;
  double divergence_tolerance = 1e-2;  // nats, beyond what drawing the sample anew would change
  double magnitude_tolerance = 0.03;   // of weights and activations
  double gradient_tolerance = 0.4;     // of gradients, which are rounded stochastically: their mean survives anyway
  int64_t shortest_lookback = 25, longest_lookback = 100;
  double lookback_gamma = 0.33;
  int lowest_resolution = 16, highest_resolution = 24;
  int longest_hold = 8;
  double rising_loss = 1.05;  // recent over usual loss that counts as rising
};
constexpr Settings kSettings;

// Words that gradient diversity may ask for. A float32 master copy absorbs small updates, so more than 8 bits are worth
// their price only while the loss rises.
int longest_pushed_word(Strategy strategy) {
  return strategy == Strategy::min ? 8 : strategy == Strategy::mean ? 12 : 16;
}

// How well a sample survives in words with their point fitted to the range.
struct Fit {
  std::span<const float> sample;
  float range = 0;
  int resolution = 0;
  bool gradient = false;

  FixedPoint format(int wl) const { return {static_cast<int8_t>(wl), fitted_fl(wl, range)}; }
  // What Evidence::divergence holds.
  double loss(int wl) const {
    if (gradient) return magnitude_error(sample, format(wl));
    // Values that words hold exactly are not blurred, so the smaller of the two is what is lost.
    return std::min(divergence(sample, format(wl), resolution), spread_divergence(sample, format(wl), resolution));
  }
  // One more than the longest when none loses nothing.
  int shortest_word() const {
    return smallest_word(kSettings.shortest_wl, kSettings.longest_wl, [&](int wl) { return loses_nothing(wl); });
  }
  bool loses_nothing(int wl) const {
    if (gradient) return loss(wl) <= kSettings.gradient_tolerance;
    // Two histograms of n values in r bins differ by about (r - 1) / 2n nats when nothing but chance is between them.
    const double chance = (resolution - 1) / (2.0 * static_cast<double>(std::max<size_t>(1, sample.size())));
    return magnitude_error(sample, format(wl)) <= kSettings.magnitude_tolerance &&
           loss(wl) <= kSettings.divergence_tolerance + chance;
  }
};

FixedPoint container_for(int needed, float range) {
  if (needed > kSettings.longest_wl) return {};
  const int wl = needed <= 8 ? 8 : 16;
  return {static_cast<int8_t>(wl), fitted_fl(wl, range)};
}

class AdaptivePolicy : public SwitchPolicy {
 public:
  std::vector<FixedPoint> begin(std::span<const SlotWindow> windows, PolicyState& state) const override {
    AdaptiveState begun;
    std::vector<FixedPoint> formats;
    for (size_t i = 0; i < windows.size(); ++i) {
      AdaptiveState::Slot slot{.range = {windows[i].stats[QuantizeStats::absmax]},
                               .lookback = kSettings.longest_lookback,
                               .resolution = kSettings.lowest_resolution};
      // Staggered, so that slots do not all decide in the same step.
      slot.since = static_cast<int64_t>(i) * kSettings.shortest_lookback / static_cast<int64_t>(windows.size());
      slot.needed_wl = fit_of(windows[i], slot).shortest_word();
      begun.slots.push_back(slot);
    }
    for (size_t i = 0; i < windows.size(); ++i) {
      const AdaptiveState::Slot& slot = begun.slots[i];
      formats.push_back(container_for(std::max(slot.needed_wl, free_word(windows[i], begun)), slot.range.range));
    }
    state = std::move(begun);
    return formats;
  }

  void decide(std::span<const SlotWindow> windows, const Progress& progress, PolicyState& stored,
              Decision& decision) const override {
    AdaptiveState& state = std::get<AdaptiveState>(stored);
    follow_loss(progress.loss, state);
    for (size_t i = 0; i < windows.size(); ++i) {
      AdaptiveState::Slot& slot = state.slots[i];
      std::optional<FormatChange> change = follow_range(windows[i], slot.range, i);
      if (change) add_evidence(slot, *change);
      ++slot.since;
      const double diversity = gradient_diversity(windows[i].gradients, windows[i].gradient_sum_norm);
      if (windows[i].gradients > 0) {
        slot.lookback = adapt_lookback(diversity, slot.lookback, kSettings.shortest_lookback,
                                       kSettings.longest_lookback, kSettings.lookback_gamma);
      }
      if (slot.since >= slot.lookback) {
        const FixedPoint now = change ? change->to : windows[i].format;
        if (const auto word = decide_word(windows[i], now, diversity, progress.step, state, slot)) {
          change = *word;
          change->slot = i;
          change->from = windows[i].format;
        }
        slot.since = 0;
        decision.restart[i] = 1;
      }
      decision.tests[i] = {slot.needed_wl, slot.lookback, slot.resolution};
      if (change) {
        change->evidence.strategy = state.strategy;
        decision.changes.push_back(*change);
      }
    }
  }

 private:
  static void add_evidence(const AdaptiveState::Slot& slot, FormatChange& change) {
    change.evidence.needed_wl = slot.needed_wl;
    change.evidence.lookback = slot.lookback;
    change.evidence.resolution = slot.resolution;
  }

  static Fit fit_of(const SlotWindow& window, const AdaptiveState::Slot& slot) {
    return {window.sample, slot.range.range, slot.resolution, window.slot->role == Role::gradient};
  }

  // The longest word that costs nothing: of the narrowest container among the partners'; float32 gives none.
  static int free_word(const SlotWindow& window, const AdaptiveState& state) {
    int narrowest = window.partners.empty() ? 0 : kSettings.longest_wl;
    for (const size_t partner : window.partners) {
      const int needed = state.slots[partner].needed_wl;
      narrowest = std::min(narrowest, needed > 8 && needed <= kSettings.longest_wl ? kSettings.longest_wl : 8);
    }
    return narrowest;
  }

  // One rung up after a look-back of rising loss, down to min as soon as it falls.
  static void follow_loss(double loss, AdaptiveState& state) {
    const auto decayed = [&](double mean, double steps) {
      const double weight = 1.0 / std::min(static_cast<double>(state.losses), steps);
      return mean + (loss - mean) * weight;
    };
    ++state.losses;
    state.recent_loss = decayed(state.recent_loss, static_cast<double>(kSettings.shortest_lookback));
    state.usual_loss = decayed(state.usual_loss, 4.0 * static_cast<double>(kSettings.longest_lookback));
    const bool rises = state.recent_loss > kSettings.rising_loss * state.usual_loss;
    state.rising = rises ? state.rising + 1 : 0;
    if (state.recent_loss < state.usual_loss) state.strategy = Strategy::min;
    if (state.rising < kSettings.shortest_lookback) return;
    state.strategy = adapt_strategy(state.strategy, state.recent_loss, state.usual_loss);
    state.rising = 0;
  }

  static std::optional<FormatChange> decide_word(const SlotWindow& window, FixedPoint now, double diversity,
                                                 int64_t step, const AdaptiveState& state, AdaptiveState::Slot& slot) {
    slot.resolution = adapt_resolution(slot.lookback, kSettings.shortest_lookback, kSettings.longest_lookback,
                                       slot.resolution, kSettings.lowest_resolution, kSettings.highest_resolution);
    const Fit fit = fit_of(window, slot);
    const int kept = fit.shortest_word();
    int needed = kept;
    if (window.slot->role == Role::weight) {
      const int pushed = kept + push_up(diversity, kept, state.strategy);
      needed = std::max(kept, std::min(pushed, longest_pushed_word(state.strategy)));
    }
    slot.needed_wl = needed;
    const int free = free_word(window, state);
    const FixedPoint to = settle(container_for(std::max(needed, free), slot.range.range), now, step, slot);
    if (to.wl == now.wl) return std::nullopt;
    slot.range.settled = 0;
    const std::string_view test = window.slot->role == Role::gradient ? "magnitude error" : "divergence";
    return FormatChange{.to = to,
                        .evidence = {.reason = free > std::max(needed, 8) ? "partner"
                                               : needed > kept            ? "gradient diversity"
                                                                          : test,
                                     .needed_wl = needed,
                                     .range = slot.range.range,
                                     .divergence = fit.loss(std::min(needed, kSettings.longest_wl)),
                                     .diversity = diversity,
                                     .saturated = window.stats[QuantizeStats::saturated],
                                     .underflowed = window.stats[QuantizeStats::underflowed],
                                     .lookback = slot.lookback,
                                     .resolution = slot.resolution}};
  }

  // Up at once; down after `hold` look-backs that agree.
  static FixedPoint settle(FixedPoint wanted, FixedPoint now, int64_t step, AdaptiveState::Slot& slot) {
    if (wanted.wl >= now.wl) {
      const bool regret = wanted.wl > now.wl && slot.narrowed >= 0 && step - slot.narrowed <= 4 * slot.lookback;
      if (regret) slot.hold = std::min(2 * slot.hold, kSettings.longest_hold);
      slot.agreed = 0;
      return wanted.wl > now.wl ? wanted : now;
    }
    if (++slot.agreed < slot.hold) return now;
    slot.agreed = 0;
    slot.narrowed = step;
    return wanted;
  }
};

}  // namespace

std::unique_ptr<SwitchPolicy> make_adaptive_policy() { return std::make_unique<AdaptivePolicy>(); }

}  // namespace marvin
