#include "passes/fold_constants.h"

#include "runtime/ops/op.h"

namespace marvin {

void fold_constants(Graph& graph) {
  for (const NodeId node : live_nodes(graph)) fold(graph, node);
}

}  // namespace marvin
