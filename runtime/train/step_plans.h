// The training step in the formats of the moment.
#pragma once

#include <map>
#include <memory>

#include "passes/pipeline.h"
#include "runtime/exec/executor.h"
#include "runtime/precision/cost_meter.h"
#include "runtime/precision/policy.h"
#include "runtime/train/binding.h"
#include "runtime/train/op_time.h"

namespace marvin {

// One compiled training step: the model's slots in certain containers.
struct StepPlan {
  Compiled compiled;
  std::optional<Executor> executor;
  std::vector<InputBinding> bindings;
  std::vector<Destination> destinations;  // name arrays of bindings
  std::vector<OpTime> times;              // by plan step, where the time is taken
  size_t loss = 0;                        // of the executor's outputs
  std::optional<size_t> lr, step;         // of its inputs

  // What the plan shows of each slot: indices of outputs.
  struct Shown {
    std::optional<size_t> stats, sample, gradient_sample;
  };
  std::vector<Shown> shown;
};

// What the products of a plan multiply, which is the same in all formats. `batch` samples are what the plan reads.
StepLayout layout_of(const StepPlan& plan, int64_t batch, int64_t accumulate);

// Compiles training steps on demand and keeps them, by the containers of the slots: moving a point, or a word length
// within a container, costs nothing, and switching back costs nothing either.
class StepPlans {
 public:
  StepPlans(Graph model, CompileOptions options, ParameterStore& parameters, Arena& arena, const Dataset& data,
            const BatchReader& reader)
      : model_(std::move(model)),
        options_(std::move(options)),
        parameters_(parameters),
        arena_(arena),
        data_(data),
        reader_(reader) {}

  // `formats` are by the slots of the model's training graph, in order.
  StepPlan& in(std::span<const Slot> slots, std::span<const FixedPoint> formats);
  int64_t compile_ns() const { return compile_ns_; }
  auto begin() const { return plans_.begin(); }
  auto end() const { return plans_.end(); }

 private:
  std::unique_ptr<StepPlan> make(std::span<const Slot> slots, std::span<const FixedPoint> formats) const;

  Graph model_;
  CompileOptions options_;
  ParameterStore& parameters_;
  Arena& arena_;
  const Dataset& data_;
  const BatchReader& reader_;
  std::vector<DType> key_;
  std::map<std::vector<DType>, std::unique_ptr<StepPlan>> plans_;
  int64_t compile_ns_ = 0;
};

// Compiles and binds one training step.
std::unique_ptr<StepPlan> make_step_plan(const Graph& model, const CompileOptions& options, ParameterStore& parameters,
                                         Arena& arena, const Dataset& data, const BatchReader& reader);

}  // namespace marvin
