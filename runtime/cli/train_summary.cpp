#include "runtime/cli/train_summary.h"

#include <algorithm>
#include <array>

#include "runtime/cli/evaluate_model.h"
#include "runtime/report/table.h"

namespace marvin {
namespace {

std::string cell_of(const SlotFormatNow& slot) {
  return slot.needed_wl > 0 ? cat(text_of(slot.format), " (needs ", slot.needed_wl, ")") : text_of(slot.format);
}

double share(int64_t part, int64_t total) {
  return total > 0 ? static_cast<double>(part) / static_cast<double>(total) : 0;
}

}  // namespace

Json summary_json(const TrainingResult& result, double wall_s, int64_t peak_bytes) {
  Json json = to_json(result.last);
  json["best"] = to_json(result.best);
  json.update({{"steps", result.steps},
               {"switches", result.switches},
               {"wall_s", wall_s},
               {"train_s", seconds_of(result.train_ns)},
               {"compile_s", seconds_of(result.compile_ns)},
               {"peak_bytes", peak_bytes},
               {"arena_bytes", result.arena_bytes},
               {"macs", {{"total", result.macs.total}, {"le8", result.macs.le8}, {"le16", result.macs.le16}}}});
  return json;
}

Json formats_json(const std::vector<SlotFormatNow>& formats) {
  Json list = Json::array();
  for (const SlotFormatNow& now : formats) {
    list.push_back({{"slot", now.slot.name},
                    {"layer", now.slot.layer},
                    {"role", std::string(name_of(now.slot.role))},
                    {"wl", now.format.wl},
                    {"fl", now.format.fl},
                    {"needed_wl", now.needed_wl}});
  }
  return list;
}

std::string format_table(const std::vector<SlotFormatNow>& formats) {
  if (formats.empty()) return "";
  constexpr size_t kRoles = 3;
  std::vector<std::pair<std::string, std::array<std::string, kRoles>>> rows;
  for (const SlotFormatNow& now : formats) {
    auto row = std::ranges::find_if(rows, [&](const auto& r) { return r.first == now.slot.layer; });
    if (row == rows.end()) row = rows.insert(rows.end(), {now.slot.layer, {}});
    std::string& cell = row->second[static_cast<size_t>(now.slot.role)];
    cell += (cell.empty() ? "" : ", ") + cell_of(now);
  }
  TextTable table({"layer", "weight", "activation", "gradient"});
  for (const auto& [layer, cells] : rows) table.add({layer, cells[0], cells[1], cells[2]});
  return table.text();
}

std::string summary_text(const TrainingResult& result, double wall_s, int64_t peak_bytes) {
  std::string text =
      cat("last evaluation      ", text_of(result.last), " on ", grouped_text(result.last.samples), " samples\n",
          "best evaluation      ", text_of(result.best), "\n", "time                 ", duration_text(wall_s),
          ", of which ", duration_text(seconds_of(result.train_ns)), " in ", grouped_text(result.steps),
          " training steps and ", duration_text(seconds_of(result.compile_ns)), " in compiling\n",
          "multiply-accumulates ", percent_text(share(result.macs.le8, result.macs.total)), " in at most 8 bits, ",
          percent_text(share(result.macs.le16, result.macs.total)), " in at most 16\n", "format switches      ",
          grouped_text(result.switches), "\n", "peak memory          ", bytes_text(peak_bytes));
  return text;
}

}  // namespace marvin
