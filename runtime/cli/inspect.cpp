// marvin inspect: the graph after any pass.
#include <algorithm>
#include <iostream>
#include <memory>

#include "importer/export.h"
#include "passes/plan_memory.h"
#include "runtime/cli/options.h"
#include "runtime/cli/print_plan.h"
#include "runtime/cli/training_graph.h"
#include "runtime/cli/verbs.h"
#include "runtime/ir/file.h"
#include "runtime/report/graph_view.h"
#include "runtime/report/table.h"

namespace marvin {
namespace {

constexpr const char* kImport = "import";
constexpr const char* kPlan = "plan_memory";
constexpr int64_t kElideAbove = 16;  // elements of constants in the text form

struct InspectOptions {
  CommonOptions common;
  GraphOptions graph;
  std::string model;
  std::string after = kImport;
  std::string format;
  std::string output;
  bool timings = false;
};

const std::vector<std::string>& stages() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list = {kImport};
    list.insert(list.end(), pass_names().begin(), pass_names().end());
    list.emplace_back(kPlan);
    return list;
  }();
  return names;
}

bool reaches(const std::string& stage, const std::string& other) {
  return std::ranges::find(stages(), stage) >= std::ranges::find(stages(), other);
}

void deliver(const std::string& text, const InspectOptions& options) {
  if (!options.output.empty()) {
    write_file_atomically(options.output, text);
  } else if (!options.common.quiet || options.format == "json") {
    std::cout << text << std::flush;
  }
}

GraphViewOptions view_options(const Formats& formats) {
  const auto defaults = [](std::string_view name) {
    const OpDef* op = find_op(name);
    return op ? &op->defaults : nullptr;
  };
  return {.defaults = defaults, .formats = formats};
}

void show_list(const std::string& text, const Json& json, const InspectOptions& options) {
  deliver(options.format == "json" ? json_text(json, 2) + "\n" : text, options);
}

void show_timings(const std::vector<PassRunner::Timing>& timings, const InspectOptions& options) {
  TextTable table({"stage", "ms"});
  Json rows = Json::array();
  for (const auto& [stage, ms] : timings) {
    table.add({stage, fixed_point_text(ms, 3)});
    rows.push_back({{"stage", stage}, {"ms", ms}});
  }
  show_list(table.text(), {{"timings", rows}}, options);
}

void show_graph(const Graph& graph, const Formats& formats, const InspectOptions& options) {
  if (options.format == "text") return deliver(to_text(graph, kElideAbove), options);
  if (options.format == "json") return deliver(json_text(to_json(graph, view_options(formats)), 2) + "\n", options);
  if (options.format == "onnx") return export_graph(graph, formats, options.output);
  const std::string dot = to_dot(graph, view_options(formats));
  deliver(options.format == "dot" ? dot : svg_of(dot), options);
}

void check_options(const CLI::App& command, const InspectOptions& options) {
  static const std::vector<std::string> kFormats = {"text", "json", "dot", "svg", "onnx"};
  check_word("--after", options.after, stages());
  check_word("--format", options.format, kFormats);
  for (const auto& [name, from] : graph_flags()) {
    if (!reaches(options.after, from)) refuse_idle(command, name, "--after " + options.after);
  }
  if (options.common.json && options.format != "json") {
    throw CLI::ValidationError("--json and --format " + options.format + " do not go together");
  }
  if ((options.timings || options.after == kPlan) && options.format != "text" && options.format != "json") {
    throw CLI::ValidationError(cat("--format ", options.format, " shows graphs; ",
                                   options.timings ? "--timings" : "--after plan_memory", " is a list: text or json"));
  }
  if (options.format == "onnx" && options.output.empty()) {
    throw CLI::ValidationError("--format onnx needs --output: the file is not text");
  }
}

int inspect(const CLI::App& command, InspectOptions options) {
  if (options.format.empty()) options.format = options.common.json ? "json" : "text";
  if (options.timings && command.get_option("--after")->count() == 0) options.after = kPlan;
  check_options(command, options);
  const OnnxModel file = OnnxModel::load(options.model);
  PassRunner runner;
  Stage stage;
  runner.run(kImport, stage.graph,
             [&](Graph& g) { g = import_with(file, options.graph.shapes, options.graph.batch_size, false); });
  Formats formats;
  if (reaches(options.after, "insert_quantization")) {
    formats = assumed_formats(training_slots(stage.graph, options.graph), options.graph.precision);
  }
  if (options.after != kImport) {
    const std::string pass = options.after == kPlan ? pass_names().back() : options.after;
    stage = stage_after(stage.graph, pass, options.graph, formats);
  }
  Plan plan;
  if (options.after == kPlan) runner.run(kPlan, stage.graph, [&](Graph& g) { plan = plan_memory(g); });
  if (options.timings) {
    std::vector<PassRunner::Timing> timings = runner.timings();
    timings.insert(timings.begin() + 1, stage.timings.begin(), stage.timings.end());
    show_timings(timings, options);
  } else if (options.after == kPlan) {
    show_list(to_text(plan), to_json(plan), options);
  } else {
    show_graph(stage.graph, formats, options);
  }
  return kSuccess;
}

}  // namespace

Verb add_inspect(CLI::App& app) {
  const auto options = std::make_shared<InspectOptions>();
  CLI::App* command = app.add_subcommand("inspect", "Show the graph after any pass");
  add_model(*command, options->model);
  command->add_option("--after", options->after, "The stage to show: " + join(stages(), " or "))
      ->type_name("PASS")
      ->capture_default_str();
  command->add_option("--format", options->format, "text (default), json, dot (Graphviz), svg or onnx")
      ->type_name("FORMAT");
  command->add_option("--output,-o", options->output, "Write to this file instead of standard output")
      ->type_name("FILE");
  command->add_flag("--timings", options->timings,
                    "Show how long each stage took, up to --after or all, instead of a graph (text or json)");
  add_graph_options(*command, options->graph);
  add_common_options(*command, options->common);
  command->footer(
      "Examples:\n"
      "  marvin inspect models/mlp.onnx                                        the model as marvin reads it\n"
      "  marvin inspect models/mlp.onnx --after differentiate                  with loss and gradients\n"
      "  marvin inspect models/lenet5.onnx --after insert_quantization --format svg -o lenet5.svg\n"
      "  marvin inspect models/lenet5.onnx --after plan_memory --batch-size 128   steps, kernels and memory\n"
      "  marvin inspect models/resnet20.onnx --timings                         how long every pass takes");
  return {command, [options, command] { return inspect(*command, *options); }};
}

}  // namespace marvin
