// Which nodes can run tile by tile.
#pragma once

#include <optional>

#include "runtime/exec/plan.h"
#include "runtime/ir/graph.h"

namespace marvin {

// Of the node's kernel, which must have been selected. None for what runs whole.
std::optional<Tiling> tiling_of(const Graph& graph, NodeId id);

}  // namespace marvin
