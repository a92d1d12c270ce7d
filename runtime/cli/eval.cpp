// marvin eval: loss, accuracy and top-5 of a model.
#include <memory>

#include "runtime/cli/evaluate_model.h"
#include "runtime/cli/model_metadata.h"
#include "runtime/cli/verbs.h"
#include "runtime/data/load.h"
#include "runtime/ir/file.h"
#include "runtime/report/table.h"

namespace marvin {
namespace {

struct EvalOptions {
  CommonOptions common;
  EvaluationOptions evaluation;
  std::string model, data, precision, predictions, backend = "auto";
};

// One class to a line, in the order of the samples.
void write_predictions(const Evaluation& evaluation, const std::string& path) {
  if (!evaluation.accuracy) throw Error("--predictions: the model is not a classifier");
  std::string lines;
  for (const int64_t prediction : evaluation.predictions) lines += std::to_string(prediction) + "\n";
  write_file_atomically(path, lines);
}

int eval(EvalOptions options) {
  static const std::vector<std::string> kPrecisions = {"float32"};
  if (!options.precision.empty()) check_word("--precision", options.precision, kPrecisions);
  options.evaluation.float32 = !options.precision.empty();
  options.evaluation.backend = backend_named(options.backend);
  const OnnxModel model = OnnxModel::load(options.model);
  const bool in_nodes = has_fixed_point_nodes(model);
  if (in_nodes && options.evaluation.float32)
    throw Error("--precision float32: '", options.model,
                "' is in fixed point by its nodes, which cannot be left aside; ",
                "evaluate the model that it was exported from");
  const bool fixed_point = in_nodes || (!options.evaluation.float32 && !stored_formats(model).empty());
  const Evaluation result = evaluate_model(model, load_data(options.data), options.evaluation);
  if (!options.predictions.empty()) write_predictions(result, options.predictions);
  Json json = to_json(result);
  json["precision"] = fixed_point ? "fixed point" : "float32";
  print_result(options.common, json,
               cat(grouped_text(result.samples), " samples, in ", fixed_point ? "the model's fixed point" : "float32",
                   ": ", text_of(result), "\n", last_line(result)));
  return kSuccess;
}

}  // namespace

Verb add_eval(CLI::App& app) {
  const auto options = std::make_shared<EvalOptions>();
  CLI::App* command = app.add_subcommand("eval", "Loss, accuracy and top-5 of a model");
  add_model(*command, options->model);
  command
      ->add_option("--data", options->data,
                   "fashion-mnist, a directory of idx or CIFAR files, or X.npz; test data where there are any")
      ->type_name("DATA")
      ->required();
  add_batch_size(*command, options->evaluation.batch_size);
  command->add_option("--loss", options->evaluation.loss, "As train takes it; the one trained with when not given")
      ->type_name("LOSS");
  command
      ->add_option("--loss-output", options->evaluation.loss_output,
                   "The output that is compared with the labels; the one trained with when not given")
      ->type_name("NAME");
  command
      ->add_option("--ignore-index", options->evaluation.ignore_index,
                   "The class label that counts for nothing, of cross-entropy and nll")
      ->type_name("N")
      ->check(any_integer("--ignore-index"));
  command
      ->add_option(
          "--class-axis", options->evaluation.class_axis,
          "The axis of the scores along which the classes lie; as train takes it, and the one trained with when "
          "not given")
      ->type_name("N")
      ->check(any_integer("--class-axis"));
  command->add_option("--precision", options->precision, "float32: leave the model's fixed-point formats aside")
      ->type_name("float32");
  command
      ->add_option("--predictions", options->predictions, "Write the class of every sample to this file, one to a line")
      ->type_name("FILE");
  add_backend(*command, options->backend);
  add_common_options(*command, options->common);
  command->footer(
      "The model is evaluated in inference form, with the preprocessing and in the fixed point that its metadata "
      "name;\n"
      "what export --format qdq, qcdq or intquant wrote, by the nodes of the file as they stand.\n\n"
      "Examples:\n"
      "  marvin eval runs/a/trained.onnx --data fashion-mnist\n"
      "  marvin eval runs/a/trained.onnx --data fashion-mnist --precision float32 --json");
  return {command, [options] { return eval(*options); }};
}

}  // namespace marvin
