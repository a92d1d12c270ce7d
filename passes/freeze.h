#pragma once

#include <string>
#include <vector>

#include "runtime/ir/graph.h"

namespace marvin {

// The parameters whose names a regular expression (ECMAScript, anywhere in the name) matches. Throws Error when it is
// none, or matches nothing.
std::vector<ValueId> parameters_matching(const Graph& graph, const std::string& pattern);

// Keeps running statistics among these parameters as they are: a BatchNormalization that has both of its own frozen
// normalizes by them, as in inference.
void freeze(Graph& graph, const std::vector<ValueId>& frozen);

}  // namespace marvin
