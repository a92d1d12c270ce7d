// Nodes and initializers added to the graph of a file. Internal to importer/.
#pragma once

#include "importer/graph_names.h"
#include "runtime/ir/tensor.h"

namespace marvin {

// New names are those asked for, numbered where the graph has them already.
class NodeWriter {
 public:
  NodeWriter(onnx::GraphProto& graph, int64_t opset) : graph_(graph), opset_(opset), names_(names_in(graph)) {}

  int64_t opset() const { return opset_; }
  std::string unused_name(const std::string& base);

  // Returns the initializer's name.
  std::string add_initializer(const std::string& base, const Tensor& tensor);
  // Behind all others, named as its output is. It stays valid until the next one is added.
  onnx::NodeProto& add_node(const std::string& op, const std::vector<std::string>& inputs, const std::string& output);
  // A Clip with scalar bounds, as attributes before opset 11; there they have to be float32. Returns its output `base`;
  // the bounds are named after `bounded`.
  std::string add_clip(const std::string& x, const std::string& bounded, const Tensor& low, const Tensor& high,
                       const std::string& base);

 private:
  onnx::GraphProto& graph_;
  int64_t opset_;
  Names names_;
};

void add_attribute(onnx::NodeProto& node, const std::string& name, int64_t value);
void add_attribute(onnx::NodeProto& node, const std::string& name, float value);
void add_attribute(onnx::NodeProto& node, const std::string& name, const std::string& value);

}  // namespace marvin
