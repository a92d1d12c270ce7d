#include "importer/gradient_node.h"

#include "importer/node_attributes.h"
#include "passes/differentiate.h"

namespace marvin {
namespace {

const onnx::AttributeProto& attribute_of(const onnx::NodeProto& node, std::string_view name) {
  for (const onnx::AttributeProto& attribute : node.attribute())
    if (attribute.name() == name) return attribute;
  throw Error("attribute '", name, "' is missing");
}

}  // namespace

bool is_gradient(const onnx::NodeProto& node) {
  return node.domain() == "ai.onnx.preview.training" && node.op_type() == "Gradient";
}

std::vector<ValueId> read_gradient(GraphReader& reader, const onnx::NodeProto& node, const Frame& frame) {
  Graph& graph = reader.graph();
  std::vector<ValueId> wanted;
  for (const std::string& name : attribute_of(node, "xs").strings()) wanted.push_back(reader.value_named(frame, name));
  const ValueId y = reader.value_named(frame, attribute_of(node, "y").s());

  Builder builder = reader.builder_for(node, frame);
  const auto first_node = static_cast<uint32_t>(graph.node_count());
  const ValueId loss = graph.loss;
  graph.loss = builder.build("ReduceSum", {y}, {{"keepdims", int64_t{0}}});
  std::vector<ValueId> gradients = differentiate(graph, wanted);
  graph.loss = loss;
  // They are part of what the model computes.
  for (uint32_t i = first_node; i < graph.node_count(); ++i) graph[NodeId{i}].phase = Phase::forward;
  for (size_t i = 0; i < gradients.size(); ++i) {
    if (gradients[i].valid()) continue;
    const ValueId zero = builder.scalar_like(wanted[i], 0);
    gradients[i] = builder.build("Expand", {zero, builder.constant_shape(graph.type_of(wanted[i]).shape)});
  }
  return gradients;
}

}  // namespace marvin
