#include "passes/plan_memory.h"

#include <algorithm>
#include <map>

namespace marvin {
namespace {

class Planner {
 public:
  Planner(const Graph& graph, const std::vector<NodeGroup>& groups)
      : graph_(graph),
        place_(graph.value_count()),
        buffer_(graph.value_count(), -1),
        tile_(graph.value_count(), -1),
        last_use_(graph.value_count(), -1),
        read_whole_(graph.value_count()) {
    for (const NodeGroup& group : groups) {
      plan_.groups.push_back({order_.size(), group.nodes.size(), group.tile});
      for (size_t i = 0; i < group.nodes.size(); ++i) {
        order_.push_back(group.nodes[i]);
        group_of_.push_back(static_cast<int64_t>(plan_.groups.size()) - 1);
        tilings_.push_back(i < group.tilings.size() ? group.tilings[i] : Tiling{});
      }
    }
  }

  Plan plan() {
    plan_.slots = graph_.slots;
    find_last_uses();
    place_sources();
    place_updates();
    for (size_t i = 0; i < order_.size(); ++i) add_step(order_[i], static_cast<int64_t>(i));
    assign();
    bind_outputs();
    add_copies();
    return std::move(plan_);
  }

 private:
  int64_t end() const { return static_cast<int64_t>(order_.size()); }

  // Memory is planned in groups, whose steps take turns: what one of them reads is there for all.
  int64_t group_at(int64_t step) const {
    return step < end() ? group_of_[static_cast<size_t>(step)] : static_cast<int64_t>(plan_.groups.size());
  }

  // The value whose bytes `value` is.
  ValueId root(ValueId value) const {
    while (graph_[value].kind == ValueKind::computed && op_named(graph_[graph_[value].producer].op).view) {
      value = graph_[graph_[value].producer].inputs[0];
    }
    return value;
  }

  std::vector<ValueId> results() const {
    std::vector<ValueId> values = graph_.outputs;
    if (graph_.loss.valid() && std::ranges::find(values, graph_.loss) == values.end()) values.push_back(graph_.loss);
    return values;
  }

  void find_last_uses() {
    for (size_t i = 0; i < order_.size(); ++i) {
      const std::vector<ValueId>& inputs = graph_[order_[i]].inputs;
      for (size_t k = 0; k < inputs.size(); ++k) {
        if (!inputs[k].valid()) continue;
        const uint32_t value = root(inputs[k]).index;
        last_use_[value] = static_cast<int64_t>(i);
        read_whole_[value] = read_whole_[value] || (tilings_[i].in >> k & 1) == 0;
      }
    }
    for (const ValueId value : results()) last_use_[root(value).index] = end();
    for (const Update& update : graph_.updates) last_use_[root(update.next).index] = end();
  }

  void place_sources() {
    for (const ValueId input : graph_.inputs) {
      place_[input.index] = {Place::Kind::input, static_cast<int64_t>(plan_.inputs.size())};
      plan_.inputs.push_back({graph_[input].name, graph_.type_of(input), place_[input.index]});
    }
    for (const NodeId node : order_)
      for (const ValueId input : graph_[node].inputs)
        if (input.valid()) place_source(root(input));
    for (const ValueId value : results()) place_source(root(value));
    for (const Update& update : graph_.updates) {
      place_source(update.state);
      place_source(root(update.next));
    }
  }

  void place_source(ValueId id) {
    const Value& value = graph_[id];
    if (place_[id.index].kind != Place::Kind::none) return;
    if (value.kind == ValueKind::parameter) {
      place_[id.index] = {Place::Kind::parameter, static_cast<int64_t>(plan_.parameters.size())};
      plan_.parameters.push_back({value.name, value.type, place_[id.index]});
    } else if (value.kind == ValueKind::constant) {
      place_[id.index] = {Place::Kind::constant, static_cast<int64_t>(plan_.constants.size())};
      plan_.constants.push_back(value.data);
    }
  }

