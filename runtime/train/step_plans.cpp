#include "runtime/train/step_plans.h"

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

void find_products(StepPlan& result) {
  for (const Step& step : result.executor->plan().steps) {
    if (!step.op->product || step.macs == 0) continue;
    const auto [a, b] = *step.op->product;
    result.products.push_back({step.macs, step.in_slots[a], step.in_slots[b]});
  }
}

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
  check_labels(graph, result->compiled.loss, result->bindings, data);
  result->destinations = destinations(*result->executor, result->bindings, reader);
  result->loss = result->executor->output_index(graph[graph.loss].name);
  if (lr.valid()) result->lr = result->executor->input_index(graph[lr].name);
  if (step.valid()) result->step = result->executor->input_index(graph[step].name);
  find_shown(*result);
  find_products(*result);
  return result;
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
