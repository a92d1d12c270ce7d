#include "runtime/cli/profile.h"

#include <algorithm>
#include <array>
#include <map>

#include "runtime/report/table.h"

namespace marvin {
namespace {

constexpr size_t kMostOutputs = 40;
constexpr size_t kTableRows = 25;

double peak_macs_per_ns(const OpTime& time, const MachinePeaks& peaks) {
  if (peaks.s8_gmac_per_s == 0 || time.word_bytes > 2) return peaks.f32_gmac_per_s;
  return peaks.s8_gmac_per_s / static_cast<double>(time.word_bytes);
}

// A number that there is, else nothing.
std::string cell(double value, int decimals) { return value > 0 ? fixed_point_text(value, decimals) : ""; }

}  // namespace

std::string name_of(Phase phase) {
  constexpr std::array<const char*, 3> kNames = {"forward", "backward", "update"};
  return kNames[static_cast<size_t>(phase)];
}

double least_ns(const OpTime& time, const MachinePeaks& peaks) {
  const auto at = [](int64_t amount, double rate) { return rate > 0 ? static_cast<double>(amount) / rate : 0; };
  const double multiplying = time.macs > 0 ? at(time.macs, peak_macs_per_ns(time, peaks)) : 0;
  return std::max(at(time.bytes, peaks.copy_gb_per_s), multiplying);
}

std::vector<ProfileRow> profile_by(std::span<const OpTime> times, int64_t steps,
                                   const std::function<std::vector<std::string>(const OpTime&)>& names,
                                   const MachinePeaks& peaks) {
  std::map<std::vector<std::string>, ProfileRow> sums;
  for (const OpTime& time : times) {
    ProfileRow& row = sums[names(time)];
    const double runs = static_cast<double>(time.runs) / static_cast<double>(steps);
    row.ms += static_cast<double>(time.ns) / 1e6 / static_cast<double>(steps);
    row.bytes += runs * static_cast<double>(time.bytes);
    row.macs += runs * static_cast<double>(time.macs);
    row.least_ms += runs * least_ns(time, peaks) / 1e6;
  }
  std::vector<ProfileRow> rows;
  for (auto& [key, row] : sums) {
    row.names = key;
    rows.push_back(row);
  }
  std::ranges::sort(rows, [](const ProfileRow& a, const ProfileRow& b) { return a.ms > b.ms; });
  return rows;
}

Json profile_json(const TrainingResult& result) {
  Json ops = Json::array(), outputs = Json::array();
  const auto by_phase = [](const OpTime& t) { return std::vector{t.op, name_of(t.phase)}; };
  for (const ProfileRow& row : profile_by(result.profile, result.steps, by_phase))
    ops.push_back({{"op", row.names[0]}, {"phase", row.names[1]}, {"ms", row.ms}});
  const auto all = [](const OpTime& t) { return std::vector{t.label, t.op, t.kernel, name_of(t.phase)}; };
  for (const ProfileRow& row : profile_by(result.profile, result.steps, all)) {
    if (outputs.size() == kMostOutputs) break;
    const std::vector<std::string>& n = row.names;
    outputs.push_back({{"output", n[0]}, {"op", n[1]}, {"kernel", n[2]}, {"phase", n[3]}, {"ms", row.ms}});
  }
  return {{"ops", ops}, {"outputs", outputs}};
}

Json rates_json(const ProfileRow& row) {
  return {{"ms", row.ms},
          {"bytes", row.bytes},
          {"macs", row.macs},
          {"gb_per_s", row.gb_per_s()},
          {"gmac_per_s", row.gmac_per_s()},
          {"of_peak", row.of_peak()}};
}

std::string rates_text(std::span<const ProfileRow> rows, std::vector<std::string> header) {
  double total = 0;
  for (const ProfileRow& row : rows) total += row.ms;
  header.insert(header.end(), {"ms a step", "share", "MB", "GB/s", "GMAC/s", "of the peak"});
  TextTable table(header);
  for (const ProfileRow& row : rows.first(std::min(rows.size(), kTableRows))) {
    std::vector<std::string> cells = row.names;
    cells.insert(cells.end(),
                 {fixed_point_text(row.ms, 3), percent_text(total > 0 ? row.ms / total : 0), cell(row.bytes / 1e6, 3),
                  cell(row.gb_per_s(), 1), cell(row.gmac_per_s(), 1), percent_text(row.of_peak())});
    table.add(std::move(cells));
  }
  return table.text();
}

}  // namespace marvin
