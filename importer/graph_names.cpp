#include "importer/graph_names.h"

#include "importer/node_attributes.h"

namespace marvin {

Names names_read(const onnx::GraphProto& graph) {
  Names names;
  for (const onnx::NodeProto& node : graph.node()) {
    names.insert(node.input().begin(), node.input().end());
    for_each_subgraph(node, [&](const onnx::GraphProto& subgraph) { names.merge(names_read(subgraph)); });
  }
  for (const onnx::ValueInfoProto& output : graph.output()) names.insert(output.name());
  return names;
}

Names names_made(const onnx::GraphProto& graph) {
  Names names;
  for (const onnx::NodeProto& node : graph.node()) names.insert(node.output().begin(), node.output().end());
  return names;
}

Names names_initialized(const onnx::GraphProto& graph) {
  Names names;
  for (const onnx::TensorProto& tensor : graph.initializer()) names.insert(tensor.name());
  return names;
}

Names names_in(const onnx::GraphProto& graph) {
  Names names = names_made(graph);
  names.merge(names_initialized(graph));
  for (const onnx::ValueInfoProto& input : graph.input()) names.insert(input.name());
  return names;
}

void erase_unread(onnx::GraphProto& graph, const Names& read_before) {
  const Names read = names_read(graph);
  const Names initialized = names_initialized(graph);
  const auto unread = [&](const std::string& name) { return read_before.contains(name) && !read.contains(name); };
  erase_if(*graph.mutable_initializer(), [&](const onnx::TensorProto& tensor) { return unread(tensor.name()); });
  erase_if(*graph.mutable_input(), [&](const onnx::ValueInfoProto& input) {
    return initialized.contains(input.name()) && unread(input.name());
  });
  erase_if(*graph.mutable_node(), [&](const onnx::NodeProto& node) {
    return node.op_type() == "Constant" && node.output_size() == 1 && unread(node.output(0));
  });
}

}  // namespace marvin
