#pragma once

#include <string>
#include <vector>

#include "runtime/ir/graph.h"

namespace marvin {

// Adds to the graph the gradient of its loss with respect to each of `wanted` (reverse mode: every op's gradient rule
// builds nodes of the same op vocabulary), and returns them in the same order, none where the loss does not depend on
// it. The gradient of value x is named d.x. Throws Error when a wanted value reaches the loss only through an op
// without a gradient, naming op, node and value.
std::vector<ValueId> differentiate(Graph& graph, const std::vector<ValueId>& wanted);

// The trainable parameters: float parameters that the loss depends on and that no forward update changes
// (BatchNormalization's running statistics are state, not weights), in the order of their making.
std::vector<ValueId> trainable_parameters(const Graph& graph);

}  // namespace marvin
