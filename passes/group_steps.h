// Decides which nodes run together, tile by tile.
#pragma once

#include <vector>

#include "runtime/exec/plan.h"
#include "runtime/ir/graph.h"

namespace marvin {

struct NodeGroup {
  std::vector<NodeId> nodes;    // in the order in which they run
  std::vector<Tiling> tilings;  // one per node, of a group of several
  int64_t tile = 0;             // elements of a tile; 0 for a single node
};

// The live nodes that are no views, in groups, every group after those that it reads from. A node joins the group of
// the operand that is made last, where the kernels of both go over the same elements, and brings along those of its
// other operands that nobody else has read. Kernels must have been selected.
std::vector<NodeGroup> group_steps(const Graph& graph);

}  // namespace marvin
