#include "runtime/report/run_directory.h"

#include <array>
#include <filesystem>
#include <fstream>

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

}  // namespace

std::span<const std::string_view> run_files() {
  static constexpr std::array<std::string_view, 9> kFiles = {
      kRunFile,    "metrics.jsonl",  "precision.jsonl", "observations.jsonl", "trained.onnx", "trained.onnx.data",
      "best.onnx", "best.onnx.data", "report.html"};
  return kFiles;
}

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
  make_directory(path_);
  write_run_json(configuration);
  for (const std::string_view name : run_files()) {
    std::error_code error;
    if (name != kRunFile) fs::remove(fs::path(path_) / name, error);
    if (error) throw Error("cannot remove '", *this / std::string(name), "' of the old run: ", error.message());
  }
}

void RunDirectory::write_run_json(const Json& content) const {
  write_file_atomically(*this / kRunFile, json_text(content, 2) + "\n");
}

}  // namespace marvin
