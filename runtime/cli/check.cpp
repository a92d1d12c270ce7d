// marvin check: what of a model can be executed, trained and quantized, node by node, and why not.
#include <algorithm>
#include <memory>
#include <set>

#include "importer/node_list.h"
#include "passes/differentiate.h"
#include "runtime/cli/node_origin.h"
#include "runtime/cli/options.h"
#include "runtime/cli/training_graph.h"
#include "runtime/cli/verbs.h"
#include "runtime/ops/types.h"
#include "runtime/report/table.h"

namespace marvin {
namespace {

struct CheckOptions {
  CommonOptions common;
  std::string model, loss, loss_output;
  std::optional<int64_t> class_axis;
  int64_t batch_size = 0;  // as the file says
  InputShapes shapes;
};

// "yes", "no", or "-" where the question does not arise.
struct Verdict {
  std::string name, op, runs, trains, quantizes, why;
};

struct Report {
  std::vector<Verdict> nodes;
  std::string cannot_run, cannot_train;  // "" where it can
  std::string loss, loss_output;         // the output is "" where there is but one
  int64_t parameters = 0;                // elements that are trained
  int64_t products = 0, slots = 0;       // that are quantized, and the values that they read
  std::vector<std::string> untrained;    // parameters that no gradient reaches
};

// ---- Where gradients have to pass -----------------------------------------------------------------------------------

// The values between a trainable parameter and the loss, those included.
class GradientPath {
 public:
  GradientPath(const Graph& graph, const std::vector<ValueId>& parameters) : graph_(graph) {
    const std::vector<NodeId> order = live_nodes(graph);
    std::set<ValueId> reached(parameters.begin(), parameters.end());
    for (const NodeId id : order)
      if (reads_any(id, reached)) insert_outputs(id, reached);
    std::set<ValueId> needed = {graph.loss};
    for (auto id = order.rbegin(); id != order.rend(); ++id)
      if (writes_any(*id, needed)) needed.insert(graph[*id].inputs.begin(), graph[*id].inputs.end());
    std::ranges::set_intersection(reached, needed, std::inserter(path_, path_.end()));
  }
  bool passes(NodeId id) const { return writes_any(id, path_) && reads_any(id, path_); }

