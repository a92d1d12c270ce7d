// Transposes that a product can do on the way.
#pragma once

#include "runtime/ir/graph.h"

namespace marvin {

// Lets MatMul read what a Transpose reads, with transA or transB, where that swaps the last two axes, as exporters
// write it for a weight. Where other axes move as well, and MatMuls alone read the result, that keeps its name and its
// elements but not its shape: its last two axes stay where they were, so that runs of elements are copied. Before
// differentiation.
void absorb_transposes(Graph& graph);

}  // namespace marvin
