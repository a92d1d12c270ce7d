#include "runtime/train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "passes/differentiate.h"
#include "passes/freeze.h"
#include "runtime/data/batches.h"
#include "runtime/train/binding.h"
#include "runtime/train/initialize.h"
#include "runtime/train/policy_of.h"
#include "runtime/train/step_plans.h"

namespace marvin {
namespace {

using Clock = std::chrono::steady_clock;

int64_t ns_since(Clock::time_point start) { return std::chrono::nanoseconds(Clock::now() - start).count(); }

bool has_integer_labels(const Dataset& data) {
  const NamedArray* labels = data.find("labels");
  return labels && is_integer(labels->values.type().dtype);
}

Preprocess default_preprocess(const Dataset& train) {
  if (train.kind != DataKind::images) return {};
  const MeanAndDeviation statistics = mean_and_deviation(train);
  return {.scale = true, .mean = statistics.mean, .deviation = statistics.deviation};
}

}  // namespace

class Trainer::Impl {
 public:
  Impl(ImportModel import, const Dataset& train, const Dataset& evaluation, Recipe recipe)
      : import_(std::move(import)),
        train_(train),
        evaluation_(evaluation),
        recipe_(checked(std::move(recipe))),
        split_(chosen_split()),
        formats_(policy_of(recipe_.precision), recipe_.switch_at_epoch),
        model_(imported()),
        loss_(chosen_loss()),
        preprocess_(recipe_.preprocess ? *recipe_.preprocess : default_preprocess(train)),
        reader_(train, preprocess_, batch_options()),
        plans_(model_, step_options(true), parameters_, arena_, train, reader_),
        summing_plans_(model_, step_options(false), parameters_, arena_, train, reader_),
        plateau_(recipe_.schedule) {
    steps_per_epoch();
    for (const ValueId parameter : trainable_parameters(model_)) parameter_names_.push_back(model_[parameter].name);
    if (formats_.is_on()) begin_precision();
    const StepPlan& plan = plans_.in(formats_.slots(), formats_.formats());
    meter_.emplace(layout_of(plan, recipe_.batch_size, recipe_.accumulate));
    slot_costs_.resize(plan.executor->plan().slots.size());
    result_.compile_ns = ns_since(begun_) - plans_.compile_ns();  // which run() adds, with those of later plans
  }

  const LossOptions& loss() const { return loss_; }
  const std::vector<std::string>& untrained() const { return plans_.begin()->second->compiled.untrained; }
  const Preprocess& preprocess() const { return preprocess_; }
  Treatment treatment() const { return formats_.treatment(); }
  const ParameterStore& parameters() const { return parameters_; }
  const ParameterStore& best_parameters() const { return best_parameters_; }

  std::vector<SlotFormatNow> formats() const { return formats_.now(); }

  TrainingResult run(const TrainingEvents& events) {
    const int64_t per_epoch = steps_per_epoch();
    const int64_t total = recipe_.steps.value_or(recipe_.epochs * per_epoch);
    bool evaluated = false;
    while (step_ < total) {
      const StepReport report = run_step(total, events);
      const bool epoch_ends = step_ % per_epoch == 0;
      switch_formats(report, epoch_ends, events);
      evaluated = step_ == total || (epoch_ends && report.epoch % recipe_.evaluate_every == 0);
      if (evaluated) run_evaluation(report, events);
    }
    if (!evaluated) throw std::logic_error("training ended without an evaluation");
    result_.steps = step_;
    result_.compile_ns += plans_.compile_ns() + summing_plans_.compile_ns();
    result_.arena_bytes = arena_.bytes();
    result_.costs = meter_->summary();
    result_.formats = formats();
    result_.profile = profile();
    return result_;
  }

 private:
  static Recipe checked(Recipe recipe) {
    check(recipe);
    return recipe;
  }

  Graph imported() const {
    Graph model = import_(recipe_.batch_size, false);
    std::vector<ValueId> frozen;
    if (!recipe_.freeze.empty()) frozen = parameters_matching(model, recipe_.freeze);
    initialize(model, recipe_.init, recipe_.seed, frozen);
    return model;
  }

  std::optional<SampleSplit> chosen_split() const {
    if (recipe_.validation_split == 0) return std::nullopt;
    return split(train_, recipe_.validation_split, recipe_.seed);
  }

  LossOptions chosen_loss() const {
    LossOptions loss = recipe_.loss;
    if (loss.name.empty()) loss.name = default_loss(model_, has_integer_labels(train_), loss.output);
    loss.output = loss_output(model_, loss);
    loss.labels = label_shape(model_, train_, recipe_.batch_size);
    loss.class_axis = class_axis(model_, loss);
    return loss;
  }

  BatchOptions batch_options() const {
    BatchOptions options{.batch_size = recipe_.batch_size,
                         .shuffle = recipe_.shuffle,
                         .seed = recipe_.seed,
                         .drop_last = true,
                         .augment = true};
    if (split_) options.samples = split_->train;
    return options;
  }

