// report.html, as train and report write it.
#pragma once

#include <string>
#include <vector>

#include "runtime/report/run_record.h"

namespace marvin {

struct WrittenReport {
  std::string path;
  int64_t bytes = 0;
  std::vector<RunRecord> runs;
};

// Reads the runs, draws the first model files that they have, and writes the page atomically. Throws Error where a
// directory is no run's, a line of its files is damaged, or the page cannot be written. What cannot be drawn is a note
// in the page.
WrittenReport write_report(const std::vector<std::string>& directories, const std::string& output);

// Where the report of a run lies: DIR/report.html.
std::string report_path(const std::string& directory);

}  // namespace marvin
