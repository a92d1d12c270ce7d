#include "passes/insert_quantization.h"

#include <algorithm>
#include <map>
#include <set>

#include "runtime/ops/op.h"

namespace marvin {
namespace {

// What the value is a view of; none where it is no view.
ValueId viewed(const Graph& graph, ValueId value) {
  const Value& v = graph[value];
  const bool view = v.kind == ValueKind::computed && op_named(graph[v.producer].op).view;
  return view ? graph[v.producer].inputs[0] : ValueId{};
}

// The products of the live graph, and the values that they multiply, in order. A view of such a value is that value.
struct Products {
  std::vector<NodeId> nodes;
  std::vector<ValueId> values;
  std::map<ValueId, ValueId> value_of;  // by operand
  std::set<ValueId> images;             // those of `values` that a product wants channels-last

  explicit Products(const Graph& graph) {
    std::vector<ValueId> operands;
    for (const NodeId id : live_nodes(graph)) {
      const OpDef& op = op_named(graph[id].op);
      if (!op.product || graph.type_of(graph[id].outputs[0]).dtype != DType::f32) continue;
      nodes.push_back(id);
      for (const size_t i : *op.product) operands.push_back(graph[id].inputs[i]);
    }
    for (const ValueId operand : operands) value_of[operand] = operand;
    std::set<ValueId> seen;
    for (const ValueId operand : operands) {
      ValueId& value = value_of[operand];
      for (ValueId base = viewed(graph, operand); base.valid(); base = viewed(graph, base))
        if (value_of.contains(base)) value = base;
      if (seen.insert(value).second) values.push_back(value);
    }
    for (const NodeId id : nodes) {
      const OpDef& op = op_named(graph[id].op);
      if (op.product_layout != Layout::channels_last) continue;
      for (const size_t i : *op.product) images.insert(value_of.at(graph[id].inputs[i]));
    }
  }
};

// By value: whether it is computed from parameters and constants alone, forward.
std::vector<bool> weights_of(const Graph& graph) {
  std::vector<bool> is_weight(graph.value_count());
  for (uint32_t i = 0; i < graph.value_count(); ++i) {
    const ValueKind kind = graph[ValueId{i}].kind;
    is_weight[i] = kind == ValueKind::parameter || kind == ValueKind::constant;
  }
  for (const NodeId id : live_nodes(graph)) {
    const Node& node = graph[id];
    const bool all = node.phase == Phase::forward && std::ranges::all_of(node.inputs, [&](ValueId input) {
                       return !input.valid() || is_weight[input.index];
                     });
    for (const ValueId output : node.outputs)
      if (output.valid()) is_weight[output.index] = all;
  }
  return is_weight;
}

Role role_of(const Graph& graph, ValueId value, const std::vector<bool>& is_weight) {
  const Value& v = graph[value];
  if (v.kind == ValueKind::computed && graph[v.producer].phase == Phase::backward) return Role::gradient;
  return is_weight[value.index] ? Role::weight : Role::activation;
}

// "conv1" of conv1.weight; "" where the name has no dot.
std::string layer_of(const std::string& parameter) {
  const size_t dot = parameter.rfind('.');
  return dot == std::string::npos ? "" : parameter.substr(0, dot);
}

// "conv1" for a product that reads conv1.weight; else its node's name; else its output's.
std::string layer_of(const Graph& graph, const Node& node) {
  for (const size_t i : *op_named(node.op).product) {
    const Value& operand = graph[node.inputs[i]];
    if (operand.kind != ValueKind::parameter) continue;
    if (std::string layer = layer_of(operand.name); !layer.empty()) return layer;
  }
  return node.name.empty() ? graph[node.outputs[0]].name : node.name;
}

class QuantizationWriter {
 public:
  QuantizationWriter(Graph& graph, const std::vector<FixedPoint>& formats, const QuantizationOptions& options)
      : graph_(graph), products_(graph), formats_(formats), options_(options) {
    graph.slots = find_slots(graph, options);
    if (graph.slots.size() != formats.size()) throw std::logic_error("insert_quantization: one format per slot");
    for (size_t i = 0; i < products_.values.size(); ++i) slot_[products_.values[i]] = i;
    for (const ParameterGradient& pair : options.gradients) gradient_[pair.parameter] = pair.gradient;
  }

