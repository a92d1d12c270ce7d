// Where the time of training steps went.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "runtime/cli/machine_peaks.h"
#include "runtime/report/json.h"
#include "runtime/train/trainer.h"

namespace marvin {

std::string name_of(Phase phase);

// Plan steps that have some names in common, per step of training.
struct ProfileRow {
  std::vector<std::string> names;
  double ms = 0;
  double bytes = 0, macs = 0;
  double least_ms = 0;  // what the machine would need at its peaks; 0 where they are not known

  double gb_per_s() const { return ms > 0 ? bytes / ms / 1e6 : 0; }
  double gmac_per_s() const { return ms > 0 ? macs / ms / 1e6 : 0; }
  double of_peak() const { return ms > 0 ? least_ms / ms : 0; }
};

// The least time of a run of a plan's step: its bytes at the speed of copying, or its multiply-accumulates at that of
// their operands' width (16-bit words at half the speed of bytes), whichever takes longer. What is still in the caches
// can be faster.
double least_ns(const OpTime& time, const MachinePeaks& peaks);

// Times of the plan's steps summed by what `names` says of them, the longest first. `steps`: of training.
std::vector<ProfileRow> profile_by(std::span<const OpTime> times, int64_t steps,
                                   const std::function<std::vector<std::string>(const OpTime&)>& names,
                                   const MachinePeaks& peaks = {});

// {"ops": [{"op", "phase", "ms"}, ..], "outputs": [{"output", "op", "kernel", "phase", "ms"}, ..]}: milliseconds a
// step, the longest first; of the outputs some forty.
Json profile_json(const TrainingResult& result);

// A row's figures as keys: "ms", "bytes", "macs", "gb_per_s", "gmac_per_s", "of_peak".
Json rates_json(const ProfileRow& row);
// The first rows as a table: names under `header`, time, share of the total, bytes, rates, and how much of the peak.
std::string rates_text(std::span<const ProfileRow> rows, std::vector<std::string> header);

}  // namespace marvin
