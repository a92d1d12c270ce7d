// Tensors in protobuf. Internal to importer/.
#pragma once

#include <onnx/onnx_pb.h>

#include <filesystem>

#include "runtime/ir/tensor.h"

namespace marvin {

// The shape; extents are checked, memory is not claimed yet.
Type type_of(const onnx::TensorProto& proto);

// The elements, wherever they are: raw_data, the typed field, or a file below `directory`. Their number is checked
// against the shape before memory is claimed. Throws Error on sizes that disagree and on external data that is missing,
// cut short, or outside `directory`, links resolved.
Tensor tensor_from(const onnx::TensorProto& proto, const std::filesystem::path& directory);

// Replaces dims, type and elements; elements go into raw_data.
void set_tensor(onnx::TensorProto& proto, const Tensor& tensor);

// Replaces the elements by others of the same type and shape, in the field that they are in; those of 16-bit floats
// come as float32. Throws Error when type or shape differ.
void overwrite(onnx::TensorProto& proto, const Tensor& tensor);

// Moves elements from a file below `directory` into raw_data.
void embed_external(onnx::TensorProto& proto, const std::filesystem::path& directory);

// Takes the elements out, which are then those that the file `location` beside the model has at this offset. Returns
// them as that file holds them.
std::string move_out(onnx::TensorProto& proto, const std::string& location, int64_t offset);

}  // namespace marvin
