#include "passes/select_kernels.h"

namespace marvin {
namespace {

const Kernel* cheapest(const OpDef& op, const KernelQuery& query, std::optional<Backend> backend) {
  const Kernel* first = nullptr;
  for (const Kernel& kernel : op.kernels) {
    if (kernel.admits && !kernel.admits(query)) continue;
    if (!backend || kernel.backend == *backend) return &kernel;
    if (!first) first = &kernel;
  }
  return first;
}

}  // namespace

void select_kernels(Graph& graph, std::optional<Backend> backend) {
  for (const NodeId id : live_nodes(graph)) {
    Node& node = graph[id];
    const OpDef& op = op_named(node.op);
    if (op.view) continue;
    std::vector<const Type*> in, out;
    for (const ValueId input : node.inputs) in.push_back(input.valid() ? &graph.type_of(input) : nullptr);
    for (const ValueId output : node.outputs) out.push_back(output.valid() ? &graph.type_of(output) : nullptr);
    const Kernel* kernel = cheapest(op, {in, out, node.attrs}, backend);
    if (!kernel) {
      throw Error("no kernel of ", node.op, node.name.empty() ? "" : cat(" (node '", node.name, "')"), " takes ",
                  in.empty() || !in[0] ? "its types" : text_of(*in[0]));
    }
    node.kernel = kernel->name;
  }
}

}  // namespace marvin
