// Which node of a file a node of its graph was read from: functions, branches, loops and ops that are made of others
// leave several, named after them.
#pragma once

#include <span>

#include "importer/node_list.h"
#include "runtime/ir/graph.h"

namespace marvin {

// Null where it cannot be told.
const ListedNode* origin_of(const Graph& graph, NodeId id, std::span<const ListedNode> listed);

}  // namespace marvin