  void run() {
    for (const NodeId product : products_.nodes) rewire(product);
    for (size_t i = 0; i < products_.values.size(); ++i) show(products_.values[i], i);
    if (options_.treatment.round_gradients) {
      for (size_t i = 0; i < options_.gradients.size(); ++i) round(options_.gradients[i], products_.values.size() + i);
    }
    if (options_.observe.enabled) show_weight_gradients();
  }

 private:
  size_t slot(ValueId operand) const { return slot_.at(products_.value_of.at(operand)); }

  void rewire(NodeId id) {
    const OpDef& op = op_named(graph_[id].op);
    const auto is_float = [&](size_t i) { return formats_[slot(graph_[id].inputs[i])].is_float(); };
    const bool any_float = std::ranges::any_of(*op.product, is_float);
    if (any_float && !options_.treatment.mixed) return;
    for (const size_t i : *op.product) {
      if (is_float(i)) continue;
      const ValueId operand = graph_[id].inputs[i];
      const ValueId read = any_float ? rounded(operand) : quantize(operand, op.product_layout);
      graph_[id].inputs[i] = read;
    }
  }

  // The numbers that the words of `operand` stand for.
  ValueId rounded(ValueId operand) {
    const auto known = rounded_.find(operand);
    if (known != rounded_.end()) return known->second;
    return rounded_[operand] = dequantize(quantize(operand, Layout::row_major), slot(operand));
  }

  ValueId dequantize(ValueId words, size_t index) {
    Node node{.op = "Dequantize",
              .inputs = {words},
              .phase = graph_[graph_[words].producer].phase,
              .slot = SlotId{static_cast<uint32_t>(index)}};
    return graph_[append(graph_, std::move(node), {graph_.unused_name(graph_[words].name + ".value")})].outputs[0];
  }

  // Every reader of a parameter's gradient reads it rounded.
  void round(ParameterGradient pair, size_t index) {
    if (!pair.gradient.valid()) return;
    if (!formats_[index].is_float()) {
      const ValueId words = make_words(pair.gradient, index, Layout::row_major);
      const NodeId quantize = graph_[words].producer;
      const ValueId value = dequantize(words, index);
      replace_uses(graph_, pair.gradient, value, quantize);
      gradient_[pair.parameter] = value;
    }
    show(pair.gradient, index);
  }

  ValueId quantize(ValueId operand, Layout wanted) {
    const Layout layout = graph_.type_of(operand).rank() > 2 ? wanted : Layout::row_major;
    const auto known = quantized_.find({operand, layout});
    if (known != quantized_.end()) return known->second;
    // Words in another order are no view of those of the value.
    const ValueId value = products_.value_of.at(operand);
    const bool views = operand != value && layout == Layout::row_major;
    return quantized_[{operand, layout}] = views ? view(operand, value) : make_words(operand, slot(operand), layout);
  }

  ValueId make_words(ValueId operand, size_t index, Layout layout) {
    const Slot& slot = graph_.slots[index];
    const bool stochastic = slot.role == Role::gradient || options_.treatment.stochastic;
    Node node{.op = "Quantize",
              .inputs = {operand},
              .attrs = {{"storage", std::string(name_of(storage_of(formats_[index])))},
                        {"channels_last", int64_t{layout == Layout::channels_last}},
                        {"stochastic", int64_t{stochastic}},
                        {"image", int64_t{is_image(operand)}}},
              .phase = phase_of(operand, slot.role),
              .slot = SlotId{static_cast<uint32_t>(index)}};
    const bool observes = options_.observe.enabled && observed_.insert(index).second;
    const NodeId id = append(
        graph_, std::move(node),
        {graph_.unused_name(graph_[operand].name + ".q"), observes ? graph_.unused_name(slot.name + ".stats") : ""});
    if (observes) graph_.outputs.push_back(graph_[id].outputs[1]);
    return graph_[id].outputs[0];
  }

  // Whether its draws must be the same in both layouts; those of a matrix are.
  bool is_image(ValueId operand) const {
    const auto value = products_.value_of.find(operand);
    return value == products_.value_of.end() || graph_.type_of(operand).rank() < 3 ||
           products_.images.contains(value->second);
  }

  // The words of `value`, viewed as `operand` views it.
  ValueId view(ValueId operand, ValueId value) {
    if (operand == value) return quantize(value, Layout::row_major);
    Node node = graph_[graph_[operand].producer];
    node.inputs[0] = view(node.inputs[0], value);
    return graph_[append(graph_, std::move(node), {graph_.unused_name(graph_[operand].name + ".q")})].outputs[0];
  }

