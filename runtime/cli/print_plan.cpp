#include "runtime/cli/print_plan.h"

#include <array>

#include "runtime/report/table.h"

namespace marvin {
namespace {

constexpr std::array<const char*, 3> kPhaseNames = {"forward", "backward", "update"};
constexpr std::array<const char*, 6> kPlaceNames = {"none", "arena", "parameter", "constant", "input", "tile"};

std::string text_of(const Place& place) {
  return cat(kPlaceNames[static_cast<size_t>(place.kind)], place.kind == Place::Kind::arena ? "+" : " ", place.at);
}

Json to_json(const Step& step) {
  Json outputs = Json::array();
  for (size_t i = 0; i < step.out.size(); ++i) {
    if (!step.out_types[i]) continue;
    outputs.push_back({{"type", marvin::text_of(*step.out_types[i])},
                       {"place", kPlaceNames[static_cast<size_t>(step.out[i].kind)]},
                       {"at", step.out[i].at},
                       {"bytes", step.out_types[i]->bytes()}});
  }
  return {{"label", step.label},
          {"phase", kPhaseNames[static_cast<size_t>(step.phase)]},
          {"op", std::string(step.op->name)},
          {"kernel", std::string(step.kernel->name)},
          {"outputs", outputs},
          {"scratch_bytes", step.prepared.scratch_bytes},
          {"scratch_offset", step.scratch_offset},
          {"macs", step.macs}};
}

std::vector<std::string> row_of(size_t index, const Step& step) {
  std::string where = "none";
  std::string bytes;
  for (size_t i = 0; i < step.out.size() && bytes.empty(); ++i) {
    if (!step.out_types[i]) continue;
    where = text_of(step.out[i]);
    bytes = std::to_string(step.out_types[i]->bytes());
  }
  const std::string scratch =
      step.prepared.scratch_bytes > 0 ? cat(step.prepared.scratch_bytes, " at ", step.scratch_offset) : "";
  return {std::to_string(index),
          kPhaseNames[static_cast<size_t>(step.phase)],
          std::string(step.op->name),
          step.label,
          std::string(step.kernel->name),
          where,
          bytes,
          scratch};
}

}  // namespace

std::string to_text(const Plan& plan) {
  TextTable table({"step", "phase", "op", "output", "kernel", "place", "bytes", "scratch bytes"});
  for (size_t i = 0; i < plan.steps.size(); ++i) table.add(row_of(i, plan.steps[i]));
  return cat(table.text(), "\nsteps      ", plan.steps.size(), "\narena      ", plan.arena_bytes, " bytes\nlive peak  ",
             plan.live_peak_bytes, " bytes\ncopies     ", plan.copies.size(), "\n");
}

Json to_json(const Plan& plan) {
  Json steps = Json::array();
  for (const Step& step : plan.steps) steps.push_back(to_json(step));
  return {{"steps", steps},
          {"arena_bytes", plan.arena_bytes},
          {"live_peak_bytes", plan.live_peak_bytes},
          {"copies", plan.copies.size()}};
}

}  // namespace marvin
