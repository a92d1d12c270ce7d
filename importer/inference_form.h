// Takes BatchNormalization and Dropout out of training mode, in protobuf. Internal to importer/.
#pragma once

#include "importer/wiring.h"

namespace marvin {

// The graph's nodes with no BatchNormalization in training mode and no Dropout that drops. Running statistics that
// something reads are what goes in.
NodeProtos inference_nodes(const onnx::GraphProto& graph, int64_t opset);

// The same in place for a model of this opset, its subgraphs and functions too; then nothing speaks of what is gone:
// value_infos of dropped outputs, tensors that only training modes were read from.
void to_inference_form(onnx::ModelProto& model, int64_t opset);

}  // namespace marvin
