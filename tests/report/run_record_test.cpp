#include <catch2/catch.hpp>
#include <filesystem>

#include "runtime/report/observation_log.h"
#include "runtime/report/report_page.h"
#include "tests/data/files.h"

namespace marvin {
namespace {

constexpr const char* kSwitch =
    R"({"step":%,"slot":"w","layer":"conv","role":"weight","from":{"wl":8,"fl":1},"to":{"wl":%,"fl":3},"reason":"range"})";

std::string switch_line(int step, int wl) {
  std::string line = kSwitch;
  for (const int number : {step, wl}) line.replace(line.find('%'), 1, std::to_string(number));
  return line + "\n";
}

std::string step_line(int step, double loss) {
  return cat(R"({"event":"step","step":)", step, R"(,"epoch":1,"loss":)", loss, R"(,"lr":0.1,"ms":2.5})", "\n");
}

using Files = std::map<std::string, std::string>;

// A run directory with these files.
struct RunFiles {
  explicit RunFiles(const Files& files) {
    write_file(directory / "run.json", R"({"marvin": "1"})");
    for (const auto& [name, content] : files) write_file(directory / name, content);
  }
  RunRecord read() const { return read_run(directory.path()); }
  std::string error() const {
    return error_of([&] { read(); });
  }
  TemporaryDirectory directory;
};

// The data of a page, as its script reads them.
Json data_of(const std::string& page) {
  const std::string before = R"(<script id="data" type="application/json">)";
  const size_t begin = page.find(before) + before.size();
  return Json::parse(page.substr(begin, page.find("</script>", begin) - begin));
}

TEST_CASE("a run that broke off is read as far as it came, with notes") {
  const RunFiles files(Files{{"metrics.jsonl", step_line(1, 2) + step_line(2, 1) + R"({"event":"step","st)"}});
  const RunRecord run = files.read();
  CHECK(run.steps.size() == 2);
  CHECK_FALSE(run.is_finished());
  const std::string notes = join(run.notes, "\n");
  for (const char* part : {"The last line of metrics.jsonl", "precision.jsonl is not there", "still goes on"})
    CHECK(notes.find(part) != std::string::npos);
}

TEST_CASE("what a resumed run did again counts") {
  const RunFiles files(Files{{"metrics.jsonl", step_line(1, 4) + step_line(2, 3) + step_line(3, 9) + step_line(2, 1)},
                             {"precision.jsonl", switch_line(0, 8) + switch_line(7, 16) + switch_line(5, 24)},
                             {"observations.jsonl",
                              "{\"slots\":[{\"slot\":\"w\",\"layer\":\"conv\",\"role\":\"weight\"}]}\n"
                              "{\"step\":1,\"a\":[1]}\n{\"step\":4,\"a\":[2]}\n{\"step\":4,\"b\":[3]}\n"}});
  const RunRecord run = files.read();
  REQUIRE(run.steps.size() == 2);
  CHECK(run.steps[1].loss == 1);
  REQUIRE(run.slots.size() == 1);
  CHECK(run.slots[0].formats.size() == 2);
  CHECK(run.slots[0].formats.back().wl == 24);
  CHECK(run.observed_steps == std::vector<int64_t>{1, 4});
  CHECK(run.observations.at("a") == std::vector<Json>{Json{1}, nullptr});
  CHECK(run.observations.at("b") == std::vector<Json>{nullptr, Json{3}});
}

TEST_CASE("a damaged line is an error that names file and line") {
  const std::string slots = "{\"slots\":[{\"slot\":\"w\",\"layer\":\"\",\"role\":\"weight\"}]}\n";
  const std::vector<std::tuple<std::string, std::string, std::string>> cases = {
      {"metrics.jsonl", step_line(1, 1) + "{\"event\n", "line 2 is damaged: it is not a JSON object"},
      {"metrics.jsonl", "[]\n", "line 1 is damaged: it is not a JSON object"},
      {"metrics.jsonl", "{\"event\":\"step\"}\n", "line 1 is damaged: it has no 'step'"},
      {"metrics.jsonl", "{\"event\":\"step\",\"step\":1.5}\n", "'step' is not an integer"},
      {"metrics.jsonl", "{\"event\":\"step\",\"step\":18446744073709551615}\n", "'step' is not an integer"},
      {"metrics.jsonl", "{\"event\":\"step\",\"step\":1,\"loss\":\"x\"}\n", "'loss' is not a number"},
      {"metrics.jsonl", "{\"event\":\"eval\",\"step\":1,\"loss\":1,\"accuracy\":[]}\n", "'accuracy' is not a number"},
      {"precision.jsonl", switch_line(1, 33), "'wl' is not an integer between 1 and 32"},
      {"precision.jsonl", "{\"step\":1,\"to\":3,\"from\":3}\n", "line 1 is damaged"},
      {"observations.jsonl", "{\"slots\":3}\n", "'slots' is not a list"},
      {"observations.jsonl", slots + "{\"step\":1,\"absmax\":[1,2]}\n",
       "line 2 is damaged: 'absmax' is not a list of 1"},
      {"observations.jsonl", slots + "{\"step\":1,\"absmax\":[\"<\"]}\n", "'absmax' holds what is not a number"},
  };
  for (const auto& [file, content, says] : cases) {
    const std::string error = RunFiles(Files{{file, content}}).error();
    CAPTURE(error, says);
    CHECK(error.find(file) != std::string::npos);
    CHECK(error.find(says) != std::string::npos);
  }
}

TEST_CASE("the page's data parse back, and nothing in them ends the element that holds them") {
  const std::string hostile = "</script><!-- <script> & \xe2\x80\xa8 \xff\"'\\";
  RunRecord record;
  record.directory = "/tmp/" + std::string("a&b");
  record.run = {{"marvin", "1"}, {"recipe", {{hostile, hostile}}}};
  record.slots.push_back({hostile, hostile, "weight", {{0, 8, 5}}});
  const Json data = page_data({{record, {{"svg", "<svg>" + hostile + "</svg>"}}}});
  const std::string page = report_page(data);
  CHECK(data_of(page) == Json::parse(json_text(data)));
  CHECK(data_of(page).at("runs")[0].at("slots")[0].at("layer") == Json::parse(json_text(Json(hostile))));
  size_t ends = 0;
  for (size_t at = page.find("</script"); at != std::string::npos; at = page.find("</script", at + 1)) ++ends;
  CHECK(ends == 3);  // of the data, the library and the page's own
  CHECK(page.find("@data@") == std::string::npos);
}

TEST_CASE("a page names no other file and carries its library's licence") {
  const std::string page = report_page({{"runs", Json::array()}});
  for (const char* outside : {"src=\"http", "href=\"http", "@import", "sourceMappingURL"}) {
    CAPTURE(outside);
    CHECK(page.find(outside) == std::string::npos);
  }
  CHECK(page.find("Permission is hereby granted, free of charge") != std::string::npos);
  CHECK(page.find("Content-Security-Policy") != std::string::npos);
}

TEST_CASE("a long curve is thinned to its lowest and highest values") {
  RunRecord record;
  record.directory = "/tmp/run";
  record.run = {{"marvin", "1"}};
  for (int i = 1; i <= 50000; ++i)
    record.steps.push_back({i, i == 777 ? 99.0 : i == 40001 ? -7.0 : i % 10 / 10.0, 0.1, 1});
  const Json steps = page_data({{record, nullptr}}).at("runs")[0].at("steps");
  CHECK(steps.at("count") == 50000);
  CHECK(steps.at("loss").size() < 5000);
  const auto at = [&](int step) {
    const std::vector<int> list = steps.at("step");
    return steps.at("loss")[static_cast<size_t>(std::ranges::find(list, step) - list.begin())].get<double>();
  };
  CHECK(at(777) == 99);
  CHECK(at(40001) == -7);
  CHECK(steps.at("step").front() == 1);
  CHECK(steps.at("step").back() == 50000);
}

TEST_CASE("runs are named after their directories, by their whole paths where these are the same") {
  const auto names = [](const std::vector<std::string>& directories) {
    std::vector<ReportedRun> runs;
    for (const std::string& directory : directories) {
      RunRecord record;
      record.directory = directory;
      record.run = {{"marvin", "1"}};
      runs.push_back({record, nullptr});
    }
    std::vector<std::string> result;
    const Json data = page_data(runs);
    for (const Json& run : data.at("runs")) result.push_back(run.at("name"));
    return result;
  };
  CHECK(names({"x/a/", "x/b"}) == std::vector<std::string>{"a", "b"});
  CHECK(names({"x/a", "y/a"}) == std::vector<std::string>{"x/a", "y/a"});
}

TEST_CASE("observations are 50 of a run whatever the time, 200 as time allows, and every step of a short run") {
  const TemporaryDirectory directory;
  const std::vector<Slot> slots = {{.name = "conv.weight", .layer = "conv", .role = Role::weight},
                                   {.name = "d.y", .layer = "conv", .role = Role::gradient}};
  const std::vector<float> stats = {1, 0.5f, 0.25f, 0.125f, 0.25f}, sample = {0, 0, 0.5f, -1};
  const std::vector<SlotWindow> windows = {{.slot = &slots[0],
                                            .stats = stats,
                                            .sample = sample,
                                            .gradients = 4,
                                            .gradient_sum_norm = 2,
                                            .gradient_square_norms = 4},
                                           {.slot = &slots[1], .stats = stats, .sample = sample}};
  const std::vector<FixedPoint> formats = {{8, 6}, {}};
  const std::vector<SlotTest> tests = {{.needed_wl = 7}, {}};
  const auto lines_with = [&](int64_t steps, int64_t step_ns) {
    const std::string path = directory / "observations.jsonl";
    ObservationLog log(path, slots);
    for (int64_t step = 1; step <= steps; ++step) log.observe({step, steps, step_ns, windows, formats, tests});
    log.sync();
    std::vector<Json> lines;
    read_json_lines(path, [&](const Json& line) { lines.push_back(line); });
    return lines;
  };
  const auto steps_of = [](const std::vector<Json>& lines) {
    std::vector<int64_t> steps;
    for (size_t i = 1; i < lines.size(); ++i) steps.push_back(lines[i].at("step"));  // after the line of the slots
    return steps;
  };
  const std::vector<Json> hasty = lines_with(1000, 0), patient = lines_with(1000, 1'000'000'000);
  std::vector<int64_t> spread = {1};
  for (int64_t step = 20; step <= 1000; step += 20) spread.push_back(step);
  CHECK(steps_of(hasty) == spread);
  CHECK(patient.size() == 202);
  CHECK(steps_of(lines_with(5, 0)) == std::vector<int64_t>{1, 2, 3, 4, 5});
  const std::vector<int64_t> uneven = steps_of(lines_with(186, 0));
  CHECK(uneven.size() == 51);
  for (size_t i = 1; i < uneven.size(); ++i) CHECK(uneven[i] - uneven[i - 1] <= 4);
  const Json& line = patient[1];
  CHECK(line.at("wl") == Json{8, 32});
  CHECK(line.at("needed_wl") == Json{7, 0});
  CHECK(line.at("sparsity") == Json{0.75, 0.75});
  CHECK(line.at("magnitude_error") == Json{0.5, nullptr});
  CHECK(line.at("diversity") == Json{2.0, nullptr});
  CHECK(line.at("divergence")[0].is_number());
  CHECK(line.at("divergence")[1].is_null());
}

}  // namespace
}  // namespace marvin
