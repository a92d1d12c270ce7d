#include "passes/group_steps.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "passes/tilings.h"

namespace marvin {
namespace {

constexpr int64_t kTile = 16384;          // elements wanted: a few such vectors of float32 fit into a core's cache
constexpr int64_t kLargestTile = 131072;  // where grains do not allow fewer

class Grouper {
 public:
  explicit Grouper(const Graph& graph) : graph_(graph), made_(graph.value_count()) {}

  std::vector<NodeGroup> run() {
    for (const NodeId id : live_nodes(graph_))
      if (!op_named(graph_[id].op).view) add(id);
    std::vector<NodeGroup> result;
    for (Open& open : groups_) {
      if (open.group.nodes.empty()) continue;
      if (open.group.nodes.size() > 1)
        open.group.tile = std::max<int64_t>(1, kTile / open.grain) * open.grain;
      else
        open.group.tilings.clear();
      result.push_back(std::move(open.group));
    }
    return result;
  }

 private:
  struct Open {
    NodeGroup group;
    int64_t elements = 0, grain = 1;  // 0: runs whole, no node can join
    bool is_read = false;             // by a node of another group
  };
  // Where a value is made: in which group, and whether tile by tile.
  struct Made {
    int64_t group = -1;
    bool tiled = false;
  };

  ValueId root(ValueId value) const {
    while (graph_[value].kind == ValueKind::computed && op_named(graph_[graph_[value].producer].op).view)
      value = graph_[graph_[value].producer].inputs[0];
    return value;
  }

  Open& at(int64_t group) { return groups_[static_cast<size_t>(group)]; }
  const Open& at(int64_t group) const { return groups_[static_cast<size_t>(group)]; }

  void add(NodeId id) {
    const Node& node = graph_[id];
    // Optimizers run alone: they write parameters in place, of which others may read any element.
    const std::optional<Tiling> tiling = node.phase == Phase::update ? std::nullopt : tiling_of(graph_, id);
    std::vector<int64_t> makers;  // of operands
    for (const ValueId input : node.inputs)
      if (input.valid() && made_[root(input).index].group >= 0) makers.push_back(made_[root(input).index].group);
    int64_t group = makers.empty() ? -1 : std::ranges::max(makers);
    if (group < 0 || !tiling || !joins(node, *tiling, group)) {
      group = static_cast<int64_t>(groups_.size());
      groups_.emplace_back();
      if (tiling) at(group).elements = tiling->elements;
    }
    for (const int64_t maker : makers) {
      if (maker == group || at(maker).group.nodes.empty()) continue;
      if (tiling && !at(maker).is_read && fits(at(maker), at(group)) && joins(node, *tiling, maker))
        move(maker, group);
      else
        at(maker).is_read = true;
    }
    append(id, tiling, group);
  }

  void append(NodeId id, const std::optional<Tiling>& tiling, int64_t group) {
    Open& open = at(group);
    open.group.nodes.push_back(id);
    if (tiling) {
      open.grain = std::lcm(open.grain, tiling->grain);
      open.group.tilings.push_back(*tiling);
    }
    const std::vector<ValueId>& outputs = graph_[id].outputs;
    for (size_t i = 0; i < outputs.size(); ++i)
      if (outputs[i].valid()) made_[outputs[i].index] = {group, tiling && tiling->has_out(i)};
  }

  // Whether every operand is there when a tile of the group is at this node.
  bool joins(const Node& node, const Tiling& tiling, int64_t group) const {
    if (at(group).elements != tiling.elements || std::lcm(at(group).grain, tiling.grain) > kLargestTile) return false;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (!node.inputs[i].valid()) continue;
      const Made& made = made_[root(node.inputs[i]).index];
      if (made.group == group && !(made.tiled && tiling.has_in(i))) return false;
    }
    return true;
  }

  static bool fits(const Open& from, const Open& to) {
    return from.elements == to.elements && std::lcm(from.grain, to.grain) <= kLargestTile;
  }

  // Down to a later group; nobody between them reads what it makes.
  void move(int64_t from, int64_t to) {
    const NodeGroup moved = std::exchange(at(from).group, {});
    for (size_t i = 0; i < moved.nodes.size(); ++i) append(moved.nodes[i], moved.tilings[i], to);
  }

  const Graph& graph_;
  std::vector<Made> made_;  // by value
  std::vector<Open> groups_;
};

}  // namespace

std::vector<NodeGroup> group_steps(const Graph& graph) { return Grouper(graph).run(); }

}  // namespace marvin
