// The training loop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "passes/pipeline.h"
#include "runtime/data/dataset.h"
#include "runtime/exec/executor.h"
#include "runtime/precision/cost_meter.h"
#include "runtime/train/format_control.h"
#include "runtime/train/op_time.h"
#include "runtime/train/recipe.h"

namespace marvin {

// A model at any batch size: as its file has it, or in inference form. The importer, seen from here.
using ImportModel = std::function<Graph(int64_t batch, bool inference)>;

struct Evaluation {
  double loss = 0;
  std::optional<double> accuracy, top5;  // of classifiers; top5 from five classes on
  int64_t samples = 0;
  std::vector<int64_t> predictions;  // of classifiers: the class with the largest score, sample by sample
};

struct StepReport {
  int64_t step = 0, epoch = 0;  // from 1
  float loss = 0;
  double lr = 0;
  int64_t ns = 0;  // of the step, and of deciding on formats before it
  int64_t total_steps = 0;
};

// What a caller is told while training runs. Each may be left empty.
struct TrainingEvents {
  std::function<void(const StepReport&)> step;
  std::function<void(const StepReport&, const Evaluation&, bool best)> evaluated;
  std::function<void(const StepReport&, const Slot&, const FormatChange&)> switched;
  // After every step, before formats change: what it showed of every slot. Not in float32.
  std::function<void(const StepReport&, const FormatControl&)> observed;
  // After every batch where the recipe profiles: what ran, and how long each of its steps took. The plan lives as long
  // as the trainer.
  std::function<void(const StepReport&, const Plan&, std::span<const int64_t> ns)> timed;
};

struct TrainingResult {
  Evaluation last, best;
  int64_t steps = 0, switches = 0;
  int64_t train_ns = 0;    // in training steps alone
  int64_t policy_ns = 0;   // of these: reading out what slots show, and deciding on formats
  int64_t compile_ns = 0;  // in the constructor, and in compiling the plans that switches asked for
  int64_t arena_bytes = 0;
  CostSummary costs;
  std::vector<SlotFormatNow> formats;
  std::vector<OpTime> profile;  // of all steps, where the recipe asks for it
};

class Trainer {
 public:
  // Imports, compiles and allocates everything. The data must outlive the trainer; where the recipe sets part of the
  // training data aside, that part is evaluated on instead of `evaluation`. Throws Error when model, data and recipe do
  // not fit together.
  Trainer(ImportModel import, const Dataset& train, const Dataset& evaluation, Recipe recipe);
  ~Trainer();

  // What was chosen where the recipe left it open.
  const LossOptions& loss() const;
  // Names of the parameters that stay as they are, since no gradient reaches them.
  const std::vector<std::string>& untrained() const;
  const Preprocess& preprocess() const;
  // What the precision asks for besides formats.
  Treatment treatment() const;
  // Runs to the end. Throws Error, naming the step and where it can be told the layer, when the loss is not finite.
  TrainingResult run(const TrainingEvents& events);

  // Weights, optimizer state and running statistics as they are now, and as they were at the best evaluation.
  const ParameterStore& parameters() const;
  const ParameterStore& best_parameters() const;
  // Of every slot, now.
  std::vector<SlotFormatNow> formats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// What to evaluate, and how.
struct EvaluationTask {
  const Dataset& data;
  std::optional<std::vector<int64_t>> samples;  // of the data; all where not given
  Preprocess preprocess;
  LossOptions loss;
  int64_t batch_size = 128;
  Formats formats;  // by slot name; empty: float32
  std::optional<Backend> backend;
};

// Loss, accuracy and top-5 in inference form, the last incomplete batch included.
Evaluation evaluate(const ImportModel& import, ParameterStore& parameters, const EvaluationTask& task);

}  // namespace marvin
