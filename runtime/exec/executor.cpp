#include "runtime/exec/executor.h"

#include <chrono>
#include <cstring>

namespace marvin {

void ParameterStore::adopt(const Graph& graph) {
  for (uint32_t i = 0; i < graph.value_count(); ++i) {
    const Value& value = graph[ValueId{i}];
    if (value.kind != ValueKind::parameter || has(value.name)) continue;
    tensors_.emplace(value.name, value.data ? *value.data : Tensor(value.type));
  }
}

Tensor& ParameterStore::at(std::string_view name) {
  const auto entry = tensors_.find(name);
  if (entry == tensors_.end()) throw std::logic_error(cat("no parameter '", name, "'"));
  return entry->second;
}

const Tensor& ParameterStore::at(std::string_view name) const { return const_cast<ParameterStore*>(this)->at(name); }

void Arena::reserve(int64_t bytes) {
  if (bytes <= buffer_.bytes()) return;
  buffer_ = {};  // first, so that there is never memory for both
  buffer_ = Buffer(bytes);
}

Executor::Executor(std::shared_ptr<const Plan> plan, ParameterStore& store, Arena& arena)
    : plan_(std::move(plan)), arena_(arena) {
  for (const Plan::Binding& parameter : plan_->parameters) {
    Tensor& tensor = store.at(parameter.name);
    if (tensor.type() != parameter.type) {
      throw std::logic_error(cat("the parameter '", parameter.name, "' is ", text_of(tensor.type()), ", not ",
                                 text_of(parameter.type)));
    }
    parameters_.push_back(&tensor);
  }
  for (const Plan::Binding& input : plan_->inputs) inputs_.emplace_back(input.type);
  arena_.reserve(plan_->arena_bytes);
  bind();
}

void* Executor::address(const Place& place) const {
  const auto at = static_cast<size_t>(place.at);
  switch (place.kind) {
    case Place::Kind::arena: return arena_.data() + place.at;
    case Place::Kind::parameter: return parameters_[at]->data();
    case Place::Kind::constant: return const_cast<std::byte*>(plan_->constants[at]->data());
    case Place::Kind::input: return inputs_[at].data();
    default: return nullptr;
  }
}

void Executor::bind() {
  bound_.clear();
  for (const Step& step : plan_->steps) {
    Bound& bound = bound_.emplace_back();
    for (const Place& place : step.in) bound.in.push_back(address(place));
    for (const Place& place : step.out) bound.out.push_back(address(place));
    for (const auto& type : step.in_types) bound.in_types.push_back(type.get());
    for (const auto& type : step.out_types) bound.out_types.push_back(type.get());
    bound.in_formats.resize(step.in.size());
    bound.scratch = arena_.data() + step.scratch_offset;
  }
  bound_to_ = arena_.data();
}

size_t Executor::input_index(std::string_view name) const {
  for (size_t i = 0; i < plan_->inputs.size(); ++i)
    if (plan_->inputs[i].name == name) return i;
  throw std::logic_error(cat("the plan has no input '", name, "'"));
}

size_t Executor::output_index(std::string_view name) const {
  for (size_t i = 0; i < plan_->outputs.size(); ++i)
    if (plan_->outputs[i].name == name) return i;
  throw std::logic_error(cat("the plan has no output '", name, "'"));
}

Tensor Executor::output_tensor(size_t i) const {
  const Plan::Binding& binding = plan_->outputs[i];
  Tensor tensor(binding.type);
  if (binding.type.bytes() > 0) {
    std::memcpy(tensor.data(), address(binding.place), static_cast<size_t>(binding.type.bytes()));
  }
  return tensor;
}

void Executor::run(const RunContext& context) {
  if (bound_to_ != arena_.data()) bind();
  using Clock = std::chrono::steady_clock;
  for (size_t i = 0; i < bound_.size(); ++i) {
    const Step& step = plan_->steps[i];
    Bound& bound = bound_[i];
    for (size_t k = 0; k < step.in_slots.size(); ++k) {
      if (step.in_slots[k].valid()) bound.in_formats[k] = context.formats[step.in_slots[k].index];
    }
    const KernelQuery query{bound.in_types, bound.out_types, step.attrs};
    const Clock::time_point start = context.step_ns.empty() ? Clock::time_point() : Clock::now();
    try {
      step.kernel->run({.in = bound.in,
                        .out = bound.out,
                        .query = query,
                        .in_formats = bound.in_formats,
                        .out_format = step.out_slot.valid() ? context.formats[step.out_slot.index] : FixedPoint{},
                        .random = {context.seed, context.step, step.salt},
                        .state = step.prepared.state.get(),
                        .scratch = bound.scratch});
    } catch (const Error& error) {
      throw Error(step.op->name, " '", step.label, "': ", error.what());
    }
    if (!context.step_ns.empty()) {
      context.step_ns[i] += std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count();
    }
  }
  for (const Plan::Copy& copy : plan_->copies) {
    Tensor& parameter = *parameters_[static_cast<size_t>(copy.parameter)];
    std::memcpy(parameter.data(), address(copy.from), static_cast<size_t>(parameter.type().bytes()));
  }
}

}  // namespace marvin
