#include "importer/functions.h"

#include <google/protobuf/unknown_field_set.h>

#include <algorithm>

#include "importer/graph_names.h"
#include "importer/onnx_file.h"
#include "runtime/ir/error.h"

namespace marvin {
namespace {

// Fields newer than the protobuf classes.
constexpr int kNodeOverload = 8, kFunctionOverload = 13, kFunctionAttributeProto = 11;

std::string text_field(const google::protobuf::Message& message, int number) {
  const google::protobuf::UnknownFieldSet& fields = message.GetReflection()->GetUnknownFields(message);
  for (int i = 0; i < fields.field_count(); ++i) {
    const google::protobuf::UnknownField& field = fields.field(i);
    if (field.number() == number && field.type() == google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED) {
      return field.length_delimited();
    }
  }
  return "";
}

std::string key(const std::string& domain, const std::string& name, const std::string& overload) {
  return cat(is_default_domain(domain) ? "" : domain, "\n", name, "\n", overload);
}

using Attributes = std::map<std::string, onnx::AttributeProto>;

// What the attributes of the function are in this call: the caller's, or the function's defaults.
Attributes attributes_of(const onnx::FunctionProto& function, const onnx::NodeProto& node) {
  Attributes attributes;
  const google::protobuf::UnknownFieldSet& fields = function.GetReflection()->GetUnknownFields(function);
  for (int i = 0; i < fields.field_count(); ++i) {
    const google::protobuf::UnknownField& field = fields.field(i);
    if (field.number() != kFunctionAttributeProto ||
        field.type() != google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED)
      continue;
    onnx::AttributeProto attribute;
    if (!attribute.ParseFromString(field.length_delimited())) throw Error("a default of an attribute is not readable");
    attributes.insert_or_assign(attribute.name(), attribute);
  }
  for (const onnx::AttributeProto& attribute : node.attribute())
    attributes.insert_or_assign(attribute.name(), attribute);
  return attributes;
}

// Puts the caller's attributes where the body refers to them; those that the caller leaves out go.
void bind_attributes(onnx::NodeProto& node, const Attributes& attributes) {
  for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
    if (attribute.has_g())
      for (onnx::NodeProto& inner : *attribute.mutable_g()->mutable_node()) bind_attributes(inner, attributes);
    const auto given = attributes.find(attribute.ref_attr_name());
    if (attribute.ref_attr_name().empty() || given == attributes.end()) continue;
    const std::string name = attribute.name();
    attribute = given->second;
    attribute.set_name(name);
  }
  erase_if(*node.mutable_attribute(),
           [](const onnx::AttributeProto& attribute) { return !attribute.ref_attr_name().empty(); });
}

}  // namespace

int64_t opset_of(const onnx::FunctionProto& function, int64_t caller_opset) {
  for (const onnx::OperatorSetIdProto& import : function.opset_import())
    if (is_default_domain(import.domain())) return import.version();
  return caller_opset;
}

Functions::Functions(const onnx::ModelProto& model) {
  for (const onnx::FunctionProto& function : model.functions()) {
    by_name_.emplace(key(function.domain(), function.name(), text_field(function, kFunctionOverload)), &function);
  }
}

const onnx::FunctionProto* Functions::find(const onnx::NodeProto& node) const {
  if (by_name_.empty()) return nullptr;
  const auto entry = by_name_.find(key(node.domain(), node.op_type(), text_field(node, kNodeOverload)));
  return entry == by_name_.end() ? nullptr : entry->second;
}

FunctionCall Functions::call(const onnx::NodeProto& node, int64_t caller_opset) const {
  const onnx::FunctionProto& function = *find(node);
  FunctionCall call{.body = {}, .opset = opset_of(function, caller_opset)};
  if (call.opset < kMinOpset || call.opset > kMaxOpset) {
    throw Error("the function '", function.name(), "' uses opset ", call.opset, "; marvin reads ", kMinOpset, " to ",
                kMaxOpset);
  }
  if (node.input_size() > function.input_size() || node.output_size() > function.output_size()) {
    throw Error("the function has ", function.input_size(), " inputs and ", function.output_size(), " outputs, not ",
                node.input_size(), " and ", node.output_size());
  }
  call.body.set_name(function.name());
  for (const std::string& input : function.input()) call.body.add_input()->set_name(input);
  for (const std::string& output : function.output()) call.body.add_output()->set_name(output);
  const Attributes attributes = attributes_of(function, node);
  for (const onnx::NodeProto& inner : function.node()) {
    onnx::NodeProto& copy = *call.body.add_node();
    copy = inner;
    bind_attributes(copy, attributes);
  }
  return call;
}

}  // namespace marvin
