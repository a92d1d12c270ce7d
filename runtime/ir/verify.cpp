#include "runtime/ir/verify.h"

#include <set>
#include <stdexcept>

#include "runtime/ir/error.h"

namespace marvin {
namespace {

template <class... Args>
void require(bool holds, const Args&... message) {
  if (!holds) throw std::logic_error(cat("verify: ", message...));
}

void verify_value(const Graph& graph, ValueId id) {
  const Value& value = graph[id];
  if (value.kind == ValueKind::computed) {
    require(value.producer.index < graph.node_count(), "'", value.name, "' has no producer");
    const std::vector<ValueId>& outputs = graph[value.producer].outputs;
    require(static_cast<size_t>(value.output) < outputs.size() && outputs[static_cast<size_t>(value.output)] == id, "'",
            value.name, "' is not the output that it says it is");
  } else {
    require(!value.producer.valid(), "'", value.name, "' has a producer but is not computed");
  }
  require(value.kind != ValueKind::constant || value.data, "the constant '", value.name, "' has no data");
  require(!value.data || value.data->type() == value.type, "the data of '", value.name, "' has another type");
}

void verify_node(const Graph& graph, NodeId id) {
  const Node& node = graph[id];
  for (const ValueId input : node.inputs) {
    if (!input.valid()) continue;
    require(input.index < graph.value_count(), node.op, " reads a value that does not exist");
    const Value& value = graph[input];
    require(value.kind != ValueKind::computed || graph[value.producer].phase <= node.phase, node.op, " reads '",
            value.name, "' from a later phase");
  }
  for (const ValueId output : node.outputs) {
    require(!output.valid() || (output.index < graph.value_count() && graph[output].producer == id), node.op,
            " lists an output that it does not produce");
  }
  require(!node.slot.valid() || node.slot.index < graph.slots.size(), node.op, " has a slot that does not exist");
}

}  // namespace

void verify(const Graph& graph) {
  for (uint32_t i = 0; i < graph.value_count(); ++i) verify_value(graph, ValueId{i});
  for (uint32_t i = 0; i < graph.node_count(); ++i) verify_node(graph, NodeId{i});
  for (const ValueId input : graph.inputs) {
    require(input.index < graph.value_count() && graph[input].kind == ValueKind::input, "an input is not an input");
  }
  for (const ValueId output : graph.outputs) require(output.index < graph.value_count(), "an output does not exist");
  if (graph.loss.valid()) {
    const Type& type = graph.type_of(graph.loss);
    require(is_float(type.dtype) && type.elements() == 1, "the loss is ", text_of(type), ", not a float scalar");
  }
  std::set<ValueId> updated;
  for (const Update& update : graph.updates) {
    const Value& state = graph[update.state];
    require(state.kind == ValueKind::parameter, "the update of '", state.name, "' is not of a parameter");
    require(updated.insert(update.state).second, "'", state.name, "' is updated twice");
    require(state.type == graph.type_of(update.next), "'", state.name, "' is ", text_of(state.type), ", its update ",
            text_of(graph.type_of(update.next)));
  }
  live_nodes(graph);
}

}  // namespace marvin
