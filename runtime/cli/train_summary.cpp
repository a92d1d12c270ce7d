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

Json to_json(const CostFigures& figures) {
  return {{"training_speedup", figures.training_speedup},
          {"inference_speedup", figures.inference_speedup},
          {"model_size", figures.model_size},
          {"memory", figures.memory},
          {"overhead", figures.overhead}};
}

Json to_json(const BitOperations& operations) {
  return {{"forward", operations.forward}, {"backward", operations.backward}};
}

// By role; null where nothing of that role is multiplied.
Json words_json(const std::array<double, kRoles>& mean_wl) {
  Json json;
  for (const Role role : {Role::weight, Role::activation, Role::gradient}) {
    const double mean = mean_wl[static_cast<size_t>(role)];
    json[std::string(name_of(role))] = mean > 0 ? Json(mean) : Json();
  }
  return json;
}

Json model_json(const CostSummary& costs) {
  Json layers = Json::array();
  for (const LayerFigures& layer : costs.layers) {
    layers.push_back({{"layer", layer.name},
                      {"macs", layer.macs},
                      {"weights", layer.weights},
                      {"mean_wl", words_json(layer.mean_wl)},
                      {"nonzero", layer.nonzero},
                      {"training_speedup", layer.training_speedup}});
  }
  return {{"published", to_json(costs.published)},
          {"dense", to_json(costs.dense)},
          {"sparse", to_json(costs.sparse)},
          {"products_speedup", costs.products_speedup},
          {"bit_operations", to_json(costs.bit_operations)},
          {"float32_bit_operations", to_json(costs.float_bit_operations)},
          {"weights", {{"elements", costs.weights}, {"bits", costs.weight_bits}, {"bytes", costs.weight_bytes}}},
          {"mean_wl", words_json(costs.mean_wl)},
          {"layers", std::move(layers)}};
}

// Two lines; "" where nothing was quantized.
std::string model_text(const TrainingResult& result) {
  if (result.formats.empty()) return "";
  const auto number = [](double value) { return fixed_point_text(value, 2); };
  const CostSummary& costs = result.costs;
  std::string words;
  for (const Role role : {Role::weight, Role::activation, Role::gradient}) {
    const double mean = costs.mean_wl[static_cast<size_t>(role)];
    if (mean > 0) words += cat(words.empty() ? "" : ", ", fixed_point_text(mean, 1), " bits of ", name_of(role), "s");
  }
  return cat("mean word length     ", words, "\nmodelled speed-up    ", number(costs.published.training_speedup),
             " as published, ", number(costs.dense.training_speedup), " by multiply-accumulates, ",
             number(costs.products_speedup), " with backward products; inference ",
             number(costs.dense.inference_speedup), "\n");
}

}  // namespace

Json summary_json(const TrainingResult& result, double wall_s, int64_t peak_bytes) {
  const Macs& macs = result.costs.macs;
  Json json = to_json(result.last);
  json["best"] = to_json(result.best);
  json.update({{"steps", result.steps},
               {"switches", result.switches},
               {"wall_s", wall_s},
               {"train_s", seconds_of(result.train_ns)},
               {"policy_s", seconds_of(result.policy_ns)},
               {"compile_s", seconds_of(result.compile_ns)},
               {"peak_bytes", peak_bytes},
               {"arena_bytes", result.arena_bytes},
               {"macs", {{"total", macs.total}, {"le8", macs.le8}, {"le16", macs.le16}}},
               {"model", model_json(result.costs)}});
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
  const Macs& macs = result.costs.macs;
  return cat("last evaluation      ", text_of(result.last), " on ", grouped_text(result.last.samples), " samples\n",
             "best evaluation      ", text_of(result.best), "\n", "time                 ", duration_text(wall_s),
             ", of which ", duration_text(seconds_of(result.train_ns)), " in ", grouped_text(result.steps),
             " training steps and ", duration_text(seconds_of(result.compile_ns)), " in compiling\n",
             "multiply-accumulates ", percent_text(share(macs.le8, macs.total)), " in at most 8 bits, ",
             percent_text(share(macs.le16, macs.total)), " in at most 16\n", model_text(result),
             "format switches      ", grouped_text(result.switches), "\n", "peak memory          ",
             bytes_text(peak_bytes));
}

}  // namespace marvin
