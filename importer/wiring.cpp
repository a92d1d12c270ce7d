#include "importer/wiring.h"

#include <unordered_set>

#include "importer/graph_names.h"
#include "importer/node_attributes.h"
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

Wiring::Wiring(const onnx::GraphProto& graph, const NodeProtos& nodes,
               const std::function<bool(const std::string&)>& is_outer) {
  for (const onnx::TensorProto& tensor : graph.initializer()) make(tensor.name(), nullptr);
  const Names initialized = names_initialized(graph);
  for (const onnx::ValueInfoProto& input : graph.input())
    if (!initialized.contains(input.name())) make(input.name(), nullptr);
  for (const onnx::NodeProto& node : nodes)
    for (const std::string& output : node.output())
      if (!output.empty()) make(output, &node);

  for (const onnx::NodeProto& node : nodes) {
    for (const std::string& input : node.input()) {
      if (!input.empty() && !has(input) && !is_outer(input))
        throw Error(described(node), " reads '", input, "', which nothing produces");
    }
    use(node);
  }
  for (const onnx::ValueInfoProto& output : graph.output())
    if (!output.name().empty() && !has(output.name()) && !is_outer(output.name()))
      throw Error("the output '", output.name(), "' is produced by nothing");
  sort(nodes);
}

void Wiring::use(const onnx::NodeProto& node) {
  for (int i = 0; i < node.input_size(); ++i) {
    if (node.input(i).empty() || !has(node.input(i))) continue;
    uses_[node.input(i)].push_back({&node, i});
    reads_[&node].push_back(node.input(i));
  }
  for_each_subgraph(node, [&](const onnx::GraphProto& subgraph) { use_captured(node, subgraph, {}); });
}

void Wiring::use_captured(const onnx::NodeProto& holder, const onnx::GraphProto& subgraph, const Names& shadowed) {
  Names own = names_in(subgraph);
  own.insert(shadowed.begin(), shadowed.end());
  const auto is_captured = [&](const std::string& name) { return !name.empty() && !own.contains(name) && has(name); };
  for (const onnx::NodeProto& node : subgraph.node()) {
    for (int i = 0; i < node.input_size(); ++i) {
      if (!is_captured(node.input(i))) continue;
      uses_[node.input(i)].push_back({&node, i});
      reads_[&holder].push_back(node.input(i));
    }
    for_each_subgraph(node, [&](const onnx::GraphProto& inner) { use_captured(holder, inner, own); });
  }
  for (const onnx::ValueInfoProto& output : subgraph.output())
    if (is_captured(output.name())) reads_[&holder].push_back(output.name());
}

std::span<const Wiring::Use> Wiring::uses(const std::string& name) const {
  const auto entry = uses_.find(name);
  return entry == uses_.end() ? std::span<const Use>() : entry->second;
}

// Depth-first without recursion.
void Wiring::sort(const NodeProtos& nodes) {
  struct Visit {
    const onnx::NodeProto* node;
    size_t next_input;
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
      const auto reads = reads_.find(visit.node);
      if (reads != reads_.end() && visit.next_input < reads->second.size()) {
        push(makers_.at(reads->second[visit.next_input++]));
        continue;
      }
      done.insert(visit.node);
      order_.push_back(visit.node);
      stack.pop_back();
    }
  }
}

}  // namespace marvin
