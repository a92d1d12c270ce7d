#include "importer/node_writer.h"

#include "importer/tensor_proto.h"
#include "runtime/ir/error.h"

namespace marvin {
namespace {

constexpr int64_t kOpsetOfClipOperands = 11;

onnx::AttributeProto& new_attribute(onnx::NodeProto& node, const std::string& name,
                                    onnx::AttributeProto::AttributeType type) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(type);
  return attribute;
}

}  // namespace

std::string NodeWriter::unused_name(const std::string& base) {
  std::string name = base;
  for (int i = 2; !names_.insert(name).second; ++i) name = cat(base, ".", i);
  return name;
}

std::string NodeWriter::add_initializer(const std::string& base, const Tensor& tensor) {
  std::string name = unused_name(base);
  onnx::TensorProto& proto = *graph_.add_initializer();
  proto.set_name(name);
  set_tensor(proto, tensor);
  return name;
}

onnx::NodeProto& NodeWriter::add_node(const std::string& op, const std::vector<std::string>& inputs,
                                      const std::string& output) {
  onnx::NodeProto& node = *graph_.add_node();
  node.set_op_type(op);
  node.set_name(output);
  for (const std::string& input : inputs) node.add_input(input);
  node.add_output(output);
  return node;
}

std::string NodeWriter::add_clip(const std::string& x, const std::string& bounded, const Tensor& low,
                                 const Tensor& high, const std::string& base) {
  std::string output = unused_name(base);
  if (opset_ >= kOpsetOfClipOperands) {
    const std::string least = add_initializer(bounded + "_min", low);
    add_node("Clip", {x, least, add_initializer(bounded + "_max", high)}, output);
  } else {
    onnx::NodeProto& node = add_node("Clip", {x}, output);
    add_attribute(node, "min", low.as<float>()[0]);
    add_attribute(node, "max", high.as<float>()[0]);
  }
  return output;
}

void add_attribute(onnx::NodeProto& node, const std::string& name, int64_t value) {
  new_attribute(node, name, onnx::AttributeProto::INT).set_i(value);
}

void add_attribute(onnx::NodeProto& node, const std::string& name, float value) {
  new_attribute(node, name, onnx::AttributeProto::FLOAT).set_f(value);
}

void add_attribute(onnx::NodeProto& node, const std::string& name, const std::string& value) {
  new_attribute(node, name, onnx::AttributeProto::STRING).set_s(value);
}

}  // namespace marvin
