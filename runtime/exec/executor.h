// Runs plans.
#pragma once

#include <map>
#include <string>

#include "runtime/exec/plan.h"

namespace marvin {

// The state that lives across runs and plans: parameters, optimizer state, running statistics, by name.
class ParameterStore {
 public:
  // Adds what the graph's parameters have and the store has not: their data, or zeros.
  void adopt(const Graph& graph);
  bool has(std::string_view name) const { return tensors_.find(name) != tensors_.end(); }
  // Throws std::logic_error when there is none.
  Tensor& at(std::string_view name);
  const Tensor& at(std::string_view name) const;
  void set(std::string name, Tensor tensor) { tensors_.insert_or_assign(std::move(name), std::move(tensor)); }
  const TensorMap& tensors() const { return tensors_; }
  auto begin() const { return tensors_.begin(); }
  auto end() const { return tensors_.end(); }

 private:
  std::map<std::string, Tensor, std::less<>> tensors_;
};

// Working memory that plans share, one run at a time.
class Arena {
 public:
  // Grows to at least `bytes`; what was in it is lost when it does.
  void reserve(int64_t bytes);
  std::byte* data() { return buffer_.data(); }
  int64_t bytes() const { return buffer_.bytes(); }

 private:
  Buffer buffer_;
};

// What differs from run to run.
struct RunContext {
  std::span<const FixedPoint> formats;  // by the plan's slots
  uint64_t seed = 0;
  uint64_t step = 0;
  std::span<int64_t> step_ns;  // where given: the time of every step is added to its element
};

// A plan bound to a store and an arena. Nothing is allocated in run(), but memory for tiles where OpenMP has more
// threads than before.
class Executor {
 public:
  // Parameters that the store has not are a std::logic_error.
  Executor(std::shared_ptr<const Plan> plan, ParameterStore& store, Arena& arena);

  // The memory of input i, to be filled before a run. It is the executor's own.
  template <class T>
  std::span<T> input(size_t i) {
    return inputs_[i].as<T>();
  }
  const Type& input_type(size_t i) const { return inputs_[i].type(); }
  std::byte* input_bytes(size_t i) { return inputs_[i].data(); }
  // The index of the input or output with this name. Throws std::logic_error when there is none.
  size_t input_index(std::string_view name) const;
  size_t output_index(std::string_view name) const;

  void run(const RunContext& context);

  // The elements of output i, valid until the next run of any plan over the same arena.
  template <class T>
  std::span<const T> output(size_t i) const {
    const Plan::Binding& binding = plan_->outputs[i];
    if (DTypeOf<T>::value != binding.type.dtype) throw std::logic_error("output read as another type");
    return {static_cast<const T*>(address(binding.place)), static_cast<size_t>(binding.type.elements())};
  }
  Tensor output_tensor(size_t i) const;
  const Plan& plan() const { return *plan_; }

 private:
  // A step's pointers, resolved.
  struct Bound {
    std::vector<const void*> in;
    std::vector<void*> out;
    std::vector<const Type*> in_types, out_types;
    std::vector<FixedPoint> in_formats;
    std::byte* scratch = nullptr;
    KernelArgs args(const Step& step, const KernelQuery& query, const RunContext& context) const;
  };
  // Of a step in a group, the types of its operands and outputs for a tile: a whole one, and the last.
  struct TileTypes {
    std::vector<Type> vectors;  // what `in` and `out` point to where they are tiled
    std::vector<const Type*> in, out;
  };
  struct TiledStep {
    TileTypes whole, last;
  };
  void bind();
  void bind_tiles();
  void* address(const Place& place) const;
  void run_step(size_t index, const RunContext& context);
  void run_group(const Group& group, const RunContext& context);
  void run_tile(const Group& group, int64_t tile, std::byte* memory, const RunContext& context, bool timed);
  void run_on_tile(size_t index, const TileTypes& types, int64_t first, std::byte* memory, const RunContext& context);
  void share_time(const Group& group, int64_t ns, const RunContext& context);

  std::shared_ptr<const Plan> plan_;
  std::vector<Tensor*> parameters_;
  mutable std::vector<Tensor> inputs_;
  Arena& arena_;
  const std::byte* bound_to_ = nullptr;  // the arena's memory when bound_ was made
  std::vector<Bound> bound_;
  std::vector<TiledStep> tiled_;  // by step
  std::vector<int64_t> tile_ns_;  // by step: what one thread took, to share a group's time among its steps
  Buffer tile_memory_;            // of all threads
};

}  // namespace marvin