  // is_last: of the batches whose gradients make an optimizer step.
  CompileOptions step_options(bool is_last) const {
    return {.loss = loss_,
            .optimizer = recipe_.optimizer,
            .freeze = recipe_.freeze,
            .shaping = {.l1 = recipe_.l1,
                        .clip_norm = recipe_.clip_grad_norm,
                        .accumulate = recipe_.accumulate,
                        .is_last = is_last},
            .treatment = formats_.treatment(),
            .observe = formats_.observation(),
            .backend = recipe_.backend};
  }

  // One float32 pass over the first batch that changes nothing shows every range before the first step.
  void begin_precision() {
    Graph model = model_;
    model.updates.clear();
    CompileOptions options = step_options(true);
    options.optimizer.reset();
    options.gradients = true;
    const std::unique_ptr<StepPlan> plan = make_step_plan(model, options, parameters_, arena_, train_, reader_);
    formats_.adopt(*plan);
    reader_.read(0, 0, plan->destinations);
    plan->executor->run({.formats = formats_.formats(), .seed = recipe_.seed});
    formats_.begin(*plan);
  }

  int64_t steps_per_epoch() const {
    const int64_t steps = reader_.batches_per_epoch() / recipe_.accumulate;
    if (steps > 0) return steps;
    throw Error("--accumulate ", recipe_.accumulate, " is more than the ", reader_.batches_per_epoch(),
                " batches of an epoch");
  }

  StepReport run_step(int64_t total, const TrainingEvents& events) {
    const int64_t per_epoch = steps_per_epoch();
    StepReport report{
        .step = step_ + 1, .epoch = step_ / per_epoch + 1, .ns = std::exchange(deciding_ns_, 0), .total_steps = total};
    report.lr = learning_rate(recipe_.schedule, report.step, total, per_epoch) * plateau_.factor();
    for (int64_t part = 0; part < recipe_.accumulate; ++part) run_batch(part, report, events);
    report.loss /= static_cast<double>(recipe_.accumulate);
    ++step_;
    result_.train_ns += report.ns;
    count_costs();
    if (const std::string layer = formats_.first_not_finite(); !std::isfinite(report.loss) || !layer.empty())
      stop(report, layer);
    if (events.step) events.step(report);
    if (events.observed && formats_.is_on()) events.observed(report, formats_);
    return report;
  }

  // Batch `part` of the step's; adds its loss and time to the report.
  void run_batch(int64_t part, StepReport& report, const TrainingEvents& events) {
    const bool is_last = part + 1 == recipe_.accumulate;
    const int64_t per_epoch = steps_per_epoch();
    StepPlan& plan = (is_last ? plans_ : summing_plans_).in(formats_.slots(), formats_.formats());
    const Clock::time_point start = Clock::now();
    reader_.read(step_ / per_epoch, step_ % per_epoch * recipe_.accumulate + part, plan.destinations);
    if (plan.lr) plan.executor->input<float>(*plan.lr)[0] = static_cast<float>(report.lr);
    if (plan.step) plan.executor->input<float>(*plan.step)[0] = static_cast<float>(report.step);
    if (recipe_.profile) batch_ns_.assign(plan.executor->plan().steps.size(), 0);
    plan.executor->run({.formats = formats_.formats(),
                        .seed = recipe_.seed,
                        .step = static_cast<uint64_t>(step_ * recipe_.accumulate + part + 1),
                        .step_ns = batch_ns_});
    const float loss = plan.executor->output<float>(plan.loss)[0];
    if (std::isnan(loss)) refuse_unlabelled(plan, report);
    report.loss += loss;
    const Clock::time_point looked = Clock::now();
    if (is_last) formats_.look(plan, (step_ + 1) % per_epoch == 0);
    result_.policy_ns += ns_since(looked);
    report.ns += ns_since(start);
    if (recipe_.profile) add_times(plan, report, events);
  }

  void add_times(StepPlan& plan, const StepReport& report, const TrainingEvents& events) const {
    if (plan.times.empty()) plan.times = op_times(plan.executor->plan());
    for (size_t i = 0; i < batch_ns_.size(); ++i) {
      plan.times[i].ns += batch_ns_[i];
      ++plan.times[i].runs;
    }
    if (events.timed) events.timed(report, plan.executor->plan(), batch_ns_);
  }

  // The mean over no label is not a number.
  static void refuse_unlabelled(StepPlan& plan, const StepReport& report) {
    const LossInputs& loss = plan.compiled.loss;
    if (!loss.ignore_index || !loss.labels.valid()) return;
    const std::string& name = plan.compiled.graph[loss.labels].name;
    const std::span<const int64_t> labels = plan.executor->input<int64_t>(plan.executor->input_index(name));
    if (std::ranges::any_of(labels, [&](int64_t label) { return label != *loss.ignore_index; })) return;
    throw Error("the batch of step ", report.step, " (epoch ", report.epoch, ") has no label that counts: all are ",
                *loss.ignore_index, ", which --ignore-index leaves out, and the loss is the mean of nothing. Give a ",
                "larger --batch-size, or take samples without labels that count out of the data");
  }

