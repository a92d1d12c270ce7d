// Lets the backward pass compute again what it would otherwise have to keep.
#pragma once

#include "runtime/ir/graph.h"

namespace marvin {

// A large forward value that backward nodes read element by element, and that follows element by element from values
// that they read anyway, is computed a second time where it is read: it need not be kept, nor written at all where
// forward nodes do not want it either. Kernels must have been selected. The same bits.
void recompute(Graph& graph);

}  // namespace marvin
