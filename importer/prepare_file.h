// What happens to a file as soon as it is read. Internal to importer/.
#pragma once

#include <onnx/onnx_pb.h>

namespace marvin {

// Throws Error where a name in the model's graph, its subgraphs or functions holds a NUL, at which messages and files
// of arrays would cut it short.
void check_names(const onnx::ModelProto& model);

// Gives every Constant node that holds a list of floats (attribute `value_floats`) the same as a tensor, which training
// can write.
void make_tensors_of_lists(onnx::ModelProto& model);

}  // namespace marvin
