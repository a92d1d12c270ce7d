#include "importer/wiring.h"

#include <unordered_set>

#include "importer/graph_names.h"
#include "runtime/ir/error.h"

namespace marvin {

std::string described(const onnx::NodeProto& node) {
  if (!node.name().empty()) return cat("node '", node.name(), "' (", node.op_type(), ")");
  for (const std::string& output : node.output())
    if (!output.empty()) return cat("the node of '", output, "' (", node.op_type(), ")");
  return cat("a node without name and outputs (", node.op_type(), ")");
}

void Wiring::make(const std::string& name, const onnx::NodeProto* maker) {
  if (!makers_.emplace(name, maker).second) throw Error("the name '", name, "' is given to two values");
}

Wiring::Wiring(const onnx::GraphProto& graph, const NodeProtos& nodes) {
  for (const onnx::TensorProto& tensor : graph.initializer()) make(tensor.name(), nullptr);
  const Names initialized = names_initialized(graph);
  for (const onnx::ValueInfoProto& input : graph.input())
    if (!initialized.contains(input.name())) make(input.name(), nullptr);
  for (const onnx::NodeProto& node : nodes)
    for (const std::string& output : node.output())
      if (!output.empty()) make(output, &node);

  for (const onnx::NodeProto& node : nodes) {
    for (int i = 0; i < node.input_size(); ++i) {
      if (node.input(i).empty()) continue;
      if (!has(node.input(i))) throw Error(described(node), " reads '", node.input(i), "', which nothing produces");
      uses_[node.input(i)].push_back({&node, i});
    }
  }
  for (const onnx::ValueInfoProto& output : graph.output())
    if (!has(output.name())) throw Error("the model's output '", output.name(), "' is produced by nothing");
  sort(nodes);
}

std::span<const Wiring::Use> Wiring::uses(const std::string& name) const {
  const auto entry = uses_.find(name);
  return entry == uses_.end() ? std::span<const Use>() : entry->second;
}

// Depth-first without recursion.
void Wiring::sort(const NodeProtos& nodes) {
  struct Visit {
    const onnx::NodeProto* node;
    int next_input;
  };
  std::unordered_set<const onnx::NodeProto*> open, done;
  for (const onnx::NodeProto& root : nodes) {
    std::vector<Visit> stack;
    const auto push = [&](const onnx::NodeProto* node) {
      if (!node || done.contains(node)) return;
      if (!open.insert(node).second) throw Error(described(*node), " reads what it produces, by way of other nodes");
      stack.push_back({node, 0});
    };
    push(&root);
    while (!stack.empty()) {
      Visit& visit = stack.back();
      if (visit.next_input < visit.node->input_size()) {
        const std::string& input = visit.node->input(visit.next_input++);
        if (!input.empty()) push(makers_.at(input));
        continue;
      }
      done.insert(visit.node);
      order_.push_back(visit.node);
      stack.pop_back();
    }
  }
}

}  // namespace marvin
