// Loss, accuracy and top-5 of a model over a data set.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "passes/plan_memory.h"
#include "runtime/train/binding.h"
#include "runtime/train/trainer.h"

namespace marvin {
namespace {

// The scores of one position: its class c is row[c * stride].
struct ScoreRow {
  const float* row;
  int64_t classes, stride;

  // How many classes come before `label` when sorted by score, the first class first where scores are equal. A score
  // that is not a number comes last.
  int64_t rank(int64_t label) const {
    const float own = row[label * stride];
    int64_t before = 0;
    for (int64_t c = 0; c < classes; ++c) {
      const float other = row[c * stride];
      before += c != label && (other > own || std::isnan(own) || (other == own && c < label));
    }
    return before;
  }
  int64_t best() const {
    int64_t best = 0;
    for (int64_t c = 1; c < classes; ++c)
      if (row[c * stride] > row[best * stride]) best = c;
    return best;
  }
};

// Calls body(row, i) for every position i, in the order of the labels, of scores [n,c,...].
template <class Body>
void for_each_row(std::span<const float> scores, const Shape& shape, Body&& body) {
  const int64_t classes = shape[1];
  const int64_t positions = static_cast<int64_t>(scores.size()) / (shape[0] * classes);
  for (int64_t n = 0; n < shape[0]; ++n) {
    for (int64_t p = 0; p < positions; ++p) {
      body(ScoreRow{scores.data() + n * classes * positions + p, classes, positions}, n * positions + p);
    }
  }
}

struct Sums {
  double loss = 0, weight = 0;  // of every batch's mean: its samples, or its labels where some of them do not count
  int64_t labels = 0, top1 = 0, top5 = 0;
  std::vector<int64_t> predictions;
};

// The model at one batch size.
class BatchEvaluator {
 public:
  BatchEvaluator(const ImportModel& import, ParameterStore& parameters, Arena& arena, const CompileOptions& options,
                 const Dataset& data, const BatchReader& reader, int64_t batch)
      : samples_(batch) {
    const Graph model = import(batch, true);
    CompileOptions compile_options = options;
    compile_options.loss.labels = label_shape(model, data, batch);
    compiled_ = compile(model, compile_options, runner_);
    const Graph& graph = compiled_.graph;
    parameters.adopt(graph);
    executor_.emplace(std::make_shared<Plan>(plan_memory(graph)), parameters, arena);
    bindings_ = bind_inputs(graph, compiled_.loss, {}, data);
    destinations_ = destinations(*executor_, bindings_, reader);
    check_labels(graph, compiled_.loss, bindings_, data);
    for (const Slot& slot : executor_->plan().slots) {
      const auto format = options.formats.find(slot.name);
      formats_.push_back(format == options.formats.end() ? FixedPoint{} : format->second);
    }
  }

  std::span<const Destination> inputs() const { return destinations_; }

  // Runs the batch that is in the inputs and adds what it gives.
  void add(Sums& sums) {
    executor_->run({.formats = formats_});
    const int64_t before = sums.labels;
    if (classifies()) rank_labels(sums);
    const int64_t weight = compiled_.loss.ignore_index ? sums.labels - before : samples_;
    if (weight == 0) return;  // the mean of nothing
    const Graph& graph = compiled_.graph;
    const float loss = executor_->output<float>(executor_->output_index(graph[graph.loss].name))[0];
    sums.loss += loss * static_cast<double>(weight);
    sums.weight += static_cast<double>(weight);
  }

  bool classifies() const { return compiled_.loss.ranks; }
  int64_t classes() const { return compiled_.loss.label_limit; }

 private:
  void rank_labels(Sums& sums) {
    const Graph& graph = compiled_.graph;
    const ValueId scores = compiled_.loss.scores;
    const std::span<const float> values = executor_->output<float>(executor_->output_index(graph[scores].name));
    const std::span<const int64_t> labels =
        executor_->input<int64_t>(executor_->input_index(graph[compiled_.loss.labels].name));
    for_each_row(values, graph.type_of(scores).shape, [&](const ScoreRow& row, int64_t i) {
      sums.predictions.push_back(row.best());
      const int64_t label = labels[static_cast<size_t>(i)];
      if (label == compiled_.loss.ignore_index) return;
      const int64_t rank = row.rank(label);
      sums.top1 += rank < 1;
      sums.top5 += rank < 5;
      ++sums.labels;
    });
  }

  int64_t samples_;  // to a batch
  PassRunner runner_;
  Compiled compiled_;
  std::optional<Executor> executor_;
  std::vector<InputBinding> bindings_;
  std::vector<Destination> destinations_;  // name arrays of bindings_
  std::vector<FixedPoint> formats_;
};

}  // namespace

Evaluation evaluate(const ImportModel& import, ParameterStore& parameters, const EvaluationTask& task) {
  std::vector<int64_t> all(static_cast<size_t>(task.data.samples()));
  std::iota(all.begin(), all.end(), int64_t{0});
  const std::vector<int64_t>& samples = task.samples ? *task.samples : all;
  const auto count = static_cast<int64_t>(samples.size());
  const int64_t batch = std::min(task.batch_size, count);
  const CompileOptions options{.loss = task.loss, .formats = task.formats, .backend = task.backend};
  Arena arena;
  Sums sums;

  BatchReader reader(task.data, task.preprocess, {.batch_size = batch, .drop_last = true, .samples = samples});
  BatchEvaluator whole(import, parameters, arena, options, task.data, reader, batch);
  for (int64_t i = 0; i < count / batch; ++i) {
    reader.read(0, i, whole.inputs());
    whole.add(sums);
  }
  if (const int64_t rest = count % batch; rest > 0) {
    // A smaller batch of its own, so that means over the batch are of its samples alone.
    const std::vector<int64_t> last(samples.end() - rest, samples.end());
    BatchReader tail_reader(task.data, task.preprocess, {.batch_size = rest, .samples = last});
    BatchEvaluator tail(import, parameters, arena, options, task.data, tail_reader, rest);
    tail_reader.read(0, 0, tail.inputs());
    tail.add(sums);
  }

  Evaluation result{.loss = sums.loss / std::max(1.0, sums.weight), .samples = count};
  if (whole.classifies()) {
    const double labels = static_cast<double>(std::max<int64_t>(1, sums.labels));
    result.accuracy = static_cast<double>(sums.top1) / labels;
    result.predictions = std::move(sums.predictions);
    if (whole.classes() >= 5) result.top5 = static_cast<double>(sums.top5) / labels;
  }
  return result;
}

}  // namespace marvin
