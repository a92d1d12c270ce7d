// The tensors of a file that weights can be written back to. Internal to importer/.
#pragma once

#include <onnx/onnx_pb.h>

#include <string>
#include <vector>

namespace marvin {

// By the name that a parameter made of it has: its own in the model's graph; in a node's graph that of the node's first
// output and of the attribute in front ("y/then_branch/w"), in a function that of the function ("domain.F/w").
struct WritableTensor {
  std::string name;
  const onnx::TensorProto* tensor;
};

// Initializers, and the attribute `value` of Constant nodes, wherever they are. Names that do not tell two apart are
// left out.
std::vector<WritableTensor> writable_tensors(const onnx::ModelProto& model);

// What stands in front of the names of a graph that is an attribute of `node`; `outer`: of the graph that the node is
// in.
std::string path_of(const std::string& outer, const onnx::NodeProto& node, const onnx::GraphProto& body);
std::string path_of(const onnx::FunctionProto& function);

// The tensor that a Constant node holds as attribute `value`; null when the node is another one.
const onnx::TensorProto* tensor_of_constant(const onnx::NodeProto& node);

}  // namespace marvin
