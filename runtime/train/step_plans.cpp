#include "runtime/train/step_plans.h"

#include <algorithm>
#include <chrono>

#include "passes/plan_memory.h"

namespace marvin {
namespace {

std::optional<size_t> output_named(const Plan& plan, const std::string& name) {
  for (size_t i = 0; i < plan.outputs.size(); ++i)
    if (plan.outputs[i].name == name) return i;
  return std::nullopt;
}

void find_shown(StepPlan& result) {
  const Plan& plan = result.executor->plan();
  for (const Slot& slot : plan.slots) {
    result.shown.push_back({output_named(plan, slot.name + ".stats"), output_named(plan, slot.name + ".sample"),
                            output_named(plan, "d." + slot.name + ".sample")});
  }
}

// Reads the products of a plan off its graph.
class LayoutReader {
 public:
  LayoutReader(const StepPlan& plan, int64_t batch, int64_t accumulate)
      : graph_(plan.compiled.graph), plan_(plan.executor->plan()) {
    layout_.batch = batch;
    layout_.accumulate = accumulate;
    for (size_t i = 0; i < plan_.slots.size(); ++i) {
      slots_[plan_.slots[i].name] = i;
      const ValueId value = graph_.find(plan_.slots[i].name);
      layout_.operands.push_back({plan_.slots[i].role, graph_.type_of(value).elements()});
    }
  }

  StepLayout read() {
    for (const Step& step : plan_.steps)
      if (step.op->product && step.macs > 0) add(step);
    return std::move(layout_);
  }

 private:
  void add(const Step& step) {
    const Node& node = graph_[graph_[graph_.find(step.label)].producer];
    StepLayout::Product product{.macs = step.macs, .forward = step.phase == Phase::forward};
    for (size_t i = 0; i < 2; ++i) {
      const std::optional<size_t> slot = slot_of(node.inputs[(*step.op->product)[i]]);
      if (!slot) return;  // of another type than float32
      product.operands[i] = *slot;
    }
    product.layer = layer_of(node, product);
    if (product.forward) product.published = published_size(step, product);
    layout_.products.push_back(product);
  }

  // Of the value that the operand quantizes and views.
  std::optional<size_t> slot_of(ValueId operand) const {
    for (ValueId value = operand; value.valid();) {
      const Value& v = graph_[value];
      if (const auto slot = slots_.find(v.name); slot != slots_.end()) return slot->second;
      if (v.kind != ValueKind::computed) break;
      const Node& node = graph_[v.producer];
      if (!op_named(node.op).view && !node.slot.valid()) break;
      value = node.inputs[0];
    }
    return std::nullopt;
  }

  // The layer of the weight, else of the first operand; backward products are found by their forward product's name.
  size_t layer_of(const Node& node, const StepLayout::Product& product) {
    size_t shown = product.operands[0];
    for (const size_t operand : product.operands)
      if (layout_.operands[operand].role == Role::weight) shown = operand;
    if (node.name.empty()) return index_of(plan_.slots[shown].layer);
    if (const auto known = layers_.find(node.name); known != layers_.end()) return known->second;
    return layers_[node.name] = index_of(plan_.slots[shown].layer);
  }

  size_t index_of(const std::string& layer) {
    const auto known = std::ranges::find(layout_.layers, layer);
    if (known == layout_.layers.end()) layout_.layers.push_back(layer);
    return static_cast<size_t>(std::ranges::find(layout_.layers, layer) - layout_.layers.begin());
  }

  // A product without a weight, which the paper has not, counts its multiplications and additions.
  PublishedSize published_size(const Step& step, const StepLayout::Product& product) const {
    const auto macs = static_cast<double>(step.macs), batch = static_cast<double>(layout_.batch);
    for (size_t i = 0; i < 2; ++i) {
      if (layout_.operands[product.operands[i]].role != Role::weight) continue;
      const Shape& weight = step.in_types[(*step.op->product)[i]]->shape;
      const Shape& other = step.in_types[(*step.op->product)[1 - i]]->shape;
      if (weight.size() > 2) return published_conv(other, weight);
      const auto weights = static_cast<double>(elements(weight));
      const double in = macs / static_cast<double>(step.out_types[0]->elements());
      const PublishedSize size = published_linear(in, weights / in);
      return {size.operations * macs / (weights * batch), size.extent};
    }
    return {2 * macs / batch, 0};
  }

  const Graph& graph_;
  const Plan& plan_;
  std::map<std::string, size_t> slots_;   // by value
  std::map<std::string, size_t> layers_;  // by node
  StepLayout layout_;
};

}  // namespace

std::unique_ptr<StepPlan> make_step_plan(const Graph& model, const CompileOptions& options, ParameterStore& parameters,
                                         Arena& arena, const Dataset& data, const BatchReader& reader) {
  auto result = std::make_unique<StepPlan>();
  PassRunner runner;
  result->compiled = compile(model, options, runner);
  const Graph& graph = result->compiled.graph;
  const auto& [lr, step] = result->compiled.optimizer;
  parameters.adopt(graph);
  result->executor.emplace(std::make_shared<Plan>(plan_memory(graph)), parameters, arena);
  result->bindings = bind_inputs(graph, result->compiled.loss, {lr, step}, data);
  result->destinations = destinations(*result->executor, result->bindings, reader);
  check_labels(graph, result->compiled.loss, result->bindings, data);
  result->loss = result->executor->output_index(graph[graph.loss].name);
  if (lr.valid()) result->lr = result->executor->input_index(graph[lr].name);
  if (step.valid()) result->step = result->executor->input_index(graph[step].name);
  find_shown(*result);
  return result;
}

StepLayout layout_of(const StepPlan& plan, int64_t batch, int64_t accumulate) {
  return LayoutReader(plan, batch, accumulate).read();
}

StepPlan& StepPlans::in(std::span<const Slot> slots, std::span<const FixedPoint> formats) {
  key_.clear();
  for (const FixedPoint format : formats) key_.push_back(storage_of(format));
  if (const auto known = plans_.find(key_); known != plans_.end()) return *known->second;
  const auto start = std::chrono::steady_clock::now();
  StepPlan& made = *plans_.emplace(key_, make(slots, formats)).first->second;
  compile_ns_ += std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count();
  return made;
}

std::unique_ptr<StepPlan> StepPlans::make(std::span<const Slot> slots, std::span<const FixedPoint> formats) const {
  CompileOptions options = options_;
  for (size_t i = 0; i < slots.size(); ++i) options.formats[slots[i].name] = formats[i];
  return make_step_plan(model_, options, parameters_, arena_, data_, reader_);
}

}  // namespace marvin