  // Updates whose next value may be computed right in the parameter.
  void place_updates() {
    std::map<NodeId, int64_t> index;
    for (size_t i = 0; i < order_.size(); ++i) index[order_[i]] = static_cast<int64_t>(i);
    for (const Update& update : graph_.updates) {
      const Value& next = graph_[update.next];
      if (next.kind != ValueKind::computed || place_[update.next.index].kind != Place::Kind::none) continue;
      const OpDef& op = op_named(graph_[next.producer].op);
      if (op.view) continue;
      const int64_t written = index.at(next.producer);
      const int64_t read = last_use_[update.state.index];
      if (group_at(read) < group_at(written) || (read == written && op.in_place))
        place_[update.next.index] = place_[update.state.index];
    }
  }

  void add_step(NodeId id, int64_t now) {
    const Node& node = graph_[id];
    Step& step = plan_.steps.emplace_back();
    step.op = &op_named(node.op);
    step.tiling = tilings_[static_cast<size_t>(now)];
    step.attrs = node.attrs;
    step.phase = node.phase;
    step.out_slot = node.slot;
    for (const ValueId output : node.outputs) {
      step.out_types.push_back(output.valid() ? std::make_unique<Type>(graph_.type_of(output)) : nullptr);
      if (output.valid() && step.label.empty()) step.label = graph_[output].name;
    }
    for (const ValueId input : node.inputs) {
      step.in_types.push_back(input.valid() ? std::make_unique<Type>(graph_.type_of(input)) : nullptr);
      step.in_slots.push_back(slot_of(input));
    }
    step.salt = salt_of(node.slot.valid() ? graph_.slots[node.slot.index].name : step.label);
    for (const Kernel& kernel : step.op->kernels)
      if (kernel.name == node.kernel) step.kernel = &kernel;
    if (!step.kernel) throw std::logic_error(cat("plan_memory: ", node.op, " has no kernel '", node.kernel, "'"));
    place_outputs(node, now);
    prepare(step, now);
  }

  SlotId slot_of(ValueId value) const {
    if (!value.valid()) return {};
    const ValueId source = root(value);
    return graph_[source].kind == ValueKind::computed ? graph_[graph_[source].producer].slot : SlotId{};
  }

  void prepare(Step& step, int64_t now) {
    std::vector<const Type*> in, out;
    for (const auto& type : step.in_types) in.push_back(type.get());
    for (const auto& type : step.out_types) out.push_back(type.get());
    const KernelQuery query{in, out, step.attrs};
    if (step.kernel->prepare) step.prepared = step.kernel->prepare(query);
    if (step.op->macs) step.macs = step.op->macs(query);
    const int64_t group = group_at(now);
    scratch_.push_back(step.prepared.scratch_bytes > 0 ? add_buffer({group, group, step.prepared.scratch_bytes}) : -1);
  }

  int add_buffer(Interval interval) {
    intervals_.push_back(interval);
    return static_cast<int>(intervals_.size()) - 1;
  }

  void place_outputs(const Node& node, int64_t now) {
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const ValueId output = node.outputs[i];
      if (!output.valid() || place_[output.index].kind != Place::Kind::none) continue;
      const int64_t last = std::max(now, last_use_[output.index]);
      if (stays_in_tiles(output, i, now, last)) {
        place_in_tile(node, output, i, now, last);
        continue;
      }
      int& buffer = buffer_[output.index];
      buffer = i == 0 ? dying_operand(node, output, now) : -1;
      if (buffer >= 0) {
        intervals_[static_cast<size_t>(buffer)].last = group_at(last);
      } else {
        buffer = add_buffer({group_at(now), group_at(last), graph_.type_of(output).bytes()});
      }
    }
  }

  // Whether nobody outside of the group, and no step in it that wants the whole value, reads it.
  bool stays_in_tiles(ValueId output, size_t index, int64_t now, int64_t last) const {
    const bool tiled = tilings_[static_cast<size_t>(now)].has_out(index);
    return tiled && group_at(last) == group_at(now) && !read_whole_[output.index];
  }

  // An elementwise node writes over the tile of an operand that dies.
  void place_in_tile(const Node& node, ValueId output, size_t index, int64_t now, int64_t last) {
    int& tile = tile_[output.index];
    for (const ValueId input : node.inputs) {
      if (index > 0 || !op_named(node.op).in_place || !input.valid()) break;
      const ValueId operand = root(input);
      const bool is_alike = graph_.type_of(operand).dtype == graph_.type_of(output).dtype;
      if (tile_[operand.index] >= 0 && last_use_[operand.index] == now && is_alike) tile = tile_[operand.index];
    }
    if (tile < 0) {
      tile = static_cast<int>(tiles_.size());
      tiles_.push_back({now, last, tile_bytes_of(output, now)});
    }
    tiles_[static_cast<size_t>(tile)].last = last;
  }

