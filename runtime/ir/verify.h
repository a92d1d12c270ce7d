#pragma once

#include "runtime/ir/graph.h"

namespace marvin {

// Throws std::logic_error naming the first broken invariant. Types against ops are ops/op.h's verify_types.
//
//  1. Every id in a table is in range; every value's producer lists it as that output, and the other way round.
//  2. Inputs are of kind input, updates' states of kind parameter, each state updated once, types of both sides equal.
//  3. Constants have data of their type; parameters have data of their type or none.
//  4. The live graph has no cycle, and no phase reads from a later one.
//  5. The loss, where there is one, is a float scalar (no or one element).
//  6. A node's slot is in range.
void verify(const Graph& graph);

}  // namespace marvin
