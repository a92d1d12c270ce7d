#include "passes/differentiate.h"

#include <algorithm>
#include <set>

#include "runtime/ops/op.h"

namespace marvin {
namespace {

// For every value, whether a wanted value reaches it through floats.
std::vector<bool> depends_on(const Graph& graph, const std::vector<ValueId>& wanted, const std::vector<NodeId>& order) {
  std::vector<bool> depends(graph.value_count());
  for (const ValueId value : wanted) depends[value.index] = true;
  for (const NodeId id : order) {
    bool any = false;
    for (const ValueId input : graph[id].inputs) any |= input.valid() && depends[input.index];
    for (const ValueId output : graph[id].outputs) {
      if (!any || !output.valid()) continue;
      const DType dtype = graph.type_of(output).dtype;
      if (is_real(dtype)) depends[output.index] = true;
    }
  }
  return depends;
}

class ReverseWalk {
 public:
  ReverseWalk(Graph& graph, const std::vector<ValueId>& wanted)
      : graph_(graph),
        order_(live_nodes(graph)),
        depends_(depends_on(graph, wanted, order_)),
        gradients_(graph.value_count()) {}

  std::vector<ValueId> run(const std::vector<ValueId>& wanted) {
    Tensor one(graph_.type_of(graph_.loss));
    visit(one.type().dtype, [&](auto zero) { one.as<decltype(zero)>()[0] = static_cast<decltype(zero)>(1); });
    gradients_[graph_.loss.index] = graph_.add_constant(graph_.unused_name("d." + graph_[graph_.loss].name), one);
    for (auto node = order_.rbegin(); node != order_.rend(); ++node) visit_node(*node);
    std::vector<ValueId> results;
    for (const ValueId value : wanted) results.push_back(gradients_[value.index]);
    return results;
  }

 private:
  void visit_node(NodeId id) {
    const Node node = graph_[id];  // a copy: rules add nodes
    std::vector<ValueId> output_gradients;
    bool reached = false;
    for (const ValueId output : node.outputs) {
      const ValueId gradient =
          output.valid() && output.index < gradients_.size() ? gradients_[output.index] : ValueId{};
      output_gradients.push_back(gradient);
      reached |= gradient.valid();
    }
    std::vector<bool> wanted;
    bool any = false;
    for (const ValueId input : node.inputs) {
      wanted.push_back(input.valid() && depends_[input.index]);
      any |= wanted.back();
    }
    if (!reached || !any) return;
    accumulate_all(node, input_gradients(id, node, std::move(output_gradients), wanted), wanted);
  }

  std::vector<ValueId> input_gradients(NodeId id, const Node& node, std::vector<ValueId> output_gradients,
                                       const std::vector<bool>& wanted) {
    const OpDef& op = op_named(node.op);
    if (!op.gradient) {
      throw Error("the op ", node.op, node.name.empty() ? "" : cat(" of node '", node.name, "'"),
                  " has no gradient, and the loss depends on a parameter through it ('", graph_[node.outputs[0]].name,
                  "'). Freeze what is before it, or export the model without it.");
    }
    output_gradients.resize(std::max<size_t>(output_gradients.size(), static_cast<size_t>(op.max_outputs)));
    GradContext context(graph_, id, std::move(output_gradients), wanted);
    std::vector<ValueId> result = op.gradient(context);
    result.resize(node.inputs.size());
    return result;
  }

  void accumulate_all(const Node& node, const std::vector<ValueId>& gradients, const std::vector<bool>& wanted) {
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (!wanted[i] || !gradients[i].valid()) continue;
      if (graph_.type_of(gradients[i]).shape != graph_.type_of(node.inputs[i]).shape) {
        throw std::logic_error(cat("the gradient of ", node.op, "'s operand ", i, " is ",
                                   text_of(graph_.type_of(gradients[i])), ", the operand ",
                                   text_of(graph_.type_of(node.inputs[i]))));
      }
      accumulate(node.inputs[i], gradients[i]);
    }
  }

  void accumulate(ValueId value, ValueId contribution) {
    ValueId& gradient = gradients_[value.index];
    const std::string name = "d." + graph_[value].name;
    if (gradient.valid()) {
      // The second contribution renames the first: d.x is always the sum so far.
      if (graph_[gradient].name == name) graph_.rename(gradient, graph_.unused_name(name + ".part"));
      Node add{.op = "Add", .inputs = {gradient, contribution}, .phase = Phase::backward};
      gradient = graph_[append(graph_, std::move(add), {graph_.unused_name(name)})].outputs[0];
      return;
    }
    gradient = contribution;
    const bool own = graph_[contribution].kind == ValueKind::computed &&
                     graph_[graph_[contribution].producer].phase == Phase::backward &&
                     named_.insert(contribution).second;
    if (own && !graph_.find(name).valid()) graph_.rename(contribution, name);
  }

  Graph& graph_;
  std::vector<NodeId> order_;
  std::vector<bool> depends_;
  std::vector<ValueId> gradients_;
  std::set<ValueId> named_;  // contributions that already carry the name of the value that they belong to
};

}  // namespace

std::vector<ValueId> differentiate(Graph& graph, const std::vector<ValueId>& wanted) {
  if (!graph.loss.valid()) throw std::logic_error("differentiate: the graph has no loss");
  return ReverseWalk(graph, wanted).run(wanted);
}

std::vector<ValueId> trainable_parameters(const Graph& graph) {
  std::set<ValueId> state;
  for (const Update& update : graph.updates) state.insert(update.state);
  // What the loss alone reaches.
  Graph of_loss = graph;
  of_loss.outputs.clear();
  of_loss.updates.clear();
  std::set<ValueId> read;
  for (const NodeId node : live_nodes(of_loss))
    for (const ValueId input : graph[node].inputs)
      if (input.valid()) read.insert(input);
  std::vector<ValueId> result;
  for (const ValueId value : read) {
    if (graph[value].kind != ValueKind::parameter || state.contains(value)) continue;
    if (is_float(graph.type_of(value).dtype)) result.push_back(value);
  }
  return result;
}

}  // namespace marvin
