// If, Loop and Scan, written out as the nodes of their bodies. Internal to importer/.
#pragma once

#include "importer/graph_reader.h"

namespace marvin {

bool is_control_flow(const onnx::NodeProto& node);

// If: the branch that a constant condition takes; both branches and a Where otherwise. Loop: the body once per
// iteration; where the condition depends on data, up to the trip count, with states that stay as they are once it is
// false. Scan: the body once per element of the scanned axis. Throws Error when the number of iterations, or a shape,
// depends on data.
Items read_control_flow(GraphReader& reader, const onnx::NodeProto& node, const Items& operands, const Frame& frame);

}  // namespace marvin
