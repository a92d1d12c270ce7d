// A model that is exported, and what to look at in the file.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/importer/model_builder.h"

namespace marvin {

inline ModelBuilder perceptron(int64_t opset = 17) {
  ModelBuilder model(opset);
  model.input("x", {"batch", 3}).initializer("w", Tensor::of<float>({3, 2}, {0.5f, -0.26f, 0.1f, 3, -8, 0.03f}));
  model.initializer("b", Tensor::of<float>({2}, {1, 2}));
  model.node("Gemm", {"x", "w", "b"}, {"y"}, {}, "fc").output("y");
  return model;
}

// With normalization and dropout in training mode behind.
inline ModelBuilder training_model() {
  ModelBuilder model = perceptron();
  model.graph().mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(0)->set_dim_value(
      4);
  for (const char* name : {"scale", "bias", "mean", "var"}) model.initializer(name, Tensor::of<float>({2}, {1, 1}));
  model.node("BatchNormalization", {"y", "scale", "bias", "mean", "var"}, {"n", "m", "v"},
             {attribute("training_mode", int64_t{1})});
  model.constant("ratio", Tensor::scalar(0.5f)).constant("training", Tensor::scalar(true));
  model.node("Dropout", {"n", "ratio", "training"}, {"z"}).output("z");
  for (const char* name : {"y", "m", "v"})
    ModelBuilder::describe(*model.graph().add_value_info(), name, {2}, DType::f32);
  return model;
}

inline const onnx::TensorProto* initializer(const onnx::ModelProto& model, const std::string& name) {
  for (const onnx::TensorProto& tensor : model.graph().initializer())
    if (tensor.name() == name) return &tensor;
  return nullptr;
}

inline Tensor value_of(const onnx::ModelProto& model, const std::string& name) {
  const onnx::TensorProto* tensor = initializer(model, name);
  REQUIRE(tensor);
  return tensor_from(*tensor, {});
}

inline const onnx::NodeProto& maker(const onnx::ModelProto& model, const std::string& name) {
  for (const onnx::NodeProto& node : model.graph().node())
    if (std::ranges::find(node.output(), name) != node.output().end()) return node;
  throw std::runtime_error("nothing makes " + name);
}

inline std::vector<std::string> ops(const onnx::ModelProto& model) {
  std::vector<std::string> names;
  for (const onnx::NodeProto& node : model.graph().node()) names.push_back(node.op_type());
  return names;
}

inline std::string metadata(const onnx::ModelProto& model, const std::string& key) {
  for (const onnx::StringStringEntryProto& entry : model.metadata_props())
    if (entry.key() == key) return entry.value();
  return "";
}

}  // namespace marvin
