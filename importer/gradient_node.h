// The op Gradient of ai.onnx.preview.training, written out as the nodes that compute it. Internal to importer/.
#pragma once

#include <vector>

#include "importer/graph_reader.h"

namespace marvin {

bool is_gradient(const onnx::NodeProto& node);

// The derivatives of the elements' sum of `y` with respect to each of `xs`, other values that `y` depends on held
// fixed. Throws Error where an attribute is missing, or an op on the way has no gradient.
std::vector<ValueId> read_gradient(GraphReader& reader, const onnx::NodeProto& node, const Frame& frame);

}  // namespace marvin
