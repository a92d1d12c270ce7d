#include "importer/inference_form.h"

#include <algorithm>

#include "importer/functions.h"
#include "importer/graph_names.h"
#include "importer/onnx_file.h"

namespace marvin {
namespace {

constexpr int64_t kOpsetOfTrainingModeAttribute = 14;  // BatchNormalization
constexpr int64_t kOpsetOfTrainingModeOperand = 12;    // Dropout
constexpr int kTrainingModeOperand = 2;

void add_identity(NodeProtos& nodes, const std::string& from, const std::string& to) {
  onnx::NodeProto& node = *nodes.Add();
  node.set_op_type("Identity");
  node.set_name(to);
  node.add_input(from);
  node.add_output(to);
}

void set_training_mode_off(onnx::NodeProto& node) {
  for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
    if (attribute.name() != "training_mode") continue;
    attribute.clear_ref_attr_name();
    attribute.set_type(onnx::AttributeProto::INT);
    attribute.set_i(0);
  }
}

// Outputs 1 and 2 are the running statistics, operands 3 and 4 those before.
void normalise_by_running_statistics(const onnx::NodeProto& given, int64_t opset, const Names& read,
                                     NodeProtos& nodes) {
  onnx::NodeProto& node = *nodes.Add();
  node = given;
  if (opset >= kOpsetOfTrainingModeAttribute) set_training_mode_off(node);
  if (node.output_size() > 1) node.mutable_output()->DeleteSubrange(1, node.output_size() - 1);
  for (int i = 1; i < std::min(3, given.output_size()); ++i) {
    if (given.input_size() > i + 2 && !given.output(i).empty() && read.contains(given.output(i))) {
      add_identity(nodes, given.input(i + 2), given.output(i));
    }
  }
}

void keep_everything(const onnx::NodeProto& given, int64_t opset, NodeProtos& nodes) {
  onnx::NodeProto& node = *nodes.Add();
  node = given;
  if (opset < kOpsetOfTrainingModeOperand || node.input_size() <= kTrainingModeOperand) return;
  node.mutable_input()->DeleteSubrange(kTrainingModeOperand, node.input_size() - kTrainingModeOperand);
  if (node.input(kTrainingModeOperand - 1).empty()) node.mutable_input()->RemoveLast();
}

void graph_to_inference_form(onnx::GraphProto& graph, int64_t opset) {
  const Names read_before = names_read(graph);
  const Names made_before = names_made(graph);
  NodeProtos nodes = inference_nodes(graph, opset);
  for (onnx::NodeProto& node : nodes) {
    for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
      if (attribute.has_g()) graph_to_inference_form(*attribute.mutable_g(), opset);
    }
  }
  graph.mutable_node()->Swap(&nodes);
  erase_unread(graph, read_before);
  const Names made = names_made(graph);
  erase_if(*graph.mutable_value_info(), [&](const onnx::ValueInfoProto& value) {
    return made_before.contains(value.name()) && !made.contains(value.name());
  });
}

}  // namespace

NodeProtos inference_nodes(const onnx::GraphProto& graph, int64_t opset) {
  const Names read = names_read(graph);
  NodeProtos nodes;
  for (const onnx::NodeProto& node : graph.node()) {
    const bool is_onnx = is_default_domain(node.domain());
    if (is_onnx && node.op_type() == "BatchNormalization") {
      normalise_by_running_statistics(node, opset, read, nodes);
    } else if (is_onnx && node.op_type() == "Dropout") {
      keep_everything(node, opset, nodes);
    } else {
      *nodes.Add() = node;
    }
  }
  return nodes;
}

void to_inference_form(onnx::ModelProto& model, int64_t opset) {
  graph_to_inference_form(*model.mutable_graph(), opset);
  for (onnx::FunctionProto& function : *model.mutable_functions()) {
    onnx::GraphProto body;
    body.mutable_node()->Swap(function.mutable_node());
    for (const std::string& output : function.output()) body.add_output()->set_name(output);
    graph_to_inference_form(body, opset_of(function, opset));
    function.mutable_node()->Swap(body.mutable_node());
  }
}

}  // namespace marvin
