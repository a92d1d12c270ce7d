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
};

const std::vector<std::string>& stages() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list = {kImport};
    list.insert(list.end(), pass_names().begin(), pass_names().end());
    list.push_back(kPlan);
    return list;
  }();
  return names;
}

// Whether the stage is that of insert_quantization or one behind it.
bool is_quantized(const std::string& stage) {
  return std::ranges::find(stages(), stage) >= std::ranges::find(stages(), "insert_quantization");
}

void deliver(const std::string& text, const InspectOptions& options) {
  if (options.output.empty()) {
    std::cout << text << std::flush;
  } else {
    write_file_atomically(options.output, text);
  }
}

std::vector<SlotFormat> slot_formats(const Graph& graph, const Formats& formats) {
  std::vector<SlotFormat> result;
  for (const Slot& slot : graph.slots) {
    const auto format = formats.find(slot.name);
    if (format != formats.end()) result.push_back({slot.name, slot.role, format->second});
  }
  return result;
}

GraphViewOptions view_options(const Formats& formats) {
  const auto defaults = [](std::string_view name) {
    const OpDef* op = find_op(name);
    return op ? &op->defaults : nullptr;
  };
  return {.defaults = defaults, .formats = formats};
}

void show_plan(const Graph& graph, const InspectOptions& options) {
  const Plan plan = plan_memory(graph);
  if (options.format == "text") return deliver(to_text(plan), options);
  if (options.format == "json") return deliver(to_json(plan).dump(2) + "\n", options);
  throw CLI::ValidationError("--format " + options.format +
                             " shows graphs; --after plan_memory is a list: text or json");
}

void show_graph(const Graph& graph, const Formats& formats, const InspectOptions& options) {
  if (options.format == "text") return deliver(to_text(graph, kElideAbove), options);
  if (options.format == "json") return deliver(to_json(graph, view_options(formats)).dump(2) + "\n", options);
  if (options.format == "onnx") return export_graph(graph, slot_formats(graph, formats), options.output);
  const std::string dot = to_dot(graph, view_options(formats));
  deliver(options.format == "dot" ? dot : svg_of(dot), options);
}

void check_options(const InspectOptions& options) {
  static const std::vector<std::string> kFormats = {"text", "json", "dot", "svg", "onnx"};
  check_word("--after", options.after, stages());
  check_word("--format", options.format, kFormats);
  if (options.common.json && options.format != "json") {
    throw CLI::ValidationError("--json and --format " + options.format + " do not go together");
  }
  if (options.format == "onnx" && options.output.empty()) {
    throw CLI::ValidationError("--format onnx needs --output: the file is not text");
  }
}

int inspect(InspectOptions options) {
  if (options.format.empty()) options.format = options.common.json ? "json" : "text";
  check_options(options);
  const Graph model = OnnxModel::load(options.model).import({.batch = options.graph.batch_size});
  if (options.after == kImport) {
    show_graph(model, {}, options);
    return kSuccess;
  }
  Formats formats;
  if (is_quantized(options.after)) {
    formats = assumed_formats(training_slots(model, options.graph), options.graph.precision);
  }
  if (options.after == kPlan) {
    show_plan(graph_after(model, pass_names().back(), options.graph, formats), options);
  } else {
    show_graph(graph_after(model, options.after, options.graph, formats), formats, options);
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
  add_graph_options(*command, options->graph);
  add_common_options(*command, options->common);
  command->footer(
      "Examples:\n"
      "  marvin inspect models/mlp.onnx                                        the model as marvin reads it\n"
      "  marvin inspect models/mlp.onnx --after differentiate                  with loss and gradients\n"
      "  marvin inspect models/lenet5.onnx --after insert_quantization --format svg -o lenet5.svg\n"
      "  marvin inspect models/lenet5.onnx --after plan_memory --batch-size 128   steps, kernels and memory");
  return {command, [options] { return inspect(*options); }};
}

}  // namespace marvin
