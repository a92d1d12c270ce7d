#include "passes/append_optimizer.h"

#include <algorithm>

#include "runtime/ops/op.h"

namespace marvin {
namespace {

class OptimizerWriter {
 public:
  OptimizerWriter(Graph& graph, const OptimizerOptions& options) : graph_(graph), options_(options) {
    scalars_.lr = graph.add_input(graph.unused_name("lr"), {DType::f32, {}});
    if (adam()) scalars_.step = graph.add_input(graph.unused_name("step"), {DType::f32, {}});
  }
  OptimizerInputs scalars() const { return scalars_; }

  void update(ValueId parameter, ValueId gradient) {
    Node node{.op = adam() ? "Adam" : "SGD", .inputs = {parameter, gradient, scalars_.lr}, .phase = Phase::update};
    std::vector<ValueId> states = {parameter};
    if (adam()) {
      node.inputs.push_back(scalars_.step);
      node.attrs = {{"beta1", options_.beta1},
                    {"beta2", options_.beta2},
                    {"epsilon", options_.epsilon},
                    {"decoupled", int64_t{options_.name == "adamw"}}};
      states.push_back(state_of(parameter, "m"));
      states.push_back(state_of(parameter, "v"));
    } else {
      node.attrs = {{"momentum", options_.momentum}, {"nesterov", int64_t{options_.nesterov}}};
      if (options_.momentum != 0) states.push_back(state_of(parameter, "velocity"));
    }
    node.attrs.set("weight_decay", options_.weight_decay);
    node.inputs.insert(node.inputs.end(), states.begin() + 1, states.end());

    std::vector<std::string> names;
    for (const ValueId state : states) names.push_back(graph_.unused_name(graph_[state].name + ".next"));
    const NodeId id = append(graph_, std::move(node), names);
    for (size_t i = 0; i < states.size(); ++i) graph_.updates.push_back({states[i], graph_[id].outputs[i]});
  }

 private:
  bool adam() const { return options_.name != "sgd"; }
  ValueId state_of(ValueId parameter, const std::string& what) {
    return graph_.add_parameter(graph_.unused_name(cat(graph_[parameter].name, ".", what)), graph_.type_of(parameter));
  }

  Graph& graph_;
  const OptimizerOptions& options_;
  OptimizerInputs scalars_;
};

}  // namespace

const std::vector<std::string>& optimizer_names() {
  static const std::vector<std::string> names = {"sgd", "adam", "adamw"};
  return names;
}

OptimizerInputs append_optimizer(Graph& graph, const OptimizerOptions& options,
                                 const std::vector<ValueId>& parameters, const std::vector<ValueId>& gradients) {
  if (std::ranges::find(optimizer_names(), options.name) == optimizer_names().end()) {
    throw Error("unknown optimizer '", options.name, "'; it is one of ", join(optimizer_names(), " or "), ".",
                suggestion(options.name, optimizer_names()));
  }
  OptimizerWriter writer(graph, options);
  for (size_t i = 0; i < parameters.size(); ++i)
    if (gradients[i].valid()) writer.update(parameters[i], gradients[i]);
  return writer.scalars();
}

}  // namespace marvin
