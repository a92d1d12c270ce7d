// Functions: ops whose meaning is a graph of other ops, given by the model or by ONNX. Internal to importer/.
#pragma once

#include <onnx/onnx_pb.h>

#include <map>
#include <optional>
#include <string>

namespace marvin {

// A call of a function: its body with the caller's attributes in place.
struct FunctionCall {
  onnx::GraphProto body;
  int64_t opset = 0;  // of the default domain, that the body is written in
};

// Of the default domain: the function's, or its caller's where it does not say.
int64_t opset_of(const onnx::FunctionProto& function, int64_t caller_opset);

class Functions {
 public:
  // Of the model, which must outlive this.
  explicit Functions(const onnx::ModelProto& model);

  // Null when the node is no call of a function.
  const onnx::FunctionProto* find(const onnx::NodeProto& node) const;
  bool has(const onnx::NodeProto& node) const { return find(node) != nullptr; }
  // Throws Error when the call has more inputs or outputs than the function, and when the function uses an opset that
  // marvin does not read.
  FunctionCall call(const onnx::NodeProto& node, int64_t caller_opset) const;

 private:
  std::map<std::string, const onnx::FunctionProto*> by_name_;
};

}  // namespace marvin
