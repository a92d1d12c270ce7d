#include "passes/append_optimizer.h"

#include <algorithm>

#include "runtime/ops/op.h"

namespace marvin {
namespace {

// The node that updates a parameter.
struct Rule {
  std::string op;
  Attrs attrs;
  std::vector<std::string> states;  // what is kept for a parameter from step to step
  bool counts_steps = false;
};

Rule rule_of(const OptimizerOptions& options) {
  Rule rule;
  if (options.name == "sgd") {
    rule = {.op = "SGD", .attrs = {{"momentum", options.momentum}, {"nesterov", int64_t{options.nesterov}}}};
    if (options.momentum != 0) rule.states = {"velocity"};
  } else if (options.name == "adagrad") {
    rule = {.op = "Adagrad", .states = {"sum"}, .counts_steps = true};
  } else if (options.name == "rmsprop") {
    rule = {.op = "RMSprop",
            .attrs = {{"alpha", options.alpha}, {"epsilon", options.epsilon}, {"momentum", options.momentum}},
            .states = {"square"}};
    if (options.momentum != 0) rule.states.emplace_back("velocity");
  } else {
    rule = {.op = "Adam",
            .attrs = {{"beta1", options.beta1},
                      {"beta2", options.beta2},
                      {"epsilon", options.epsilon},
                      {"decoupled", int64_t{options.name == "adamw"}}},
            .states = {"m", "v"},
            .counts_steps = true};
  }
  rule.attrs.set("weight_decay", options.weight_decay);
  return rule;
}

class OptimizerWriter {
 public:
  OptimizerWriter(Graph& graph, const OptimizerOptions& options) : graph_(graph), rule_(rule_of(options)) {
    scalars_.lr = graph.add_input(graph.unused_name("lr"), {DType::f32, {}});
    if (rule_.counts_steps) scalars_.step = graph.add_input(graph.unused_name("step"), {DType::f32, {}});
  }
  OptimizerInputs scalars() const { return scalars_; }

  void update(ValueId parameter, ValueId gradient) {
    Node node{
        .op = rule_.op, .inputs = {parameter, gradient, scalars_.lr}, .attrs = rule_.attrs, .phase = Phase::update};
    if (rule_.counts_steps) node.inputs.push_back(scalars_.step);
    std::vector<ValueId> states = {parameter};
    for (const std::string& state : rule_.states) states.push_back(state_of(parameter, state));
    node.inputs.insert(node.inputs.end(), states.begin() + 1, states.end());

    std::vector<std::string> names;
    for (const ValueId state : states) names.push_back(graph_.unused_name(graph_[state].name + ".next"));
    const NodeId id = append(graph_, std::move(node), names);
    for (size_t i = 0; i < states.size(); ++i) graph_.updates.push_back({states[i], graph_[id].outputs[i]});
  }

 private:
  ValueId state_of(ValueId parameter, const std::string& what) {
    return graph_.add_parameter(graph_.unused_name(cat(graph_[parameter].name, ".", what)), graph_.type_of(parameter));
  }

  Graph& graph_;
  Rule rule_;
  OptimizerInputs scalars_;
};

}  // namespace

const std::vector<std::string>& optimizer_names() {
  static const std::vector<std::string> names = {"sgd", "adam", "adamw", "adagrad", "rmsprop"};
  return names;
}

OptimizerInputs append_optimizer(Graph& graph, const OptimizerOptions& options, const std::vector<ValueId>& parameters,
                                 const std::vector<ValueId>& gradients) {
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
