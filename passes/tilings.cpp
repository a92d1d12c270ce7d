#include "passes/tilings.h"

#include <algorithm>

namespace marvin {

std::optional<Tiling> tiling_of(const Graph& graph, NodeId id) {
  const Node& node = graph[id];
  if (std::max(node.inputs.size(), node.outputs.size()) > kMaxTileOperands) return {};
  std::vector<const Type*> in, out;
  for (const ValueId input : node.inputs) in.push_back(input.valid() ? &graph.type_of(input) : nullptr);
  for (const ValueId output : node.outputs) out.push_back(output.valid() ? &graph.type_of(output) : nullptr);
  const OpDef& op = op_named(node.op);
  const auto kernel = std::ranges::find(op.kernels, node.kernel, &Kernel::name);
  if (kernel == op.kernels.end()) return {};
  const std::optional<Tiling> tiling = tiling_of(op, *kernel, {in, out, node.attrs});
  return tiling && tiling->elements > 0 ? tiling : std::nullopt;
}

}  // namespace marvin