  Phase phase_of(ValueId value, Role role) const {
    const Value& v = graph_[value];
    if (role != Role::gradient) return Phase::forward;
    return v.kind == ValueKind::computed ? graph_[v.producer].phase : Phase::backward;
  }

  void show(ValueId value, size_t index) {
    const Observation& observe = options_.observe;
    if (!observe.enabled) return;
    const Slot slot = graph_.slots[index];
    if (!observed_.contains(index)) add(value, "Observe", slot.name + ".stats", {});
    const int64_t limit = slot.role == Role::weight ? observe.weight_elements : observe.sample_elements;
    add(value, "Sample", slot.name + ".sample", {{"limit", limit}});
  }

  // As the optimizer takes them; those of weights that are computed from parameters by the name that differentiate
  // gives.
  void show_weight_gradients() {
    for (size_t i = 0; i < products_.values.size(); ++i) {
      if (graph_.slots[i].role != Role::weight) continue;
      const auto trained = gradient_.find(products_.values[i]);
      const std::string name = "d." + graph_.slots[i].name;
      const ValueId gradient = trained != gradient_.end() ? trained->second : graph_.find(name);
      if (gradient.valid()) add(gradient, "Sample", name + ".sample", {{"limit", options_.observe.gradient_elements}});
    }
  }

  void add(ValueId value, const std::string& op, const std::string& name, Attrs attrs) {
    const Value& v = graph_[value];
    const Phase phase = v.kind == ValueKind::computed ? graph_[v.producer].phase : Phase::forward;
    Node node{.op = op, .inputs = {value}, .attrs = std::move(attrs), .phase = phase};
    const NodeId id = append(graph_, std::move(node), {graph_.unused_name(name)});
    graph_.outputs.push_back(graph_[id].outputs[0]);
  }

  Graph& graph_;
  Products products_;
  const std::vector<FixedPoint>& formats_;
  const QuantizationOptions& options_;
  std::map<ValueId, size_t> slot_;       // by value
  std::map<ValueId, ValueId> gradient_;  // by parameter
  std::map<std::pair<ValueId, Layout>, ValueId> quantized_;
  std::map<ValueId, ValueId> rounded_;
  std::set<size_t> observed_;  // slots whose Quantize does so
};

}  // namespace

std::vector<Slot> find_slots(const Graph& graph, const QuantizationOptions& options) {
  const Products products(graph);
  std::map<std::string, std::string> layers;  // by the forward node's name, which its backward nodes carry
  std::map<ValueId, std::string> layer;
  for (const NodeId id : products.nodes) {
    const Node& node = graph[id];
    const std::string key = node.name.empty() ? graph[node.outputs[0]].name : node.name;
    const std::string name = layers.try_emplace(key, layer_of(graph, node)).first->second;
    for (const size_t i : *op_named(node.op).product) layer.try_emplace(products.value_of.at(node.inputs[i]), name);
  }
  const std::vector<bool> is_weight = weights_of(graph);
  std::vector<Slot> slots;
  for (const ValueId value : products.values)
    slots.push_back({graph[value].name, layer.at(value), role_of(graph, value, is_weight)});
  if (!options.treatment.round_gradients) return slots;
  for (const ParameterGradient& pair : options.gradients) {
    const std::string& parameter = graph[pair.parameter].name;
    slots.push_back({parameter + ".gradient", layer_of(parameter), Role::gradient});
  }
  return slots;
}

std::vector<std::vector<size_t>> find_partners(const Graph& graph, const QuantizationOptions& options) {
  const Products products(graph);
  std::map<ValueId, size_t> slot;
  for (size_t i = 0; i < products.values.size(); ++i) slot[products.values[i]] = i;
  std::vector<std::set<size_t>> partners(find_slots(graph, options).size());
  for (const NodeId id : products.nodes) {
    const std::array<size_t, 2> operands = *op_named(graph[id].op).product;
    const size_t a = slot.at(products.value_of.at(graph[id].inputs[operands[0]]));
    const size_t b = slot.at(products.value_of.at(graph[id].inputs[operands[1]]));
    partners[a].insert(b);
    partners[b].insert(a);
  }
  std::vector<std::vector<size_t>> result;
  for (const std::set<size_t>& set : partners) result.emplace_back(set.begin(), set.end());
  return result;
}

void insert_quantization(Graph& graph, const std::vector<FixedPoint>& formats, const QuantizationOptions& options) {
  QuantizationWriter(graph, formats, options).run();
}

}  // namespace marvin
