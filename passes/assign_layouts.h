#pragma once

#include "runtime/ir/graph.h"

namespace marvin {

// Lets convolutions write their images channels-last where most readers take them so (OpDef::layouts), and
// puts a Reorder before those that do not. Outputs of the graph stay row-major, under their names.
void assign_layouts(Graph& graph);

}  // namespace marvin
