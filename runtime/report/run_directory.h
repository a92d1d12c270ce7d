// The directory that a training run leaves behind.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "runtime/report/json.h"

namespace marvin {

// The names of the files that runs leave in their directories.
std::span<const std::string_view> run_files();

// Throws Error when `path` cannot become a run's directory: it exists and `overwrite` is false, or exists and is not
// one of marvin's (it holds no run.json that marvin wrote). Changes nothing.
void check_run_directory(const std::string& path, bool overwrite);

// Whether `path` holds a run.json that marvin wrote.
bool is_run_directory(const std::string& path);

// run.json. Throws Error when there is none, or it is damaged.
Json read_run_json(const std::string& directory);

class RunDirectory {
 public:
  // Checks as above, makes the directory and those above it, and writes `configuration` as run.json: what cannot be
  // written is found before anything is computed. The files of a run that was there are removed once that has worked;
  // others stay.
  RunDirectory(const std::string& path, bool overwrite, const Json& configuration);

  std::string operator/(const std::string& file) const { return path_ + "/" + file; }
  void write_run_json(const Json& content) const;

 private:
  std::string path_;
};

}  // namespace marvin
