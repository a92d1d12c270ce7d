#include "runtime/report/run_directory.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "runtime/ir/error.h"
#include "runtime/ir/file.h"

namespace marvin {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRunFile = "run.json";
constexpr const char* kVersionKey = "marvin";

fs::path without_trailing_slash(const fs::path& path) { return path.has_filename() ? path : path.parent_path(); }

void make_directory(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) throw Error("cannot make the run directory '", path.string(), "': ", error.message());
}

// A run that is moved out of the way, and comes back unless it is removed.
class OldRun {
 public:
  explicit OldRun(const fs::path& path) : path_(path), aside_(cat(path.string(), ".", ::getpid(), ".old")) {
    std::error_code error;
    fs::rename(path_, aside_, error);
    if (error) throw Error("cannot replace the run '", path_.string(), "': ", error.message());
  }
  OldRun(const OldRun&) = delete;
  OldRun& operator=(const OldRun&) = delete;
  ~OldRun() {
    if (removed_) return;
    std::error_code ignored;
    fs::remove_all(path_, ignored);  // what the new run has written so far
    fs::rename(aside_, path_, ignored);
  }
  void remove() {
    removed_ = true;
    std::error_code error;
    fs::remove_all(aside_, error);
    if (error) throw Error("cannot remove the old run '", aside_.string(), "': ", error.message());
  }

 private:
  fs::path path_, aside_;
  bool removed_ = false;
};

}  // namespace

bool is_run_directory(const std::string& path) {
  std::ifstream file(fs::path(path) / kRunFile);
  const Json content = Json::parse(file, nullptr, /*allow_exceptions=*/false);
  return content.is_object() && content.contains(kVersionKey);
}

void check_run_directory(const std::string& path, bool overwrite) {
  std::error_code ignored;
  const fs::file_status status = fs::symlink_status(path, ignored);
  if (!fs::exists(status)) return;
  if (!overwrite) {
    throw Error("the run directory '", path,
                "' exists; give --out another name, or --overwrite to replace the run in it");
  }
  if (!fs::is_directory(fs::status(path, ignored)) || !is_run_directory(path)) {
    throw Error("'", path,
                "' is not the directory of a run (it holds no run.json of marvin's), so it is not replaced; ",
                "give --out another name");
  }
}

Json read_run_json(const std::string& directory) {
  const std::string path = (fs::path(directory) / kRunFile).string();
  std::ifstream file(path);
  if (!file) throw Error("'", directory, "' is not the directory of a run: it holds no run.json");
  Json content = Json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!content.is_object() || !content.contains(kVersionKey)) throw Error("'", path, "' is damaged, or not marvin's");
  return content;
}

RunDirectory::RunDirectory(const std::string& path, bool overwrite, const Json& configuration)
    : path_(without_trailing_slash(path).string()) {
  check_run_directory(path_, overwrite);
  std::optional<OldRun> old;
  if (fs::exists(path_)) old.emplace(path_);
  make_directory(path_);
  write_run_json(configuration);
  if (old) old->remove();
}

void RunDirectory::write_run_json(const Json& content) const {
  write_file_atomically(*this / kRunFile, json_text(content, 2) + "\n");
}

}  // namespace marvin
