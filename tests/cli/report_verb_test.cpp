#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/cli/command.h"

namespace marvin {
namespace {

namespace fs = std::filesystem;

// A short run of models/mlp.onnx in `run`.
struct ShortRun {
  ShortRun() {
    write_bands(directory / "bands.npz", 64);
    const Outcome outcome = run_marvin({"train", model_path("mlp.onnx"), "--data", directory / "bands.npz", "--out",
                                        run, "--steps", "3", "--batch-size", "16", "--quiet"});
    REQUIRE(outcome.code == 0);
  }
  const TemporaryDirectory directory;
  const std::string run = directory / "run", page = run + "/report.html";
};

TEST_CASE("train leaves a report, and report writes the same again") {
  const ShortRun made;
  const std::string page = file_content(made.page);
  CHECK(page.starts_with("<!DOCTYPE html>"));
  for (const char* part : {"dygraphs", "\"svg\":\"\\u003csvg", "\"observations\"", "\"op\":\"Gemm\""}) {
    CAPTURE(part);
    CHECK(page.find(part) != std::string::npos);
  }
  fs::remove(made.page);
  const Outcome outcome = run_marvin({"report", made.run, "--json"});
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK(file_content(made.page) == page);
  const nlohmann::json result = outcome.json();
  CHECK(result.at("output") == made.page);
  CHECK(result.at("bytes") == page.size());
  const nlohmann::json& run = result.at("runs")[0];
  CHECK(run.at("finished") == true);
  CHECK(run.at("steps") == 3);
  CHECK(run.at("slots").get<int>() > 0);
  CHECK(run.at("observations") == 3);
  CHECK(run.at("notes").empty());
}

TEST_CASE("several runs go into one page, where --output says") {
  const ShortRun made;
  const std::string copy = made.directory / "copy", output = made.directory / "both.html";
  fs::copy(made.run, copy);
  fs::remove(copy + "/trained.onnx");
  fs::remove(copy + "/best.onnx");
  write_file(copy + "/metrics.jsonl", file_content(copy + "/metrics.jsonl") + "{\"event\":");
  const Outcome outcome = run_marvin({"report", made.run, copy, "--output", output});
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK(outcome.out.find("wrote " + output) != std::string::npos);
  CHECK(outcome.out.find(copy + ": The last line of metrics.jsonl") != std::string::npos);
  CHECK(file_content(output).find("\"name\":\"copy\"") != std::string::npos);
  const Outcome quiet = run_marvin({"report", made.run, "--quiet", "--output", output});
  CHECK(quiet.code == 0);
  CHECK(quiet.out.empty());
}

TEST_CASE("what cannot be reported is an error in one line") {
  const ShortRun made;
  const std::string damaged = made.directory / "damaged";
  fs::copy(made.run, damaged);
  write_file(damaged + "/metrics.jsonl", "{\"event\":\n" + file_content(damaged + "/metrics.jsonl"));
  struct Case {
    std::vector<std::string> arguments;
    int code;
    std::string says;
  };
  const std::vector<Case> cases = {
      {{"report"}, 2, "RUN_DIR"},
      {{"report", made.directory.path()}, 1, "is not the directory of a run"},
      {{"report", made.directory / "nowhere"}, 1, "is not the directory of a run"},
      {{"report", damaged}, 1, "metrics.jsonl', line 1 is damaged"},
      {{"report", made.run, "-o", made.directory / "no/such/page.html"}, 1, "no/such"},
  };
  for (const Case& c : cases) {
    const Outcome outcome = run_marvin(c.arguments);
    CAPTURE(outcome.err, c.says);
    CHECK(outcome.code == c.code);
    CHECK(outcome.says(c.says));
    CHECK(lines_of(outcome.err).size() == 1);
  }
}

}  // namespace
}  // namespace marvin
