#include "passes/assign_layouts.h"

#include <algorithm>
#include <map>

#include "runtime/ops/op.h"

namespace marvin {
namespace {

class LayoutWriter {
 public:
  explicit LayoutWriter(Graph& graph) : graph_(graph), order_(live_nodes(graph)), wanted_(graph.value_count()) {
    const std::vector<std::vector<NodeId>> readers = uses(graph);
    for (auto id = order_.rbegin(); id != order_.rend(); ++id)
      for (const ValueId output : graph[*id].outputs)
        if (output.valid()) wanted_[output.index] = is_wanted(output, readers[output.index]);
  }

  void run() {
    for (const NodeId id : order_) assign(id);
    for (ValueId& output : graph_.outputs)
      if (is_last(output)) output = renamed_row_major(output);
  }

 private:
  // Words, which products alone read, have layouts of their own.
  bool is_last(ValueId value) const {
    if (!value.valid() || graph_.type_of(value).layout != Layout::channels_last) return false;
    return is_image(value) || graph_.type_of(value).dtype == DType::u8;
  }
  bool is_image(ValueId value) const {
    const Type& type = graph_.type_of(value);
    return type.dtype == DType::f32 && type.rank() > 2;
  }
  bool has_one_element(ValueId value) const { return graph_.type_of(value).elements() == 1; }

  // Whether more readers than not would take the value channels-last.
  bool is_wanted(ValueId value, const std::vector<NodeId>& readers) const {
    if (!is_image(value)) return false;
    int64_t votes = -std::ranges::count(graph_.outputs, value);
    for (const NodeId reader : readers) votes += takes(reader, value) ? 1 : -1;
    return votes > 0;
  }

  bool takes(NodeId id, ValueId value) const {
    const Node& node = graph_[id];
    const OpDef& op = op_named(node.op);
    if (op.layouts == LayoutRule::row_major) return false;
    if (op.layouts == LayoutRule::own) return node.op != "Quantize" || node.attrs.integer("channels_last") != 0;
    const ValueId output = node.outputs[0];
    return wanted_[output.index] && graph_.type_of(value).shape == graph_.type_of(output).shape;
  }

  // Of products that may write their images in either order.
  static bool may_write_last(const OpDef& op) { return op.product && op.defaults.has("channels_last"); }

  void assign(NodeId id) {
    const OpDef& op = op_named(graph_[id].op);
    if (may_write_last(op) && wanted_[graph_[id].outputs[0].index]) {
      graph_[id].attrs.set("channels_last", int64_t{1});
      infer(id);
    }
    const std::vector<ValueId> inputs = graph_[id].inputs;
    const auto last = std::ranges::find_if(inputs, [&](ValueId input) { return is_last(input); });
    if (last == inputs.end()) return;
    const Shape shape = graph_.type_of(*last).shape;
    if (keeps_layout(id, op, shape) && try_layout(id, shape, true)) return;
    try_layout(id, shape, false);
  }

  // Brings the images among the operands into one layout. False where the op does not take them so.
  bool try_layout(NodeId id, const Shape& shape, bool keeps) {
    const std::vector<ValueId> inputs = graph_[id].inputs;
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (!inputs[i].valid() || !is_image(inputs[i]) || (has_one_element(inputs[i]) && !is_last(inputs[i]))) continue;
      const bool same_shape = graph_.type_of(inputs[i]).shape == shape;
      if (keeps && same_shape && !is_last(inputs[i])) graph_[id].inputs[i] = reordered(inputs[i], true);
      if (!keeps && is_last(inputs[i])) graph_[id].inputs[i] = reordered(inputs[i], false);
    }
    try {
      infer(id);
    } catch (const Error&) {
      if (!keeps) throw;
      graph_[id].inputs = inputs;
      return false;
    }
    return true;
  }

  bool keeps_layout(NodeId id, const OpDef& op, const Shape& shape) const {
    const Node& node = graph_[id];
    if (op.layouts == LayoutRule::own)
      return std::ranges::any_of(node.inputs, [&](ValueId i) { return i.valid() && takes(id, i); });
    if (op.layouts == LayoutRule::row_major || !wanted_[node.outputs[0].index]) return false;
    return std::ranges::all_of(node.inputs, [&](ValueId input) {
      return !input.valid() || has_one_element(input) || graph_.type_of(input).shape == shape;
    });
  }

  // The types of a node's outputs, now that its operands' have changed.
  void infer(NodeId id) {
    Attrs attrs = graph_[id].attrs;
    const std::vector<ValueId> outputs = graph_[id].outputs;
    const std::vector<Type> types =
        infer_types(graph_, op_named(graph_[id].op), graph_[id].inputs, attrs, outputs.size());
    for (size_t i = 0; i < outputs.size(); ++i)
      if (outputs[i].valid()) graph_[outputs[i]].type = types[i];
  }

  ValueId reordered(ValueId value, bool to_last) {
    const auto known = reordered_.find(value);
    if (known != reordered_.end()) return known->second;
    const Value& v = graph_[value];
    const Phase phase = v.kind == ValueKind::computed ? graph_[v.producer].phase : Phase::forward;
    Node node{.op = "Reorder", .inputs = {value}, .attrs = {{"channels_last", int64_t{to_last}}}, .phase = phase};
    const std::string name = graph_.unused_name(v.name + (to_last ? ".channels_last" : ".row_major"));
    return reordered_[value] = graph_[append(graph_, std::move(node), {name})].outputs[0];
  }

  ValueId renamed_row_major(ValueId value) {
    const std::string name = graph_[value].name;
    const ValueId rows = reordered(value, false);
    graph_.rename(value, graph_.unused_name(name + ".channels_last"));
    graph_.rename(rows, name);
    return rows;
  }

  Graph& graph_;
  std::vector<NodeId> order_;
  std::vector<bool> wanted_;  // by value, of those that were there before
  std::map<ValueId, ValueId> reordered_;
};

}  // namespace

void assign_layouts(Graph& graph) { LayoutWriter(graph).run(); }

}  // namespace marvin
