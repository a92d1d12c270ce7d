#include "importer/prepare_file.h"

#include "importer/onnx_file.h"
#include "runtime/ir/error.h"

namespace marvin {
namespace {

// Calls body(node) for every node of the graph and of those inside of it.
template <class Nodes, class Body>
void for_each_node(Nodes& nodes, Body&& body) {
  for (auto& node : nodes) {
    body(node);
    for (int i = 0; i < node.attribute_size(); ++i) {
      if constexpr (std::is_const_v<Nodes>) {
        for_each_node(node.attribute(i).g().node(), body);
        for (const onnx::GraphProto& graph : node.attribute(i).graphs()) for_each_node(graph.node(), body);
      } else {
        onnx::AttributeProto& attribute = *node.mutable_attribute(i);
        if (attribute.has_g()) for_each_node(*attribute.mutable_g()->mutable_node(), body);
        for (onnx::GraphProto& graph : *attribute.mutable_graphs()) for_each_node(*graph.mutable_node(), body);
      }
    }
  }
}

void check_name(const std::string& name) {
  const size_t nul = name.find('\0');
  if (nul == std::string::npos) return;
  throw Error("a name that begins with '", name.substr(0, nul),
              "' goes on behind a NUL character: export the model with ", "another name");
}

}  // namespace

void check_names(const onnx::ModelProto& model) {
  const auto check = [](const onnx::NodeProto& node) {
    check_name(node.name());
    check_name(node.op_type());
    for (const std::string& name : node.input()) check_name(name);
    for (const std::string& name : node.output()) check_name(name);
  };
  for (const onnx::ValueInfoProto& input : model.graph().input()) check_name(input.name());
  for (const onnx::ValueInfoProto& output : model.graph().output()) check_name(output.name());
  for (const onnx::TensorProto& tensor : model.graph().initializer()) check_name(tensor.name());
  for_each_node(model.graph().node(), check);
  for (const onnx::FunctionProto& function : model.functions()) for_each_node(function.node(), check);
}

void make_tensors_of_lists(onnx::ModelProto& model) {
  const auto convert = [](onnx::NodeProto& node) {
    if (node.op_type() != "Constant" || !is_default_domain(node.domain()) || node.attribute_size() != 1) return;
    onnx::AttributeProto& attribute = *node.mutable_attribute(0);
    if (attribute.name() != "value_floats" || !attribute.ref_attr_name().empty()) return;
    onnx::TensorProto tensor;
    tensor.set_data_type(onnx::TensorProto::FLOAT);
    tensor.add_dims(attribute.floats_size());
    *tensor.mutable_float_data() = attribute.floats();
    attribute.clear_floats();
    attribute.set_name("value");
    attribute.set_type(onnx::AttributeProto::TENSOR);
    *attribute.mutable_t() = std::move(tensor);
  };
  for_each_node(*model.mutable_graph()->mutable_node(), convert);
  for (onnx::FunctionProto& function : *model.mutable_functions()) for_each_node(*function.mutable_node(), convert);
}

}  // namespace marvin
