// Writes ops out as others that are faster in the layouts they were given.
#pragma once

#include "runtime/ir/graph.h"

namespace marvin {

// Replaces nodes by what OpDef::lower makes of them; values keep their names.
void lower(Graph& graph);

}  // namespace marvin
