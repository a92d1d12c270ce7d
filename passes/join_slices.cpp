#include "passes/join_slices.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "runtime/ops/op.h"
#include "runtime/ops/types.h"

namespace marvin {
namespace {

// Elements [begin, end) along one axis.
struct Part {
  size_t axis = 0;
  int64_t begin = 0, end = 0;
  NodeId node;
};

class Joiner {
 public:
  explicit Joiner(Graph& graph) : graph_(graph) {}

  void run() {
    std::map<std::pair<ValueId, size_t>, std::vector<Part>> parts;  // by what is cut and along which axis
    for (const NodeId id : live_nodes(graph_))
      if (const std::optional<Part> part = part_of(id)) parts[{graph_[id].inputs[0], part->axis}].push_back(*part);
    for (auto& [cut, list] : parts) {
      std::ranges::sort(list, {}, &Part::begin);
      if (makes_up(list, graph_.type_of(cut.first).shape[cut.second])) join(cut.first, list);
    }
  }

 private:
  // The only integer of a constant operand, `implied` where it is left out.
  std::optional<int64_t> integer(const Node& node, size_t operand, int64_t implied) const {
    if (operand >= node.inputs.size() || !node.inputs[operand].valid()) return implied;
    const Value& value = graph_[node.inputs[operand]];
    if (value.kind != ValueKind::constant || value.type.elements() != 1) return {};
    return to_int64(*value.data)[0];
  }

  std::optional<Part> part_of(NodeId id) const {
    const Node& node = graph_[id];
    if (node.op != "Slice" || node.phase != Phase::forward) return {};
    const std::optional<int64_t> start = integer(node, 1, 0), axis = integer(node, 3, 0), step = integer(node, 4, 1);
    if (!start || !integer(node, 2, 0) || !axis || step != 1) return {};
    const Shape &whole = graph_.type_of(node.inputs[0]).shape, &taken = graph_.type_of(node.outputs[0]).shape;
    Part part{.axis = static_cast<size_t>(normalized_axis(*axis, static_cast<int64_t>(whole.size()))), .node = id};
    part.begin = std::clamp(*start < 0 ? *start + whole[part.axis] : *start, int64_t{0}, whole[part.axis]);
    part.end = part.begin + taken[part.axis];
    return part;
  }

  static bool makes_up(const std::vector<Part>& parts, int64_t extent) {
    int64_t end = 0;
    for (const Part& part : parts) {
      if (part.begin != end || part.end == end) return false;
      end = part.end;
    }
    return parts.size() > 1 && end == extent;
  }

  void join(ValueId whole, const std::vector<Part>& parts) {
    std::vector<int64_t> extents;
    std::vector<std::string> names;
    std::vector<ValueId> slices;
    for (const Part& part : parts) {
      const ValueId slice = graph_[part.node].outputs[0];
      extents.push_back(part.end - part.begin);
      names.push_back(graph_[slice].name);
      slices.push_back(slice);
      graph_.rename(slice, graph_.unused_name(names.back() + ".sliced"));
    }
    Builder builder(graph_, Phase::forward, names[0], graph_[parts[0].node].name);
    Node node{.op = "Split",
              .name = graph_[parts[0].node].name,
              .inputs = {whole, builder.constant_shape(extents)},
              .attrs = {{"axis", static_cast<int64_t>(parts[0].axis)}}};
    const NodeId id = append(graph_, std::move(node), names);
    for (size_t i = 0; i < slices.size(); ++i) replace_uses(graph_, slices[i], graph_[id].outputs[i]);
  }

  Graph& graph_;
};

}  // namespace

void join_slices(Graph& graph) { Joiner(graph).run(); }

}  // namespace marvin
