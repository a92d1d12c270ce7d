// Ops on sequences and optionals, which are resolved while the file is read. Internal to importer/.
#pragma once

#include "importer/graph_reader.h"
#include "importer/item.h"

namespace marvin {

bool is_sequence_op(const onnx::NodeProto& node);

// What the node's outputs stand for. Throws Error where a position, or the number of elements, depends on data.
Items read_sequence_op(GraphReader& reader, const onnx::NodeProto& node, const Items& operands, const Frame& frame);

}  // namespace marvin