  int64_t tile_bytes_of(ValueId value, int64_t now) const {
    const Group& group = plan_.groups[static_cast<size_t>(group_at(now))];
    return group.tile * bytes_of(graph_.type_of(value).dtype);
  }

  // The buffer of an operand that this elementwise node may write its output over, or -1.
  int dying_operand(const Node& node, ValueId output, int64_t now) const {
    if (!op_named(node.op).in_place) return -1;
    for (const ValueId input : node.inputs) {
      if (!input.valid() || graph_.type_of(input) != graph_.type_of(output)) continue;
      const ValueId operand = root(input);
      const int buffer = buffer_[operand.index];
      if (buffer < 0 || last_use_[operand.index] != now) continue;
      if (intervals_[static_cast<size_t>(buffer)].last == group_at(now)) return buffer;
    }
    return -1;
  }

  void assign() {
    const std::vector<int64_t> offsets = assign_offsets(intervals_);
    plan_.live_peak_bytes = live_peak(intervals_);
    for (size_t i = 0; i < intervals_.size(); ++i) {
      plan_.arena_bytes = std::max(plan_.arena_bytes, offsets[i] + intervals_[i].bytes);
    }
    place_tiles();
    for (uint32_t i = 0; i < graph_.value_count(); ++i) {
      if (buffer_[i] >= 0) place_[i] = {Place::Kind::arena, offsets[static_cast<size_t>(buffer_[i])]};
    }
    for (size_t i = 0; i < order_.size(); ++i) {
      const Node& node = graph_[order_[i]];
      Step& step = plan_.steps[i];
      for (const ValueId input : node.inputs) step.in.push_back(input.valid() ? place_[root(input).index] : Place{});
      for (const ValueId output : node.outputs) step.out.push_back(output.valid() ? place_[output.index] : Place{});
      if (scratch_[i] >= 0) step.scratch_offset = offsets[static_cast<size_t>(scratch_[i])];
    }
  }

  void place_tiles() {
    const std::vector<int64_t> offsets = assign_offsets(tiles_);
    for (uint32_t i = 0; i < graph_.value_count(); ++i)
      if (tile_[i] >= 0) place_[i] = {Place::Kind::tile, offsets[static_cast<size_t>(tile_[i])]};
    for (size_t i = 0; i < tiles_.size(); ++i)
      plan_.tile_bytes = std::max(plan_.tile_bytes, offsets[i] + tiles_[i].bytes);
  }

  void bind_outputs() {
    for (const ValueId value : results()) {
      plan_.outputs.push_back({graph_[value].name, graph_.type_of(value), place_[root(value).index]});
    }
  }

  void add_copies() {
    for (const Update& update : graph_.updates) {
      const Place from = place_[root(update.next).index];
      const Place to = place_[update.state.index];
      if (from != to) plan_.copies.push_back({from, to.at});
    }
  }

  const Graph& graph_;
  std::vector<NodeId> order_;
  std::vector<int64_t> group_of_;    // by step
  std::vector<Tiling> tilings_;      // by step
  std::vector<Interval> tiles_;      // in steps
  std::vector<Place> place_;         // by value, of roots
  std::vector<int> buffer_;          // by value: index into intervals_
  std::vector<int> tile_;            // by value: index into tiles_
  std::vector<int64_t> last_use_;    // by value, of roots: a step
  std::vector<bool> read_whole_;     // by value, of roots: whether a step reads it that does not go tile by tile
  std::vector<Interval> intervals_;  // in groups
  std::vector<int> scratch_;         // by step
  Plan plan_;
};

}  // namespace

Plan plan_memory(const Graph& graph) { return plan_memory(graph, group_steps(graph)); }

Plan plan_memory(const Graph& graph, const std::vector<NodeGroup>& groups) { return Planner(graph, groups).plan(); }

}  // namespace marvin