 private:
  bool reads_any(NodeId id, const std::set<ValueId>& values) const {
    return std::ranges::any_of(graph_[id].inputs, [&](ValueId input) { return values.contains(input); });
  }
  bool writes_any(NodeId id, const std::set<ValueId>& values) const {
    return std::ranges::any_of(graph_[id].outputs,
                               [&](ValueId output) { return output.valid() && values.contains(output); });
  }
  void insert_outputs(NodeId id, std::set<ValueId>& values) const {
    for (const ValueId output : graph_[id].outputs)
      if (output.valid()) values.insert(output);
  }
  const Graph& graph_;
  std::set<ValueId> path_;
};

// ---- Verdicts -------------------------------------------------------------------------------------------------------

void judge_training(const Graph& graph, NodeId id, const GradientPath* path, Verdict& verdict) {
  if (!path || !path->passes(id)) return;
  const OpDef& op = op_named(graph[id].op);
  verdict.trains = op.gradient && op.gradient != no_gradient ? "yes" : "no";
  if (!op.gradient)
    verdict.why = graph[id].op + " has no gradient, and parameters reach the loss through it: freeze these (--freeze)";
  if (op.gradient == no_gradient)
    verdict.why = "no derivative passes " + graph[id].op + ": what reaches the loss through it alone stays as it is";
}

// Of every node the products that it stands for.
void judge_quantization(const Graph& graph, const std::vector<ListedNode>& listed, Report& report) {
  for (const NodeId id : live_nodes(graph)) {
    if (!op_named(graph[id].op).product) continue;
    const DType dtype = graph.type_of(graph[id].outputs[0]).dtype;
    report.products += dtype == DType::f32;
    const ListedNode* origin = origin_of(graph, id, listed);
    if (!origin) continue;
    Verdict& verdict = report.nodes[static_cast<size_t>(origin - listed.data())];
    if (dtype == DType::f32) {
      verdict.quantizes = "yes";
    } else if (verdict.quantizes != "yes") {
      verdict.quantizes = "no";
      verdict.why = cat("a product of ", name_of(dtype), "; products of f32 are quantized");
    }
  }
  report.slots = static_cast<int64_t>(find_slots(graph).size());
}

Verdict judge(const ListedNode& listed, const Graph& graph, const GradientPath* path) {
  Verdict verdict{listed.name, listed.op, "yes", "-", "-", ""};
  bool found = false, computed = false;
  for (const std::string& output : listed.outputs) {
    const ValueId value = graph.find(output);
    if (!value.valid()) continue;
    found = true;
    if (graph[value].kind != ValueKind::computed) continue;
    computed = true;
    if (verdict.trains != "no") judge_training(graph, graph[value].producer, path, verdict);
  }
  if (!found) verdict.why = "rewritten";
  if (found && !computed && listed.op != "Constant") verdict.why = "computed when the model is read";
  return verdict;
}

// Where reading the model came to an end, as the error says.
std::vector<Verdict> unread(const std::vector<ListedNode>& nodes, const std::string& error) {
  std::vector<Verdict> verdicts;
  for (const ListedNode& node : nodes) {
    Verdict& verdict = verdicts.emplace_back(Verdict{node.name, node.op, "yes", "-", "-", ""});
    const size_t where = error.find(node.described);
    if (!node.known) {
      verdict.runs = "no";
      verdict.why = "the op is not known";
    } else if (where != std::string::npos) {
      const size_t reason = error.find("): ", where);
      verdict.runs = "no";
      verdict.why = reason == std::string::npos ? error : error.substr(reason + 3);
    }
  }
  return verdicts;
}

// The message of the Error that `body` throws; "" when it throws none.
template <class Body>
std::string error_of(Body&& body) {
  try {
    body();
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

Report make_report(const OnnxModel& model, const CheckOptions& options) {
  Report report;
  const std::vector<ListedNode> listed = list_nodes(model);
  Graph graph;
  report.cannot_run = error_of([&] { graph = import_with(model, options.shapes, options.batch_size, false); });
  if (!report.cannot_run.empty()) {
    report.nodes = unread(listed, report.cannot_run);
    report.cannot_train = "it cannot be executed";
    return report;
  }
  report.cannot_run = error_of([&] {
    PassRunner runner;
    compile(graph, {}, runner);
  });

  std::optional<GradientPath> path;
  Graph with_loss = graph;
  report.cannot_train = error_of([&] {
    const LossOptions loss{.name = options.loss.empty() ? usual_loss(graph) : options.loss,
                           .output = options.loss_output,
                           .class_axis = options.class_axis};
    report.loss = loss.name;
    report.loss_output = loss_output(graph, loss);
    attach_loss(with_loss, loss);
    const std::vector<ValueId> parameters = trainable_parameters(with_loss);
    for (const ValueId parameter : parameters) report.parameters += with_loss.type_of(parameter).elements();
    path.emplace(with_loss, parameters);
    PassRunner runner;
    report.untrained = compile(graph, {.loss = loss, .optimizer = OptimizerOptions{}}, runner).untrained;
    for (const std::string& name : report.untrained)
      report.parameters -= with_loss.type_of(with_loss.find(name)).elements();
  });
  for (const ListedNode& node : listed) report.nodes.push_back(judge(node, with_loss, path ? &*path : nullptr));
  judge_quantization(with_loss, listed, report);
  return report;
}

// ---- Printing -------------------------------------------------------------------------------------------------------

int64_t count(const std::vector<Verdict>& nodes, std::string Verdict::*question, const std::string& answer) {
  return std::ranges::count(nodes, answer, question);
}

Json to_json(const Report& report) {
  Json nodes = Json::array();
  for (const Verdict& node : report.nodes) {
    nodes.push_back({{"name", node.name},
                     {"op", node.op},
                     {"runs", node.runs},
                     {"trains", node.trains},
                     {"quantizes", node.quantizes},
                     {"why", node.why}});
  }
  return {{"runs", report.cannot_run.empty()},
          {"trains", report.cannot_train.empty()},
          {"why_not", report.cannot_run.empty() ? report.cannot_train : report.cannot_run},
          {"loss", report.loss},
          {"loss_output", report.loss_output},
          {"parameters", report.parameters},
          {"untrained", report.untrained},
          {"quantized_products", report.products},
          {"slots", report.slots},
          {"nodes", nodes}};
}

std::string to_text(const Report& report) {
  TextTable table({"node", "op", "runs", "trains", "quantizes", "why"});
  for (const Verdict& node : report.nodes) {
    table.add({node.name, node.op, node.runs, node.trains, node.quantizes, node.why});
  }
  return cat(table.text(), "\nruns       ",
             report.cannot_run.empty() ? "yes: " : "no: ", count(report.nodes, &Verdict::runs, "yes"), " of ",
             report.nodes.size(), " nodes\ntrains     ",
             report.cannot_train.empty()
                 ? cat("yes: ", grouped_text(report.parameters), " parameters, loss ", report.loss,
                       report.loss_output.empty() ? "" : " of the output " + report.loss_output)
                 : cat("no: ", report.cannot_train),
             report.untrained.empty() ? "" : cat("; no gradient reaches ", join(report.untrained)), "\nquantizes  ",
             report.products, report.products == 1 ? " product" : " products", " of ", report.slots,
             report.slots == 1 ? " value" : " values", ", and their gradients");
}

int check(const CheckOptions& options) {
  const OnnxModel model = OnnxModel::load(options.model);
  const Report report = make_report(model, options);
  print_result(options.common, to_json(report), to_text(report));
  if (!report.cannot_run.empty()) throw Error("'", options.model, "' cannot be executed: ", report.cannot_run);
  return kSuccess;
}

}  // namespace

Verb add_check(CLI::App& app) {
  const auto options = std::make_shared<CheckOptions>();
  CLI::App* command = app.add_subcommand("check", "Say what can be executed, trained and quantized, and why not");
  add_model(*command, options->model);
  command->add_option("--loss", options->loss, "As train takes it; chosen by the model's outputs when not given")
      ->type_name("LOSS");
  command->add_option("--loss-output", options->loss_output, "As train takes it")->type_name("NAME");
  command->add_option("--class-axis", options->class_axis, "As train takes it; 1 when not given")->type_name("N");
  add_batch_size(*command, options->batch_size);
  add_shapes(*command, options->shapes);
  add_common_options(*command, options->common);
  command->footer(
      "For every node: whether marvin executes it, whether gradients pass through it (- where none have to), and "
      "whether\n"
      "it is a product that is computed in fixed point.\n\n"
      "Examples:\n"
      "  marvin check models/resnet20.onnx\n"
      "  marvin check model.onnx --json\n"
      "Exits with 1 when the model cannot be executed. Where shapes depend on the values of inputs, marvin run, which "
      "is\n"
      "given these, may execute what check cannot.");
  return {command, [options] { return check(*options); }};
}

}  // namespace marvin
