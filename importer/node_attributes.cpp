#include "importer/node_attributes.h"

#include "importer/tensor_proto.h"
#include "runtime/ir/error.h"

namespace marvin {

using Proto = onnx::AttributeProto;

Proto::AttributeType attribute_type(const Proto& attribute) {
  if (attribute.type() != Proto::UNDEFINED) return attribute.type();
  if (attribute.has_i()) return Proto::INT;
  if (attribute.has_f()) return Proto::FLOAT;
  if (attribute.has_s()) return Proto::STRING;
  if (attribute.has_t()) return Proto::TENSOR;
  if (attribute.has_g()) return Proto::GRAPH;
  if (attribute.strings_size() > 0) return Proto::STRINGS;
  return attribute.floats_size() > 0 ? Proto::FLOATS : Proto::INTS;
}

void add_attribute(ModelNode& node, const Proto& attribute, const std::filesystem::path& directory) {
  const std::string& name = attribute.name();
  switch (attribute_type(attribute)) {
    case Proto::INT:
      return node.attrs.set(name, attribute.i());
    case Proto::FLOAT:
      return node.attrs.set(name, attribute.f());
    case Proto::STRING:
      return node.attrs.set(name, attribute.s());
    case Proto::INTS:
      return node.attrs.set(name, std::vector<int64_t>(attribute.ints().begin(), attribute.ints().end()));
    case Proto::FLOATS:
      return node.attrs.set(name, std::vector<float>(attribute.floats().begin(), attribute.floats().end()));
    case Proto::TENSOR:
      node.tensors.insert_or_assign(name, tensor_from(attribute.t(), directory));
      return;
    case Proto::STRINGS:
      return node.attrs.set(name, std::vector<std::string>(attribute.strings().begin(), attribute.strings().end()));
    case Proto::GRAPH:
      return;
    default:
      throw Error("attribute '", name, "' is of type ", Proto::AttributeType_Name(attribute_type(attribute)),
                  ", which is not supported");
  }
}

Tensor constant_value(const ModelNode& node) {
  const auto tensor = node.tensors.find("value");
  if (tensor != node.tensors.end()) return tensor->second;
  for (const auto& [name, value] : node.attrs) {
    if (const auto* number = std::get_if<int64_t>(&value); number && name == "value_int")
      return Tensor::scalar(*number);
    if (const auto* number = std::get_if<float>(&value); number && name == "value_float")
      return Tensor::scalar(*number);
    if (const auto* list = std::get_if<std::vector<int64_t>>(&value); list && name == "value_ints") {
      return Tensor::of<int64_t>({static_cast<int64_t>(list->size())}, *list);
    }
    if (const auto* list = std::get_if<std::vector<float>>(&value); list && name == "value_floats") {
      return Tensor::of<float>({static_cast<int64_t>(list->size())}, *list);
    }
  }
  throw Error("has no value, or one of a kind that is not supported (strings, sparse)");
}

int64_t integer_attribute(const onnx::NodeProto& node, std::string_view name, int64_t otherwise) {
  for (const Proto& attribute : node.attribute())
    if (attribute.name() == name) return attribute.i();
  return otherwise;
}

const onnx::GraphProto* graph_attribute(const onnx::NodeProto& node, std::string_view name) {
  for (const Proto& attribute : node.attribute())
    if (attribute.name() == name && attribute.has_g()) return &attribute.g();
  return nullptr;
}

}  // namespace marvin
