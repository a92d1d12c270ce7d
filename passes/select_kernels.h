#pragma once

#include <optional>

#include "runtime/ops/op.h"

namespace marvin {

// Gives every live node its cheapest admissible kernel. With a `backend`, its kernels are preferred wherever one
// admits the node. Throws Error when no kernel takes the node's types.
void select_kernels(Graph& graph, std::optional<Backend> backend = std::nullopt);

}  // namespace marvin
