// Runs a graph node by node, each by evaluate(): slow, simple, and what compiled plans are held against.
#pragma once

#include <map>
#include <random>
#include <string>

#include "runtime/ops/op.h"

namespace marvin {

using Values = std::map<std::string, Tensor>;

// The value of everything live, by name. `given` holds inputs and parameters.
inline Values interpret(const Graph& graph, Values given) {
  for (uint32_t i = 0; i < graph.value_count(); ++i) {
    const Value& value = graph[ValueId{i}];
    if (value.data && !given.contains(value.name)) given.emplace(value.name, *value.data);
  }
  for (const NodeId id : live_nodes(graph)) {
    const Node& node = graph[id];
    std::vector<const Tensor*> inputs;
    for (const ValueId input : node.inputs) inputs.push_back(input.valid() ? &given.at(graph[input].name) : nullptr);
    std::vector<Tensor> results = evaluate(op_named(node.op), inputs, node.attrs, node.outputs.size());
    for (size_t i = 0; i < node.outputs.size(); ++i)
      if (node.outputs[i].valid()) given.insert_or_assign(graph[node.outputs[i]].name, std::move(results[i]));
  }
  return given;
}

// Deterministic values for the inputs and parameters of a graph: floats in [low, high), integers in [0, 4).
inline Values random_values(const Graph& graph, float low, float high, unsigned seed = 1) {
  std::mt19937 random(seed);
  Values values;
  for (uint32_t i = 0; i < graph.value_count(); ++i) {
    const Value& value = graph[ValueId{i}];
    if (value.kind != ValueKind::input && (value.kind != ValueKind::parameter || value.data)) continue;
    Tensor tensor(value.type);
    visit(value.type.dtype, [&](auto zero) {
      using T = decltype(zero);
      for (T& element : tensor.as<T>()) {
        const double unit = (random() >> 8) * 0x1p-24;
        element = std::is_floating_point_v<T> ? static_cast<T>(low + (high - low) * unit) : static_cast<T>(4 * unit);
      }
    });
    values.emplace(value.name, std::move(tensor));
  }
  return values;
}

}  // namespace marvin
