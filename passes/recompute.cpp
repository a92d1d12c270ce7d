#include "passes/recompute.h"

#include <algorithm>
#include <map>

#include "passes/tilings.h"

namespace marvin {
namespace {

constexpr int64_t kLargeElements = 8192;
constexpr int kMostNodes = 3;  // that are run again for one value

class Recomputer {
 public:
  explicit Recomputer(Graph& graph) : graph_(graph), readers_(uses(graph)), effort_(graph.value_count(), kNever) {}

  void run() {
    const std::vector<NodeId> order = live_nodes(graph_);
    for (const NodeId id : order)
      if (graph_[id].phase == Phase::forward) judge(id);
    for (const NodeId id : order)
      if (graph_[id].phase == Phase::backward) rewire(id);
  }

 private:
  static constexpr int kNever = -1;  // lost once the forward pass has used it, unless it is kept

  bool is_large(ValueId value) const { return graph_.type_of(value).elements() >= kLargeElements; }

  // Whether a later phase wants the whole value.
  bool is_kept(ValueId value) const {
    const std::vector<NodeId>& readers = readers_[value.index];
    const bool is_result = std::ranges::find(graph_.outputs, value) != graph_.outputs.end();
    return is_result || std::ranges::any_of(readers, [&](NodeId id) {
             return graph_[id].phase != Phase::forward && !reads_tiles(id, value);
           });
  }

  bool is_read_backward(ValueId value) const {
    return std::ranges::any_of(readers_[value.index], [&](NodeId id) { return graph_[id].phase != Phase::forward; });
  }

  bool reads_tiles(NodeId id, ValueId value) const {
    const std::optional<Tiling> tiling = tiling_of(graph_, id);
    if (!tiling) return false;
    const std::vector<ValueId>& inputs = graph_[id].inputs;
    for (size_t i = 0; i < inputs.size(); ++i)
      if (inputs[i] == value && !tiling->has_in(i)) return false;
    return true;
  }

  // How many nodes must run again to have the outputs; 0 where they are there.
  void judge(NodeId id) {
    const Node& node = graph_[id];
    const int effort = effort_of(id);
    for (const ValueId output : node.outputs) {
      if (!output.valid()) continue;
      const bool derives = effort != kNever && !is_kept(output);
      effort_[output.index] = derives ? effort : is_kept(output) || is_read_backward(output) ? 0 : kNever;
    }
  }

  int effort_of(NodeId id) const {
    const Node& node = graph_[id];
    const OpDef& op = op_named(node.op);
    const std::optional<Tiling> tiling = tiling_of(graph_, id);
    if (!tiling || op.random || node.outputs.size() != 1 || tiling->out != 1 || !is_large(node.outputs[0]))
      return kNever;
    int effort = 1;
    for (const ValueId input : node.inputs) {
      if (!input.valid() || graph_[input].kind != ValueKind::computed || !is_large(input)) continue;
      if (effort_[input.index] == kNever) return kNever;
      effort += effort_[input.index];
    }
    return effort <= kMostNodes ? effort : kNever;
  }

  void rewire(NodeId id) {
    for (size_t i = 0; i < graph_[id].inputs.size(); ++i) {
      const ValueId input = graph_[id].inputs[i];
      if (input.valid() && input.index < effort_.size() && effort_[input.index] > 0) {
        const ValueId again = computed_again(input);
        graph_[id].inputs[i] = again;
      }
    }
  }

  ValueId computed_again(ValueId value) {
    if (!value.valid() || effort_[value.index] <= 0) return value;
    const auto known = again_.find(value);
    if (known != again_.end()) return known->second;
    Node node = graph_[graph_[value].producer];
    for (ValueId& input : node.inputs) input = computed_again(input);
    node.phase = Phase::backward;
    node.outputs.clear();
    const std::string kernel = node.kernel;
    const NodeId id = append(graph_, std::move(node), {graph_.unused_name(graph_[value].name + ".again")});
    graph_[id].kernel = kernel;
    return again_[value] = graph_[id].outputs[0];
  }

  Graph& graph_;
  std::vector<std::vector<NodeId>> readers_;  // by value, of those that were there before
  std::vector<int> effort_;                   // the same
  std::map<ValueId, ValueId> again_;
};

}  // namespace

void recompute(Graph& graph) { Recomputer(graph).run(); }

}  // namespace marvin
