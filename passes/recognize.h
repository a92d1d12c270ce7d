// Ops that files write out as others.
#pragma once

#include "runtime/ir/graph.h"

namespace marvin {

// Puts one Gelu where the file computes it by arithmetic, as exporters to opsets before 20 do: x / 2 (1 + erf(x / sqrt
// 2)) and x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), factors and terms in any order. Values keep their names.
// Before differentiation: the gradient is then one op as well.
void recognize(Graph& graph);

}  // namespace marvin
