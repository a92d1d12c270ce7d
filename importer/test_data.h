// The data that ONNX's backend tests come with.
#pragma once

#include <string>

#include "importer/onnx_model.h"

namespace marvin {

// The tensor in a .pb file (a TensorProto). Throws Error, naming the file, when there is none or its data are damaged.
Tensor read_tensor_file(const std::string& path);

// What keeps marvin from running the model whatever its ops are: "the input 'x' is a sequence", "the output 'y': the
// element type FLOAT16 is not supported". "" when all types are marvin's.
std::string foreign_type(const OnnxModel& model);

}  // namespace marvin
