#include "passes/lower.h"

#include "runtime/ops/op.h"

namespace marvin {
namespace {

void lower_node(Graph& graph, NodeId id) {
  const OpDef& op = op_named(graph[id].op);
  const std::vector<ValueId> outputs = graph[id].outputs;
  std::vector<std::string> names;
  for (const ValueId output : outputs) names.push_back(output.valid() ? graph[output].name : "");
  ExpandContext context(graph, graph[id], names);
  const std::vector<ValueId> values = op.lower(context);
  if (values.empty()) return;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i].valid()) continue;
    graph.rename(outputs[i], graph.unused_name(names[i] + ".lowered"));
    graph.rename(values[i], names[i]);
    replace_uses(graph, outputs[i], values[i]);
  }
}

}  // namespace

void lower(Graph& graph) {
  for (const NodeId id : live_nodes(graph))
    if (op_named(graph[id].op).lower) lower_node(graph, id);
}

}  // namespace marvin
