// --precision from the command line: replays and files of formats.
#include "tests/cli/workshop.h"

namespace marvin {
namespace {

// What a run's metrics say but for times.
std::vector<json> timeless_metrics(const std::string& run) {
  std::vector<json> lines = json_lines_of(run + "/metrics.jsonl");
  for (json& line : lines) line.erase("ms");
  return lines;
}

TEST_CASE("a replay of a run's switches repeats it to the bit") {
  const Workshop workshop;
  const std::string again = workshop.directory / "again";
  std::vector<std::string> flags = {"--steps", "12", "--batch-size", "16", "--quiet", "--lr", "0.02", "--precision"};
  flags.emplace_back("paper:released,lb_min=2,lb_max=4");
  REQUIRE(run_marvin(workshop.train(workshop.out, flags)).code == 0);
  flags.back() = workshop.out + "/precision.jsonl";
  const Outcome replay = run_marvin(workshop.train(again, flags));
  CAPTURE(replay.err);
  REQUIRE(replay.code == 0);
  CHECK(timeless_metrics(again) == timeless_metrics(workshop.out));
  CHECK(file_content(again + "/trained.onnx") == file_content(workshop.out + "/trained.onnx"));
  const std::vector<json> switches = json_lines_of(workshop.out + "/precision.jsonl");
  const std::vector<json> replayed = json_lines_of(again + "/precision.jsonl");
  REQUIRE(replayed.size() == switches.size());
  CHECK(switches.back().at("step") > 0);
  for (size_t i = 0; i < switches.size(); ++i)
    for (const char* key : {"step", "slot", "from", "to"}) CHECK(replayed[i].at(key) == switches[i].at(key));
  flags.insert(flags.end(), {"--switch-at", "epoch"});
  const Outcome idle = run_marvin(workshop.train(workshop.directory / "idle", flags));
  CHECK(idle.code == 2);
  CHECK(idle.says("--switch-at has no effect with --precision"));
}

TEST_CASE("switches at epochs are made at ends of epochs alone") {
  const Workshop workshop;
  for (const std::string precision : {"fixed:8", "paper:lb_min=2,lb_max=4", "muppet:resolution=1,patience=1"}) {
    CAPTURE(precision);
    REQUIRE(run_marvin(workshop.train(workshop.out, {"--steps", "11", "--batch-size", "16", "--quiet", "--overwrite",
                                                     "--precision", precision, "--switch-at", "epoch"}))
                .code == 0);
    for (const json& line : json_lines_of(workshop.out + "/precision.jsonl"))
      CHECK(line.at("step").get<int>() % 4 == 0);
  }
}

TEST_CASE("a file gives formats by slot and layer") {
  const Workshop workshop;
  const std::string formats = workshop.directory / "formats.json";
  write_file(formats,
             R"({"default": "8", "slots": {"fc2\\..*": "16.12", "d\\..*": "12"}, "layers": {"fc3": "float32"}})");
  const Outcome outcome = run_marvin(
      workshop.train(workshop.out, {"--steps", "3", "--batch-size", "16", "--quiet", "--precision", formats}));
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  const json run = json::parse(file_content(workshop.out + "/run.json"));
  for (const json& slot : run.at("formats")) {
    const std::string name = slot.at("slot");
    CAPTURE(name);
    const int wl = name.starts_with("d.") ? 12 : name == "fc2.weight" ? 16 : slot.at("layer") == "fc3" ? 32 : 8;
    CHECK(slot.at("wl") == wl);
    if (name == "fc2.weight") CHECK(slot.at("fl") == 12);
  }
  const Outcome overwriting = run_marvin(
      workshop.train(workshop.out, {"--overwrite", "--steps", "1", "--precision", workshop.out + "/precision.jsonl"}));
  CHECK(overwriting.code == 1);
  CHECK(overwriting.says("--overwrite would remove"));
}

TEST_CASE("files of formats and recordings that are wrong are errors that name file and key") {
  const Workshop workshop;
  REQUIRE(run_marvin(workshop.train(workshop.out, {"--steps", "1", "--batch-size", "16", "--quiet"})).code == 0);
  const std::string recorded = file_content(workshop.out + "/precision.jsonl");
  struct Case {
    std::string name, content, says;
  };
  const std::vector<Case> cases = {
      {"f.json", R"({"defualt": "8"})",
       "'defualt': there is no such key; they are default, slots and layers. Did you mean 'default'?"},
      {"f.json", R"({"default": 8})", "'default': is 8; it is a text"},
      {"f.json", R"({"default": "8", "default": "9"})", "has the key 'default' twice"},
      {"f.json", R"({"slots": ["8"]})", "'slots': is [\"8\"]"},
      {"f.json", R"({"slots": {"fc1.weight": "40"}})", "'slots': 'fc1.weight': '40' is no format"},
      {"f.json", R"({"slots": {"fc1.wieght": "8"}})", "slots 'fc1.wieght': matches no slot"},
      {"f.json", R"({"layers": {"fc9": "8"}})",
       "layers 'fc9': matches no layer; they are fc1, fc2 and fc3. Did you mean 'fc1'?"},
      {"f.json", R"({"layers": {"(": "8"}})", "layers '(': is no name of a layer, and no regular expression"},
      {"f.json", "{", "is not JSON"},
      {"f.json", R"({"default": 1e400})", "holds a number that is too large: 1e400"},
      {"f.json", "[]", "is not a JSON object"},
      {"g.jsonl", "", "holds no switches"},
      {"g.jsonl", "{\"step\": 0}\n", "line 1: has no 'slot'"},
      {"g.jsonl", R"({"step": 0, "slot": "x", "to": {"wl": 99, "fl": 1}})", "line 1: 'to' is"},
      {"g.jsonl", R"({"step": 18446744073709551615, "slot": "x"})", "line 1: 'step' is 18446744073709551615"},
      {"g.jsonl", R"({"step": 0, "slot": "x", "to": 8})", "line 1: 'to' is 8"},
      {"g.jsonl", R"({"step": 0, "slot": "x", "to": {"wl": 8, "fl": 1}, "treatment": "rough"})",
       "no treatment 'rough'"},
      {"g.jsonl", R"({"step": 0, "slot": "x", "to": {"wl": 8, "fl": 1}})", "the model has no slot 'x'"},
      {"g.jsonl", recorded.substr(recorded.find('\n') + 1), "has no first format of '"},
      {"g.jsonl",
       recorded + R"({"step": 9999, "slot": "fc1.weight", "from": {"wl": 31, "fl": 3}, "to": {"wl": 8, "fl": 1}})",
       "is a switch from <31,3>, but 'fc1.weight' was at <"},
      {"g.jsonl", recorded + "{\"step\": -1, \"slot\": \"fc1.weight\", \"to\": {\"wl\": 8, \"fl\": 1}}",
       "goes back in time"},
      {"none.json", "", "cannot open the file"},
  };
  for (const Case& c : cases) {
    const std::string path = workshop.directory / c.name;
    if (!c.name.starts_with("none")) write_file(path, c.content);
    const Outcome outcome = run_marvin(
        workshop.train(workshop.directory / "other", {"--steps", "1", "--batch-size", "16", "--precision", path}));
    CAPTURE(c.content, outcome.err);
    CHECK(outcome.code == 1);
    CHECK(outcome.says(c.says));
    CHECK(outcome.says(path));
    CHECK(lines_of(outcome.err).size() == 1);
    CHECK_FALSE(fs::exists(workshop.directory / "other"));
  }
}

}  // namespace
}  // namespace marvin
