#include "passes/absorb_transposes.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "runtime/ops/op.h"

namespace marvin {
namespace {

class Absorber {
 public:
  explicit Absorber(Graph& graph) : graph_(graph), readers_(uses(graph)) {}

  void run() {
    for (const NodeId id : live_nodes(graph_))
      if (graph_[id].op == "Transpose") absorb(id);
  }

 private:
  // Whether the product may read the operand with its last two axes swapped. Rows of a batch are one matrix beside one
  // weight only while they are not columns.
  bool may_swap(const Node& node, size_t operand) const {
    if (node.op != "MatMul" || operand > 1) return false;
    return operand == 1 || graph_.type_of(node.inputs[0]).rank() == 2 || graph_.type_of(node.inputs[1]).rank() > 2;
  }

  bool is_read_otherwise(ValueId value) const {
    if (std::ranges::find(graph_.outputs, value) != graph_.outputs.end()) return true;
    if (std::ranges::find(graph_.updates, value, &Update::next) != graph_.updates.end()) return true;
    return std::ranges::any_of(readers_[value.index], [&](NodeId id) {
      const std::vector<ValueId>& inputs = graph_[id].inputs;
      for (size_t i = 0; i < inputs.size(); ++i)
        if (inputs[i] == value && !may_swap(graph_[id], i)) return true;
      return false;
    });
  }

  void absorb(NodeId id) {
    const ValueId whole = graph_[id].inputs[0], turned = graph_[id].outputs[0];
    std::vector<int64_t> perm = graph_[id].attrs.integers("perm");
    const int64_t rank = static_cast<int64_t>(perm.size());
    if (rank < 2 || perm[perm.size() - 2] != rank - 1) return;
    std::swap(perm[perm.size() - 2], perm[perm.size() - 1]);
    if (std::ranges::is_sorted(perm)) return swap_at_readers(turned, whole);
    if (is_read_otherwise(turned)) return;
    Node node = graph_[id];
    node.attrs.set("perm", perm);
    node.outputs.clear();
    const std::string name = graph_[turned].name;
    graph_.rename(turned, graph_.unused_name(name + ".turned"));
    const NodeId copy = append(graph_, std::move(node), {name});
    swap_at_readers(turned, graph_[copy].outputs[0]);
  }

  void swap_at_readers(ValueId from, ValueId to) {
    for (const NodeId id : readers_[from.index]) {
      for (const size_t i : {0, 1}) {
        if (i >= graph_[id].inputs.size() || graph_[id].inputs[i] != from || !may_swap(graph_[id], i)) continue;
        Node& node = graph_[id];
        const char* flag = i == 0 ? "transA" : "transB";
        node.attrs.set(flag, int64_t{node.attrs.integer(flag) == 0});
        node.inputs[i] = to;
      }
    }
  }

  Graph& graph_;
  std::vector<std::vector<NodeId>> readers_;  // by value, of those that were there before
};

}  // namespace

void absorb_transposes(Graph& graph) { Absorber(graph).run(); }

}  // namespace marvin
