// Small ONNX models, made in code.
#pragma once

#include <onnx/onnx_pb.h>

#include "importer/onnx_model.h"
#include "importer/tensor_proto.h"
#include "tests/data/files.h"

namespace marvin {

inline onnx::ModelProto read_proto(const std::string& path) {
  onnx::ModelProto proto;
  std::ifstream file(path, std::ios::binary);
  if (!proto.ParseFromIstream(&file)) throw std::runtime_error("no model in " + path);
  return proto;
}

inline onnx::AttributeProto attribute(const std::string& name, int64_t value) {
  onnx::AttributeProto proto;
  proto.set_name(name);
  proto.set_type(onnx::AttributeProto::INT);
  proto.set_i(value);
  return proto;
}
inline onnx::AttributeProto attribute(const std::string& name, float value) {
  onnx::AttributeProto proto;
  proto.set_name(name);
  proto.set_type(onnx::AttributeProto::FLOAT);
  proto.set_f(value);
  return proto;
}
inline onnx::AttributeProto attribute(const std::string& name, const std::vector<int64_t>& values) {
  onnx::AttributeProto proto;
  proto.set_name(name);
  proto.set_type(onnx::AttributeProto::INTS);
  proto.mutable_ints()->Assign(values.begin(), values.end());
  return proto;
}
inline onnx::AttributeProto attribute(const std::string& name, const std::vector<float>& values) {
  onnx::AttributeProto proto;
  proto.set_name(name);
  proto.set_type(onnx::AttributeProto::FLOATS);
  proto.mutable_floats()->Assign(values.begin(), values.end());
  return proto;
}
inline onnx::AttributeProto attribute(const std::string& name, const Tensor& tensor) {
  onnx::AttributeProto proto;
  proto.set_name(name);
  proto.set_type(onnx::AttributeProto::TENSOR);
  set_tensor(*proto.mutable_t(), tensor);
  return proto;
}
inline onnx::AttributeProto attribute(const std::string& name, const onnx::GraphProto& graph) {
  onnx::AttributeProto proto;
  proto.set_name(name);
  proto.set_type(onnx::AttributeProto::GRAPH);
  *proto.mutable_g() = graph;
  return proto;
}

// The data of a graph's parameters, by name.
inline TensorMap weights_of(const Graph& graph) {
  TensorMap weights;
  for (uint32_t i = 0; i < graph.value_count(); ++i) {
    const Value& value = graph[ValueId{i}];
    if (value.kind == ValueKind::parameter) weights.emplace(value.name, *value.data);
  }
  return weights;
}

class ModelBuilder {
 public:
  explicit ModelBuilder(int64_t opset = 17, int64_t ir_version = 8) {
    model.set_ir_version(ir_version);
    onnx::OperatorSetIdProto& import = *model.add_opset_import();
    import.set_domain("");
    import.set_version(opset);
    graph().set_name("test");
  }

  // A dimension is a number, or a symbol.
  using Dim = std::variant<int, std::string>;
  ModelBuilder& input(const std::string& name, const std::vector<Dim>& dims, DType dtype = DType::f32) {
    describe(*graph().add_input(), name, dims, dtype);
    return *this;
  }
  ModelBuilder& output(const std::string& name) {
    graph().add_output()->set_name(name);
    return *this;
  }
  ModelBuilder& initializer(const std::string& name, const Tensor& tensor) {
    onnx::TensorProto& proto = *graph().add_initializer();
    proto.set_name(name);
    set_tensor(proto, tensor);
    return *this;
  }
  ModelBuilder& node(const std::string& op, const std::vector<std::string>& inputs,
                     const std::vector<std::string>& outputs, const std::vector<onnx::AttributeProto>& attributes = {},
                     const std::string& name = "") {
    onnx::NodeProto& proto = *graph().add_node();
    proto.set_op_type(op);
    if (!name.empty()) proto.set_name(name);
    for (const std::string& input : inputs) proto.add_input(input);
    for (const std::string& output : outputs) proto.add_output(output);
    for (const onnx::AttributeProto& each : attributes) *proto.add_attribute() = each;
    return *this;
  }
  ModelBuilder& constant(const std::string& name, const Tensor& tensor) {
    return node("Constant", {}, {name}, {attribute("value", tensor)});
  }

  onnx::GraphProto& graph() { return *model.mutable_graph(); }
  const onnx::GraphProto& graph() const { return model.graph(); }
  onnx::NodeProto& last_node() { return *graph().mutable_node(graph().node_size() - 1); }
  OnnxModel load() const {
    const TemporaryDirectory directory;
    return OnnxModel::load(write_file(directory / "model.onnx", model.SerializeAsString()));
  }
  Graph import(const ImportOptions& options = {}) const { return load().import(options); }

  static void describe(onnx::ValueInfoProto& info, const std::string& name, const std::vector<Dim>& dims, DType dtype) {
    info.set_name(name);
    onnx::TypeProto::Tensor& tensor = *info.mutable_type()->mutable_tensor_type();
    tensor.set_elem_type(static_cast<int32_t>(onnx_number_of(dtype)));
    tensor.mutable_shape();
    for (const Dim& dim : dims) {
      onnx::TensorShapeProto::Dimension& proto = *tensor.mutable_shape()->add_dim();
      if (const int* extent = std::get_if<int>(&dim)) proto.set_dim_value(*extent);
      if (const std::string* symbol = std::get_if<std::string>(&dim)) proto.set_dim_param(*symbol);
    }
  }

  onnx::ModelProto model;
};

}  // namespace marvin
