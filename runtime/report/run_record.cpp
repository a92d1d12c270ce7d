#include "runtime/report/run_record.h"

#include <algorithm>
#include <filesystem>
#include <limits>

#include "runtime/ir/error.h"
#include "runtime/report/json_lines.h"
#include "runtime/report/run_directory.h"

namespace marvin {
namespace {

namespace fs = std::filesystem;

const Json& member(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) throw Error("it has no '", key, "'");
  return *found;
}

int64_t integer(const Json& object, const char* key, int64_t lowest, int64_t highest) {
  const Json& value = member(object, key);
  const bool fits = value.is_number_unsigned() ? value.get<uint64_t>() <= static_cast<uint64_t>(highest)
                                               : value.is_number_integer() && value.get<int64_t>() <= highest;
  if (!fits || value.get<int64_t>() < lowest) {
    throw Error("'", key, "' is not an integer between ", lowest, " and ", highest);
  }
  return value.get<int64_t>();
}

int64_t step_of(const Json& object) { return integer(object, "step", 0, int64_t{1} << 53); }

double number(const Json& object, const char* key) {
  const Json& value = member(object, key);
  if (value.is_null()) return std::numeric_limits<double>::quiet_NaN();
  if (!value.is_number()) throw Error("'", key, "' is not a number");
  return value.get<double>();
}

std::string text(const Json& object, const char* key) {
  const Json& value = member(object, key);
  if (!value.is_string()) throw Error("'", key, "' is not a text");
  return value.get<std::string>();
}

// Removes what a resumed run does again.
template <class Element, class StepOf>
void rewind(std::vector<Element>& list, int64_t step, StepOf&& step_of_element) {
  while (!list.empty() && step_of_element(list.back()) >= step) list.pop_back();
}

class Reader {
 public:
  explicit Reader(const std::string& directory) {
    record_.directory = directory;
    record_.run = read_run_json(directory);
  }

  RunRecord read() {
    read_file("metrics.jsonl", [&](const Json& line) { read_metrics(line); });
    read_file("precision.jsonl", [&](const Json& line) { read_switch(line); });
    read_file("observations.jsonl", [&](const Json& line) { read_observation(line); });
    if (!record_.is_finished()) {
      record_.notes.emplace_back("The run has no summary: it still goes on, or was interrupted.");
    }
    return std::move(record_);
  }

 private:
  void read_file(const char* name, const std::function<void(const Json&)>& visit) {
    const std::string path = (fs::path(record_.directory) / name).string();
    if (!fs::exists(path)) record_.notes.push_back(cat(name, " is not there."));
    if (!read_json_lines(path, visit)) {
      record_.notes.push_back(cat("The last line of ", name, " was not written to its end, and is left out."));
    }
  }

  void read_metrics(const Json& line) {
    const std::string event = text(line, "event");
    const int64_t step = step_of(line);
    if (event == "step") {
      rewind(record_.steps, step, [](const RunRecord::Step& s) { return s.step; });
      record_.steps.push_back({step, number(line, "loss"), number(line, "lr"), number(line, "ms")});
    } else if (event == "eval") {
      rewind(record_.evaluations, step, step_of);
      number(line, "loss");
      if (line.contains("accuracy")) number(line, "accuracy");
      record_.evaluations.push_back(line);
    }
  }

  size_t slot_named(const Json& object) {
    const std::string name = text(object, "slot");
    const auto [found, added] = index_.try_emplace(name, record_.slots.size());
    if (added) record_.slots.push_back({name, text(object, "layer"), text(object, "role"), {}});
    return found->second;
  }

  void read_switch(const Json& line) {
    const int64_t step = step_of(line);
    const auto word = [&](const char* key) { return integer(member(line, key), "wl", 1, 32); };
    const int64_t from = word("from"), to = word("to");
    const int64_t fl = integer(line["to"], "fl", -128, 127);
    const std::string reason = text(line, "reason");
    RunRecord::SlotHistory& slot = record_.slots[slot_named(line)];
    rewind(slot.formats, step, [](const RunRecord::Format& f) { return f.step; });
    slot.formats.push_back({step, to, fl});
    if (step == 0) return;
    ++record_.switch_counts[reason][slot.role];
    if (from != to) record_.word_switches.push_back(line);
  }

  void read_observation(const Json& line) {
    if (line.contains("slots")) {
      const Json& table = line["slots"];
      if (!table.is_array()) throw Error("'slots' is not a list");
      record_.observed_slots.clear();
      for (const Json& slot : table) record_.observed_slots.push_back(slot_named(slot));
      return;
    }
    const int64_t step = step_of(line);
    while (!record_.observed_steps.empty() && record_.observed_steps.back() >= step) {
      record_.observed_steps.pop_back();
      for (auto& [name, rows] : record_.observations) rows.resize(std::min(rows.size(), record_.observed_steps.size()));
    }
    for (const auto& [name, row] : line.items()) {
      if (name == "step") continue;
      if (!row.is_array() || row.size() != record_.observed_slots.size()) {
        throw Error("'", name, "' is not a list of ", record_.observed_slots.size(), " numbers, one per slot");
      }
      for (const Json& value : row)
        if (!value.is_number() && !value.is_null()) throw Error("'", name, "' holds what is not a number");
      std::vector<Json>& rows = record_.observations[name];
      rows.resize(record_.observed_steps.size());  // null where an earlier step did not have it
      rows.push_back(row);
    }
    record_.observed_steps.push_back(step);
    for (auto& [name, rows] : record_.observations) rows.resize(record_.observed_steps.size());
  }

  RunRecord record_;
  std::map<std::string, size_t> index_;  // of slots, by name
};

}  // namespace

RunRecord read_run(const std::string& directory) { return Reader(directory).read(); }

}  // namespace marvin
