#include "runtime/exec/executor.h"

#include <omp.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <numeric>

namespace marvin {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kSharedElements = 1 << 15;  // fewer are cheaper on one thread

int64_t ns_since(Clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count();
}

}  // namespace

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
      throw std::logic_error(
          cat("the parameter '", parameter.name, "' is ", text_of(tensor.type()), ", not ", text_of(parameter.type)));
    }
    parameters_.push_back(&tensor);
  }
  for (const Plan::Binding& input : plan_->inputs) inputs_.emplace_back(input.type);
  arena_.reserve(plan_->arena_bytes);
  bind();
  bind_tiles();
}

void* Executor::address(const Place& place) const {
  const auto at = static_cast<size_t>(place.at);
  switch (place.kind) {
    case Place::Kind::arena:
      return arena_.data() + place.at;
    case Place::Kind::parameter:
      return parameters_[at]->data();
    case Place::Kind::constant:
      return const_cast<std::byte*>(plan_->constants[at]->data());
    case Place::Kind::input:
      return inputs_[at].data();
    default:
      return nullptr;
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

void Executor::bind_tiles() {
  tiled_.resize(plan_->steps.size());
  tile_ns_.resize(plan_->steps.size());
  const auto types = [](const Step& step, int64_t count) {
    TileTypes result;
    result.vectors.reserve(step.in.size() + step.out.size());
    const auto tiled = [&](const Type* type, bool is_tiled) {
      return type && is_tiled ? &result.vectors.emplace_back(Type{type->dtype, {count}}) : type;
    };
    for (size_t i = 0; i < step.in.size(); ++i)
      result.in.push_back(tiled(step.in_types[i].get(), step.tiling.has_in(i)));
    for (size_t i = 0; i < step.out.size(); ++i)
      result.out.push_back(tiled(step.out_types[i].get(), step.tiling.has_out(i)));
    return result;
  };
  for (const Group& group : plan_->groups) {
    for (size_t i = group.first; group.tile > 0 && i < group.first + group.count; ++i) {
      const Step& step = plan_->steps[i];
      const int64_t rest = step.tiling.elements % group.tile;
      tiled_[i] = {types(step, group.tile), types(step, rest > 0 ? rest : group.tile)};
    }
  }
}

KernelArgs Executor::Bound::args(const Step& step, const KernelQuery& query, const RunContext& context) const {
  return {.in = in,
          .out = out,
          .query = query,
          .in_formats = in_formats,
          .out_format = step.out_slot.valid() ? context.formats[step.out_slot.index] : FixedPoint{},
          .random = {context.seed, context.step, step.salt},
          .state = step.prepared.state.get(),
          .scratch = scratch};
}

void Executor::run_step(size_t index, const RunContext& context) {
  const Step& step = plan_->steps[index];
  const Bound& bound = bound_[index];
  const KernelQuery query{bound.in_types, bound.out_types, step.attrs};
  const KernelArgs args = bound.args(step, query, context);
  try {
    step.kernel->run(args);
    if (step.kernel->finish) step.kernel->finish(args);
  } catch (const Error& error) {
    throw Error(step.op->name, " '", step.label, "': ", error.what());
  }
}

void Executor::run_on_tile(size_t index, const TileTypes& types, int64_t first, std::byte* memory,
                           const RunContext& context) {
  const Step& step = plan_->steps[index];
  const Bound& bound = bound_[index];
  const auto pointer = [&](const void* base, const Place& place, const Type* type, bool is_tiled) -> std::byte* {
    std::byte* bytes = static_cast<std::byte*>(const_cast<void*>(base));
    if (place.kind == Place::Kind::tile) return memory + place.at;
    return is_tiled && bytes ? bytes + first * bytes_of(type->dtype) : bytes;
  };
  std::array<const void*, kMaxTileOperands> in;
  std::array<void*, kMaxTileOperands> out;
  for (size_t i = 0; i < step.in.size(); ++i)
    in[i] = pointer(bound.in[i], step.in[i], types.in[i], step.tiling.has_in(i));
  for (size_t i = 0; i < step.out.size(); ++i)
    out[i] = pointer(bound.out[i], step.out[i], types.out[i], step.tiling.has_out(i));
  const KernelQuery query{types.in, types.out, step.attrs};
  KernelArgs args = bound.args(step, query, context);
  args.in = std::span(in).first(step.in.size());
  args.out = std::span(out).first(step.out.size());
  args.first = first;
  step.kernel->run(args);
}

void Executor::run_tile(const Group& group, int64_t tile, std::byte* memory, const RunContext& context, bool timed) {
  const bool is_last = (tile + 1) * group.tile >= plan_->steps[group.first].tiling.elements;
  for (size_t i = group.first; i < group.first + group.count; ++i) {
    const Clock::time_point start = timed ? Clock::now() : Clock::time_point();
    run_on_tile(i, is_last ? tiled_[i].last : tiled_[i].whole, tile * group.tile, memory, context);
    if (timed) tile_ns_[i] += ns_since(start);
  }
}

void Executor::run_group(const Group& group, const RunContext& context) {
  const int64_t elements = plan_->steps[group.first].tiling.elements;
  const int64_t tiles = (elements + group.tile - 1) / group.tile;
  const bool timed = !context.step_ns.empty();
  if (elements < kSharedElements) {
    for (int64_t tile = 0; tile < tiles; ++tile) run_tile(group, tile, tile_memory_.data(), context, timed);
  } else {
#pragma omp parallel for schedule(static)
    for (int64_t tile = 0; tile < tiles; ++tile) {
      const int thread = omp_get_thread_num();
      run_tile(group, tile, tile_memory_.data() + thread * plan_->tile_bytes, context, timed && thread == 0);
    }
  }
  for (size_t i = group.first; i < group.first + group.count; ++i) {
    const Step& step = plan_->steps[i];
    if (!step.kernel->finish) continue;
    const KernelQuery query{bound_[i].in_types, bound_[i].out_types, step.attrs};
    step.kernel->finish(bound_[i].args(step, query, context));
  }
}

// In proportion to what the steps took on one thread.
void Executor::share_time(const Group& group, int64_t ns, const RunContext& context) {
  const std::span<int64_t> of_steps = std::span(tile_ns_).subspan(group.first, group.count);
  const double sum = std::max(1.0, std::accumulate(of_steps.begin(), of_steps.end(), 0.0));
  for (size_t i = 0; i < group.count; ++i) {
    const double share = group.count == 1 ? 1 : static_cast<double>(of_steps[i]) / sum;
    context.step_ns[group.first + i] += static_cast<int64_t>(share * static_cast<double>(ns));
    of_steps[i] = 0;
  }
}

void Executor::run(const RunContext& context) {
  if (bound_to_ != arena_.data()) bind();
  if (const int64_t bytes = omp_get_max_threads() * plan_->tile_bytes; bytes > tile_memory_.bytes())
    tile_memory_ = Buffer(bytes);
  for (const Group& group : plan_->groups) {
    for (size_t i = group.first; i < group.first + group.count; ++i) {
      const std::vector<SlotId>& slots = plan_->steps[i].in_slots;
      for (size_t k = 0; k < slots.size(); ++k)
        if (slots[k].valid()) bound_[i].in_formats[k] = context.formats[slots[k].index];
    }
    const Clock::time_point start = context.step_ns.empty() ? Clock::time_point() : Clock::now();
    group.tile > 0 ? run_group(group, context) : run_step(group.first, context);
    if (!context.step_ns.empty()) share_time(group, ns_since(start), context);
  }
  for (const Plan::Copy& copy : plan_->copies) {
    Tensor& parameter = *parameters_[static_cast<size_t>(copy.parameter)];
    std::memcpy(parameter.data(), address(copy.from), static_cast<size_t>(parameter.type().bytes()));
  }
}

}  // namespace marvin
