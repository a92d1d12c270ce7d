// What a run directory tells of its run: read back for the report.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runtime/report/json.h"

namespace marvin {

struct RunRecord {
  struct Step {
    int64_t step = 0;
    double loss = 0, lr = 0, ms = 0;  // NaN where the file says null
  };
  struct Format {
    int64_t step = 0;  // after which it holds; 0: from the beginning
    int64_t wl = 32, fl = 0;
  };
  struct SlotHistory {
    std::string name, layer, role;
    std::vector<Format> formats;
  };

  std::string directory;
  Json run;                        // run.json
  std::vector<std::string> notes;  // what is missing, a sentence each
  std::vector<Step> steps;         // rising
  std::vector<Json> evaluations;   // lines of metrics.jsonl, by rising step
  std::vector<SlotHistory> slots;
  std::vector<Json> word_switches;  // lines of precision.jsonl that changed a word length
  std::map<std::string, std::map<std::string, int64_t>> switch_counts;  // by reason, by role
  std::vector<int64_t> observed_steps;
  // By name, see ObservationLog: a row per observed step, a number or null per slot of `observed_slots`.
  std::map<std::string, std::vector<Json>> observations;
  std::vector<size_t> observed_slots;  // indices into `slots`

  bool is_finished() const { return run.contains("summary"); }
};

// Works on runs that have been interrupted or still go on. Where a run was resumed, what it did again counts. Throws
// Error when `directory` is not a run's, or a line of its files, which is named, is damaged.
RunRecord read_run(const std::string& directory);

}  // namespace marvin
