// Attributes of a node of the file. Internal to importer/.
#pragma once

#include <onnx/onnx_pb.h>

#include <filesystem>

#include "importer/opset_quirks.h"

namespace marvin {

// The type, which files of the first IR versions do not say.
onnx::AttributeProto::AttributeType attribute_type(const onnx::AttributeProto& attribute);

// Adds numbers, lists, strings and tensors to the node; graphs are not its concern. Throws Error on other types.
void add_attribute(ModelNode& node, const onnx::AttributeProto& attribute, const std::filesystem::path& directory);

// Of a Constant node.  Throws Error when it has none, or one of strings.
Tensor constant_value(const ModelNode& node);

// `otherwise` when the node has no such attribute.
int64_t integer_attribute(const onnx::NodeProto& node, std::string_view name, int64_t otherwise);

// Null when the node has no such graph.
const onnx::GraphProto* graph_attribute(const onnx::NodeProto& node, std::string_view name);

// Calls `body` with every graph that the node holds.
template <class Body>
void for_each_subgraph(const onnx::NodeProto& node, Body&& body) {
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (attribute.has_g()) body(attribute.g());
    for (const onnx::GraphProto& graph : attribute.graphs()) body(graph);
  }
}

}  // namespace marvin
