#pragma once

#include "runtime/ir/graph.h"

namespace marvin {

// Computes at compile time what depends on constants alone, or on shapes alone.
void fold_constants(Graph& graph);

}  // namespace marvin
