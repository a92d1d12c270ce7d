#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>

#include "runtime/cli/profile.h"
#include "tests/cli/command.h"

namespace marvin {
namespace {

using nlohmann::json;

// Keeps what bench remembers of the machine in a directory of its own.
class Bench {
 public:
  Bench() {
    if (const char* cache = getenv("XDG_CACHE_HOME")) before_ = cache;
    setenv("XDG_CACHE_HOME", (directory / "cache").c_str(), 1);
  }
  ~Bench() {
    if (before_.empty())
      unsetenv("XDG_CACHE_HOME");
    else
      setenv("XDG_CACHE_HOME", before_.c_str(), 1);
  }

  // Of two steps of the three-layer network.
  json run(const std::vector<std::string>& flags) const {
    std::vector<std::string> words = {
        "bench", model_path("mlp.onnx"), "--batch-size", "8", "--steps", "2", "--threads", "1", "--json"};
    words.insert(words.end(), flags.begin(), flags.end());
    const Outcome outcome = run_marvin(words);
    CAPTURE(outcome.err);
    REQUIRE(outcome.code == 0);
    return outcome.json();
  }

  const TemporaryDirectory directory;

 private:
  std::string before_;
};

// The forward product of the first layer: 8 samples, 784 to 256, with a bias, in float32.
constexpr int64_t kMacs = 8 * 784 * 256;
constexpr int64_t kBytes = 4 * (8 * 784 + 256 * 784 + 256 + 8 * 256);

TEST_CASE("bench times training steps and says where the time goes") {
  const json result = Bench().run({});
  const json& step = result.at("step_ms");
  CHECK(step.at("min").get<double>() > 0);
  CHECK(step.at("min").get<double>() <= step.at("median").get<double>());
  CHECK(step.at("median").get<double>() <= step.at("max").get<double>());
  for (const char* key : {"peak_bytes", "arena_bytes", "compile_ms"}) CHECK(result.at(key).get<double>() > 0);
  CHECK(result.at("share_le8") == 1);
  CHECK(result.at("ops").size() > 3);
  CHECK(result.at("ops")[0].at("ms").get<double>() >= result.at("ops")[1].at("ms").get<double>());
  CHECK_FALSE(result.contains("steps"));
}

TEST_CASE("bench --profile counts bytes and multiply-accumulates, and sets them against the machine's peaks") {
  const json result = Bench().run({"--profile", "--precision", "float32"});
  for (const char* key : {"copy_gb_per_s", "f32_gmac_per_s"}) CHECK(result.at("peaks").at(key).get<double>() > 0);
  int found = 0;
  for (const json& row : result.at("steps")) {
    const bool is_gradient = row.at("output").get<std::string>().starts_with("d.");
    if (row.at("op") != "Gemm" || row.at("macs") != kMacs || is_gradient) continue;
    ++found;
    CHECK(row.at("kernel").is_string());
    CHECK(row.at("bytes") == kBytes);
    const double ns = row.at("ms").get<double>() * 1e6;
    CHECK(row.at("gb_per_s").get<double>() == Approx(kBytes / ns));
    CHECK(row.at("gmac_per_s").get<double>() == Approx(kMacs / ns));
    CHECK(row.at("of_peak").get<double>() > 0);
  }
  CHECK(found == 1);
}

TEST_CASE("bench remembers the machine's peaks until --probe") {
  const Bench bench;
  const std::string file = bench.directory / "cache/marvin/peaks.json";
  bench.run({"--profile"});
  json kept = json::parse(file_content(file));
  REQUIRE(kept.size() == 1);
  kept.begin()->at("copy_gb_per_s") = 1e6;
  std::ofstream(file) << kept;
  CHECK(bench.run({"--profile"}).at("peaks").at("copy_gb_per_s") == 1e6);
  CHECK(bench.run({"--profile", "--probe"}).at("peaks").at("copy_gb_per_s") < 1e6);
  CHECK(json::parse(file_content(file)).begin()->at("copy_gb_per_s") < 1e6);
  std::ofstream(file) << "{damaged";
  CHECK(bench.run({"--profile"}).at("peaks").at("copy_gb_per_s") < 1e6);
}

TEST_CASE("bench --trace writes complete events, of every timed step and within it of every step of its plan") {
  const Bench bench;
  const std::string file = bench.directory / "trace.json";
  bench.run({"--precision", "float32", "--trace", file});
  const json events = json::parse(file_content(file)).at("traceEvents");
  double step_end = 0, end = 0;
  int steps = 0, first_layers = 0;
  for (const json& event : events) {
    CHECK(event.at("ph") == "X");
    const double ts = event.at("ts").get<double>(), dur = event.at("dur").get<double>();
    const bool is_step = event.at("cat") == "step";
    CHECK(ts == Approx(is_step ? step_end : end));
    end = is_step ? ts : ts + dur;
    if (is_step) {
      CHECK(event.at("name") == cat("step ", 4 + steps++));
      step_end = ts + dur;
      continue;
    }
    CHECK(end <= step_end * (1 + 1e-9));
    const json& args = event.at("args");
    CHECK(args.at("output").is_string());
    CHECK(args.at("kernel").is_string());
    first_layers += event.at("name") == "Gemm" && event.at("cat") == "forward" && args.at("macs") == kMacs &&
                    args.at("bytes") == kBytes;
  }
  CHECK(steps == 2);
  CHECK(first_layers == 2);
}

TEST_CASE("bench says before it computes that a trace cannot be written, and that --probe alone does nothing") {
  const Outcome outcome =
      run_marvin({"bench", model_path("mlp.onnx"), "--batch-size", "8", "--trace", "/nonexistent/trace.json"});
  CHECK(outcome.code == 1);
  CHECK(outcome.says("/nonexistent"));
  CHECK(run_marvin({"bench", model_path("mlp.onnx"), "--batch-size", "8", "--probe"}).code == 2);
}

TEST_CASE("a plan's step takes as long as its bytes or its multiply-accumulates, by the width of their words") {
  const MachinePeaks peaks{.copy_gb_per_s = 10, .f32_gmac_per_s = 50, .s8_gmac_per_s = 200};
  CHECK(least_ns({.bytes = 1000}, peaks) == 100);
  CHECK(least_ns({.bytes = 1000, .macs = 100'000, .word_bytes = 4}, peaks) == 2000);
  CHECK(least_ns({.bytes = 1000, .macs = 100'000, .word_bytes = 2}, peaks) == 1000);
  CHECK(least_ns({.bytes = 1000, .macs = 100'000, .word_bytes = 1}, peaks) == 500);
  CHECK(least_ns({.bytes = 10'000, .macs = 100'000, .word_bytes = 1}, peaks) == 1000);
  CHECK(least_ns({.macs = 100'000, .word_bytes = 1}, {.f32_gmac_per_s = 50}) == 2000);
}

}  // namespace
}  // namespace marvin