  void switch_formats(const StepReport& report, bool epoch_ends, const TrainingEvents& events) {
    const Clock::time_point start = Clock::now();
    const std::span<const FormatChange> switches = formats_.decide({.step = report.step,
                                                                    .loss = report.loss,
                                                                    .l1_term = l1_term(),
                                                                    .epoch = report.epoch,
                                                                    .epoch_ends = epoch_ends});
    deciding_ns_ = ns_since(start);
    result_.policy_ns += deciding_ns_;
    result_.switches += static_cast<int64_t>(switches.size());
    if (!events.switched) return;
    for (const FormatChange& change : switches) events.switched(report, formats_.slots()[change.slot], change);
  }

  // What the loss does not show, since it enters by the gradients alone.
  double l1_term() const {
    double sum = 0;
    if (recipe_.l1 == 0 || !formats_.is_on()) return sum;
    for (const std::string& name : parameter_names_)
      for (const float value : parameters_.at(name).as<float>()) sum += std::fabs(value);
    return recipe_.l1 * sum;
  }

  void run_evaluation(const StepReport& report, const TrainingEvents& events) {
    EvaluationTask task{.data = split_ ? train_ : evaluation_,
                        .preprocess = preprocess_,
                        .loss = loss_,
                        .batch_size = recipe_.batch_size,
                        .formats = formats_.by_name(),
                        .backend = recipe_.backend};
    if (split_) task.samples = split_->validation;
    result_.last = evaluate(import_, parameters_, task);
    plateau_.observe(result_.last.loss);
    const auto better = [](const Evaluation& a, const Evaluation& b) {
      return a.accuracy ? a.accuracy > b.accuracy : a.loss < b.loss;
    };
    const bool best = !evaluated_ || better(result_.last, result_.best);
    evaluated_ = true;
    if (best) {
      result_.best = result_.last;
      best_parameters_ = parameters_;
    }
    if (events.evaluated) events.evaluated(report, result_.last, best);
  }

  void count_costs() {
    formats_.cost(slot_costs_);
    meter_->add(slot_costs_);
  }

  [[noreturn]] void stop(const StepReport& report, const std::string& layer) const {
    const std::string what =
        std::isfinite(report.loss) ? "training came to values that are not finite" : cat("the loss is ", report.loss);
    throw Error(what, " at step ", report.step, " (epoch ", report.epoch, ")",
                layer.empty() ? "" : cat("; the first of them are in ", layer),
                loss_.name == "bce"
                    ? ". bce takes scores and labels in [0,1]; bce-with-logits takes any scores"
                    : cat(". Lower --lr (it was ", report.lr, "), or look for values in the data that are not finite"));
  }

  std::vector<OpTime> profile() const {
    std::vector<OpTime> times;
    for (const StepPlans* plans : {&plans_, &summing_plans_})
      for (const auto& [containers, plan] : *plans) times.insert(times.end(), plan->times.begin(), plan->times.end());
    return times;
  }

  const Clock::time_point begun_ = Clock::now();
  ImportModel import_;
  const Dataset& train_;
  const Dataset& evaluation_;
  Recipe recipe_;
  std::optional<SampleSplit> split_;
  FormatControl formats_;
  Graph model_;
  LossOptions loss_;
  Preprocess preprocess_;
  BatchReader reader_;
  ParameterStore parameters_, best_parameters_;
  Arena arena_;
  StepPlans plans_, summing_plans_;  // of steps, and of the batches before the last of a step
  Plateau plateau_;

  std::vector<std::string> parameter_names_;
  std::vector<SlotCost> slot_costs_;  // by slot; of float32 where there is no policy
  std::optional<CostMeter> meter_;
  std::vector<int64_t> batch_ns_;  // by plan step, of the last batch
  int64_t step_ = 0;
  int64_t deciding_ns_ = 0;  // on formats, after the last step
  bool evaluated_ = false;
  TrainingResult result_;
};

Trainer::Trainer(ImportModel import, const Dataset& train, const Dataset& evaluation, Recipe recipe)
    : impl_(std::make_unique<Impl>(std::move(import), train, evaluation, std::move(recipe))) {}
Trainer::~Trainer() = default;
const LossOptions& Trainer::loss() const { return impl_->loss(); }
const std::vector<std::string>& Trainer::untrained() const { return impl_->untrained(); }
const Preprocess& Trainer::preprocess() const { return impl_->preprocess(); }
Treatment Trainer::treatment() const { return impl_->treatment(); }
TrainingResult Trainer::run(const TrainingEvents& events) { return impl_->run(events); }
const ParameterStore& Trainer::parameters() const { return impl_->parameters(); }
const ParameterStore& Trainer::best_parameters() const { return impl_->best_parameters(); }
std::vector<SlotFormatNow> Trainer::formats() const { return impl_->formats(); }

}  // namespace marvin
