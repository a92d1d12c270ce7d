// Slices that together are a Split.
#pragma once

#include "runtime/ir/graph.h"

namespace marvin {

// Makes one Split of the Slices that cut a value into consecutive parts along an axis, as exporters write it for
// chunk(): the gradient then puts the parts side by side, instead of adding them up among zeros. Values keep their
// names. Before differentiation.
void join_slices(Graph& graph);

}  // namespace marvin
