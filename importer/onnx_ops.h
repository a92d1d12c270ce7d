// Which ops are ONNX's. Internal to importer/.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace marvin {

// The name of the node's op in marvin: its own for ONNX's ops, "" for those of domains that marvin does not read.
std::string canonical_op(const onnx::NodeProto& node);

// Whether marvin reads nodes of this op; functions of the model aside.
bool is_known(const onnx::NodeProto& node);

// Whether some opset of the default domain has an op of this name. The others that marvin knows are its own.
bool is_onnx_op(std::string_view name);

// Whether ONNX gives an op of this name so many outputs and an attribute of this name; marvin's own may have more.
bool has_outputs(std::string_view onnx_op, size_t outputs);
bool has_attribute(std::string_view onnx_op, const std::string& attribute);

}  // namespace marvin
