#include "runtime/cli/evaluate_model.h"

#include "runtime/cli/model_metadata.h"
#include "runtime/cli/training_graph.h"
#include "runtime/report/table.h"

namespace marvin {
namespace {

Preprocess preprocess_for(const OnnxModel& model, const Dataset& train) {
  if (train.kind != DataKind::images) return {};
  if (const std::optional<Preprocess> stored = stored_preprocess(model)) return *stored;
  const MeanAndDeviation statistics = mean_and_deviation(train);
  return {.scale = true, .mean = statistics.mean, .deviation = statistics.deviation};
}

LossOptions loss_for(const OnnxModel& model, const ImportModel& import, const Dataset& data,
                     const EvaluationOptions& options) {
  const LossOptions stored = stored_loss(model);
  LossOptions loss = options.loss.empty() ? stored : LossOptions{.name = options.loss};
  if (!loss.name.starts_with("output:")) loss.output = stored.output;
  if (loss.name == "cross-entropy" || loss.name == "nll") loss.class_axis = stored.class_axis;
  if (!options.loss_output.empty()) loss.output = options.loss_output;
  if (options.ignore_index) loss.ignore_index = options.ignore_index;
  if (options.class_axis) loss.class_axis = options.class_axis;
  if (!loss.name.empty()) return loss;
  const NamedArray* labels = data.find("labels");
  loss.name =
      default_loss(import(options.batch_size, true), labels && is_integer(labels->values.type().dtype), loss.output);
  return loss;
}

}  // namespace

Evaluation evaluate_model(const OnnxModel& model, const DataSplits& data, const EvaluationOptions& options) {
  const Dataset& samples = data.test ? *data.test : data.train;
  ParameterStore parameters;
  const ImportModel import = importer_of(model, shapes_of(samples));
  return evaluate(import, parameters,
                  {.data = samples,
                   .preprocess = preprocess_for(model, data.train),
                   .loss = loss_for(model, import, samples, options),
                   .batch_size = options.batch_size,
                   .formats = options.float32 ? Formats{} : stored_formats(model),
                   .backend = options.backend});
}

Json to_json(const Evaluation& evaluation) {
  Json json = {{"loss", evaluation.loss}};
  if (evaluation.accuracy) json["accuracy"] = *evaluation.accuracy;
  if (evaluation.top5) json["top5"] = *evaluation.top5;
  json["samples"] = evaluation.samples;
  return json;
}

std::string text_of(const Evaluation& evaluation) {
  std::string text = "loss " + fixed_point_text(evaluation.loss, 4);
  if (evaluation.accuracy) text += ", accuracy " + percent_text(*evaluation.accuracy);
  if (evaluation.top5) text += ", top-5 " + percent_text(*evaluation.top5);
  return text;
}

std::string last_line(const Evaluation& evaluation) {
  return evaluation.accuracy ? "accuracy: " + percent_text(*evaluation.accuracy) : cat("loss: ", evaluation.loss);
}

}  // namespace marvin
