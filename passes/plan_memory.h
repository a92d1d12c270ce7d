#pragma once

#include "runtime/exec/plan.h"

namespace marvin {

// Lays a graph with kernels selected out as a plan: order, lifetimes, one arena, prepared kernels. Views share the bytes
// of what they view; elementwise ops write over an operand that dies; an update is written straight into its parameter
// where nothing reads the old value afterwards, and copied after the last step otherwise.
Plan plan_memory(const Graph& graph);

}  // namespace marvin
