#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <csignal>
#include <limits>

#include "runtime/ops/op.h"
#include "runtime/report/graph_view.h"
#include "runtime/report/json_lines.h"
#include "runtime/report/machine.h"
#include "runtime/report/printable.h"
#include "runtime/report/progress.h"
#include "runtime/report/run_directory.h"
#include "runtime/report/table.h"
#include "tests/data/files.h"

namespace marvin {
namespace {

TEST_CASE("columns are as wide as their widest cell") {
  TextTable table({"layer", "weight"});
  table.add({"convolution1", "<8,9>"});
  table.add({"fc"});
  CHECK(table.text() ==
        "layer         weight\n"
        "------------  ------\n"
        "convolution1  <8,9>\n"
        "fc\n");
}

TEST_CASE("numbers are written as people read them") {
  CHECK(percent_text(0.912) == "91.20 %");
  CHECK(bytes_text(1023) == "1023 B");
  CHECK(bytes_text(3 * 1024 * 1024 / 2) == "1.5 MiB");
  CHECK(duration_text(9.06) == "9.1 s");
  CHECK(duration_text(125) == "2:05 min");
  CHECK(duration_text(3725) == "1:02:05 h");
  CHECK(grouped_text(60000) == "60,000");
  CHECK(grouped_text(999) == "999");
  CHECK(grouped_text(-1234567) == "-1,234,567");
  for (const double sign : {1.0, -1.0}) {
    const double nan = std::copysign(std::numeric_limits<double>::quiet_NaN(), sign);
    CHECK(fixed_point_text(nan, 2) == "nan");
    CHECK(cat("the loss is ", nan, " or ", static_cast<float>(nan)) == "the loss is nan or nan");
  }
}

TEST_CASE("the progress line shows all where there is room and never more than fits") {
  const ProgressState state{.step = 50, .total_steps = 200, .epoch = 2, .loss = 0.5, .lr = 0.01};
  const std::string line = progress_line(state, 25, 120);
  for (const char* part : {" 25 %", "step 50/200", "epoch 2", "loss 0.5000", "lr 0.01", "25 steps/s", "ETA 6.0 s"}) {
    CAPTURE(line, part);
    CHECK(line.find(part) != std::string::npos);
  }
  CHECK(line.starts_with("[==========>"));
  for (int64_t width = 0; width < 120; ++width) {
    CHECK(static_cast<int64_t>(progress_line(state, 25, width).size()) <= width);
  }
}

TEST_CASE("a full disk is an error that names the file") {
  JsonLines lines("/dev/full");
  lines.append({{"step", 1}});
  CHECK(error_of([&] { lines.flush(); }).starts_with("cannot write '/dev/full'"));
}

TEST_CASE("lines are complete objects in order") {
  const TemporaryDirectory directory;
  JsonLines lines(directory / "metrics.jsonl");
  lines.append({{"step", 1}, {"loss", 0.5}});
  lines.append({{"step", 2}});
  lines.sync();
  CHECK(file_content(directory / "metrics.jsonl") == "{\"step\":1,\"loss\":0.5}\n{\"step\":2}\n");
}

TEST_CASE("floats are written as short as they are and read back the same") {
  CHECK(Json(json_number(0.9f)).dump() == "0.9");
  for (const float value : {0.1f, 1.0f / 3, 1e-38f, 3.4e38f, -16777217.0f, 0.0f}) {
    CHECK(static_cast<float>(Json::parse(Json(json_number(value)).dump()).get<double>()) == value);
  }
}

TEST_CASE("JSON text has the shortest numbers, and null for what is not finite") {
  for (const double value : {656.071123, 497.037115, 6.07274, 4.1752050594835e+78, 1.0, -0.0, 5e-324}) {
    CHECK(Json::parse(json_text(value)).get<double>() == value);
  }
  CHECK(json_text(656.071123) == "656.071123");
  CHECK(json_text(2.0) == "2.0");
  CHECK(json_text(ms_of(6072740)) == "6.07274");
  CHECK(json_text(std::numeric_limits<double>::quiet_NaN()) == "null");
  CHECK(json_text(-std::numeric_limits<double>::infinity()) == "null");
}

TEST_CASE("JSON text is laid out as Json lays it out") {
  const Json json = {
      {"a", {1, 2.5, "x\n"}}, {"b", Json::object()}, {"c", {{"d", nullptr}, {"e", Json::array()}}}, {"f", true}};
  CHECK(json_text(json) == json.dump());
  CHECK(json_text(json, 2) == json.dump(2));
}

TEST_CASE("JSON text is UTF-8 whatever the names in it are") {
  CHECK(json_text(Json{{"a\xff", "\xfe\xff"}}) == "{\"a\xef\xbf\xbd\":\"\xef\xbf\xbd\xef\xbf\xbd\"}");
}

TEST_CASE("what is hidden in names is shown where they are printed") {
  CHECK(printable("\x1b[1m\r\n\t\x7f", "\t") == "\\x1b[1m\\r\\n\t\\x7f");
  CHECK(printable("caf\u00e9 \u4e2d \U0001f600") == "caf\u00e9 \u4e2d \U0001f600");
  CHECK(printable("a\u202eb\u2066c\u2028") == "a\\u202eb\\u2066c\\u2028");
  CHECK(printable("\u0085") == "\\x85");
  CHECK(printable("\xff\xc0\xaf\xe4\xb8") ==
        "\\xff\\xc0\\xaf\\xe4\\xb8");  // no UTF-8, too long for its code, cut short
  CHECK(printable(std::string_view("a\0b", 3)) == "a\\x00b");
}

TEST_CASE("long messages are cut in words, then in the middle") {
  const std::string long_name(300, 'x');
  CHECK(shortened("the name '" + long_name + "' is long") == "the name '" + std::string(199, 'x') + "... is long");
  std::string many;
  for (int i = 0; i < 500; ++i) many += cat("name", i, ", ");
  const std::string cut = shortened("of " + many + "do this");
  CHECK(cut.size() < 1300);
  CHECK(cut.starts_with("of name0, "));
  CHECK(cut.ends_with("name499, do this"));
  std::string wide = "w";
  for (int i = 0; i < 120; ++i) wide += "\u00e9";
  CHECK(printable(shortened(wide)) == shortened(wide));
}

TEST_CASE("names in pictures are text, whatever is in them") {
  Graph graph = from_text("graph g { input %x: f32[2] %y = Relu(%x) output %y }");
  graph.rename(graph.find("x"), "a\x01&#2;<\xff\"");
  CHECK(to_dot(graph, {}).find(R"(a\\x01&amp;#2;<\\xff\")") != std::string::npos);
}

TEST_CASE("large graphs are drawn by the layout that takes seconds") {
  const auto chain = [](int nodes) {
    std::string text = "graph g { input %v0: f32[2]\n";
    for (int i = 0; i < nodes; ++i) text += cat("%v", i + 1, " = Relu(%v", i, ")\n");
    return to_dot(from_text(text + cat("output %v", nodes, " }")), {});
  };
  CHECK(chain(20).find("nslimit") == std::string::npos);
  CHECK(chain(300).find("nslimit=1,") != std::string::npos);
  CHECK(chain(1100).find("nslimit=0,") != std::string::npos);
}

TEST_CASE("an old run stays when the new one cannot be written") {
  const TemporaryDirectory directory;
  const std::string path = directory / "run";
  const RunDirectory first(path, false, {{"marvin", "1"}});
  write_file(path + "/trained.onnx", "old");
  rlimit before = {};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit nothing = {0, before.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &nothing);
  CHECK_THROWS_AS(RunDirectory(path, true, {{"marvin", "3"}}), Error);
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  CHECK(file_content(path + "/trained.onnx") == "old");
  const RunDirectory second(path, true, {{"marvin", "2"}});
  CHECK_FALSE(std::filesystem::exists(path + "/trained.onnx"));
  CHECK(read_run_json(path).at("marvin") == "2");
}

TEST_CASE("the process holds some memory and runs on some processor") {
  CHECK(peak_bytes() > 1 << 20);
  CHECK_FALSE(this_machine().cpu.empty());
}

}  // namespace
}  // namespace marvin
