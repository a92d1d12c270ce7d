#pragma once

#include "passes/group_steps.h"
#include "runtime/exec/plan.h"

namespace marvin {

// Lays a graph with kernels selected out as a plan: order, lifetimes, one arena, prepared kernels. Views share the
// bytes of what they view; elementwise ops write over an operand that dies; an update is written straight into its
// parameter where nothing reads the old value afterwards, and copied after the last step otherwise. What steps of a
// group hand to each other alone is never written to the arena.
Plan plan_memory(const Graph& graph);
// In these groups, which hold every live node that is no view, in an order that can be run.
Plan plan_memory(const Graph& graph, const std::vector<NodeGroup>& groups);

}  // namespace marvin
