// marvin train: a model, data and a recipe become a run directory.
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <memory>

#include "importer/export.h"
#include "importer/node_list.h"
#include "importer/replace_head.h"
#include "importer/versions.h"
#include "runtime/cli/model_metadata.h"
#include "runtime/cli/profile.h"
#include "runtime/cli/train_log.h"
#include "runtime/cli/train_options.h"
#include "runtime/cli/train_summary.h"
#include "runtime/cli/verbs.h"
#include "runtime/cli/write_report.h"
#include "runtime/data/batches.h"
#include "runtime/data/load.h"
#include "runtime/kernels/versions.h"
#include "runtime/report/machine.h"
#include "runtime/report/table.h"

namespace marvin {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::string now_text() {
  const std::time_t now = std::time(nullptr);
  std::tm utc = {};
  gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

// ---- Before anything is computed ------------------------------------------------------------------------------------

bool is_of_run(const std::string& file, const std::string& directory) {
  return std::ranges::any_of(run_files(), [&](std::string_view name) {
    std::error_code ignored;
    return fs::equivalent(file, fs::path(directory) / name, ignored);
  });
}

// Throws where the run directory cannot be made, or replacing it would remove what the run reads.
void check_out(const TrainOptions& options) {
  check_run_directory(options.out, options.overwrite);
  const std::string& precision = options.recipe.precision;
  const std::string formats = precision.ends_with(".json") || precision.ends_with(".jsonl") ? precision : "";
  for (const std::string& source : {options.model, options.data, options.eval_data, options.recipe_file, formats}) {
    if (!options.overwrite || source.empty() || !is_of_run(source, options.out)) continue;
    throw Error("--overwrite would remove '", source, "', which this run reads; give --out another name");
  }
}

void require(const std::string& value, const char* flag) {
  if (value.empty()) throw CLI::RequiredError(flag);
}

struct RunData {
  DataSplits splits;
  std::optional<DataSplits> other;  // of --eval-data

  const Dataset& evaluation() const {
    const DataSplits& from = other ? *other : splits;
    return from.test ? *from.test : from.train;
  }
  bool evaluates_on_training_data() const { return !other && !splits.test; }
};

RunData load(const TrainOptions& options) {
  RunData data{load_data(options.data), std::nullopt};
  if (!options.eval_data.empty()) data.other = load_data(options.eval_data);
  return data;
}

// Where nobody said how many samples make a batch, fewer than usual are one.
void fit_batch_size(const CLI::App& command, TrainOptions& options, const Dataset& train) {
  if (command.get_option("--batch-size")->count() > 0) return;
  int64_t samples = train.samples();
  if (const double share = options.recipe.validation_split; share > 0)
    samples = static_cast<int64_t>(split(train, share, options.recipe.seed).train.size());
  const int64_t usual = options.recipe.batch_size;
  if (samples >= usual) return;
  options.recipe.batch_size = samples;
  if (options.common.prints_text())
    print_line(cat("a batch is the ", samples, " samples that there are to train on: fewer than the usual ", usual));
}

// ---- What is written ------------------------------------------------------------------------------------------------

Json configuration(const TrainOptions& options, const Recipe& recipe, const Trainer& trainer, const Dataset& train) {
  const Machine machine = this_machine();
  Json inputs = Json::object();  // for models that leave shapes open
  for (const auto& [name, shape] : shapes_of(train)) inputs[name] = shape;
  return {{"marvin", MARVIN_VERSION},
          {"versions",
           {{"openblas", openblas_version()},
            {"onednn", onednn_version()},
            {"onnx", onnx_version()},
            {"protobuf", protobuf_version()}}},
          {"machine", {{"cpu", machine.cpu}, {"isa", machine.isa}, {"threads", omp_get_max_threads()}}},
          {"started", now_text()},
          {"model", fs::absolute(options.model).lexically_normal().string()},
          {"inputs", inputs},
          {"recipe", recipe_json(options, recipe, trainer.loss(), trainer.preprocess())}};
}

// Of the slots that the model has without its gradients.
Formats forward_formats(const Trainer& trainer) {
  Formats formats;
  for (const SlotFormatNow& now : trainer.formats())
    if (now.slot.role != Role::gradient && !now.format.is_float()) formats[now.slot.name] = now.format;
  return formats;
}

void write_model(const OnnxModel& model, const Trainer& trainer, const TrainOptions& options, const std::string& path) {
  export_trained(model, trainer.parameters().tensors(),
                 {.keep_training_mode = options.keep_training_mode,
                  .metadata = training_metadata(trainer.preprocess(), trainer.loss(), forward_formats(trainer))},
                 path);
}

void print_begin(const TrainOptions& options, const OnnxModel& model, const RunData& data, const Trainer& trainer) {
  if (!options.common.prints_text()) return;
  print_line(cat("training on ", describe(data.splits.train), "; loss ", trainer.loss().name,
                 trainer.loss().output.empty() ? "" : cat(" of the output ", trainer.loss().output),
                 trainer.loss().class_axis ? cat(", classes on axis ", *trainer.loss().class_axis) : "", ", precision ",
                 options.recipe.precision));
  if (!trainer.untrained().empty())
    print_line(
        cat("no gradient reaches ", join(trainer.untrained()), ": these stay as they are (marvin check says why)"));
  if (const std::vector<std::string> integers = integer_weights(model); !integers.empty())
    print_line(cat("DequantizeLinear reads the integers ", join_some(integers, 4),
                   ": these stay as they are, and what else there is trains; train the model in float32 to train all"));
  if (data.evaluates_on_training_data() && options.recipe.validation_split == 0) {
    print_line("evaluating on the training data: there are no test data; --eval-data or --val-split set some aside");
  }
}

void print_end(const TrainOptions& options, const TrainingResult& result, const Json& summary, double wall_s,
               int64_t peak) {
  const std::string table = format_table(result.formats);
  print_result(options.common, summary,
               cat(table.empty() ? "" : "\nformats <word length, fractional length>\n" + table + "\n",
                   summary_text(result, wall_s, peak), "\nreport               ", report_path(options.out), "\n\n",
                   last_line(result.last)));
}

int train(TrainOptions& options, CLI::App& command) {
  const Clock::time_point start = Clock::now();
  read_settings(command, options);
  require(options.data, "--data");
  require(options.out, "--out");
  check_out(options);
  OnnxModel model = OnnxModel::load(options.model);
  if (options.replace_head) model = with_head(model, *options.replace_head, options.recipe.seed);
  const RunData data = load(options);
  fit_batch_size(command, options, data.splits.train);
  Recipe recipe = resolve(options, data.splits.train);
  recipe.profile = true;
  Trainer trainer(importer_of(model, shapes_of(data.splits.train)), data.splits.train, data.evaluation(), recipe);

  Json run = configuration(options, recipe, trainer, data.splits.train);
  const RunDirectory directory(options.out, options.overwrite, run);
  print_begin(options, model, data, trainer);
  TrainingLog log(directory, options.common, trainer.formats(), trainer.treatment(),
                  [&] { write_model(model, trainer, options, directory / "best.onnx"); });
  const TrainingResult result = trainer.run(log.events());
  log.finish();
  write_model(model, trainer, options, directory / "trained.onnx");

  const double wall_s = seconds_since(start);
  const int64_t peak = peak_bytes();
  run["summary"] = summary_json(result, wall_s, peak);
  run["formats"] = formats_json(result.formats);
  run["profile"] = profile_json(result);
  directory.write_run_json(run);
  write_report({options.out}, report_path(options.out));
  print_end(options, result, run["summary"], wall_s, peak);
  return kSuccess;
}

}  // namespace

Verb add_train(CLI::App& app) {
  const auto options = std::make_shared<TrainOptions>();
  CLI::App* command = app.add_subcommand("train", "Train a model, in fixed point unless told otherwise");
  add_train_options(*command, *options);
  command->footer(
      "Images are scaled to [0,1] and normalised with the training set's mean and deviation; a recipe's "
      "\"preprocess\"\n"
      "({\"normalize\": {\"mean\": [..], \"std\": [..]} or true or false, \"pad\": N, \"crop\": N, \"flip\": true}) "
      "changes that:\n"
      "pad puts N zeros around every image; crop moves training images by up to N pixels, flip mirrors half of them.\n"
      "Arrays of an .npz file have the samples on their first axis, and the names of the model's inputs; 'labels' are "
      "compared\n"
      "with its scores. Class labels are integers: [N] for scores [N,C]; for more axes [N,...] for scores [N,C,...], "
      "as in\n"
      "ONNX's losses, or [N,...,C], as language models have them, whichever fits (--class-axis says it); [N,T] also "
      "for scores\n"
      "[N*T,C]. Labels 0 and 1 go with one score per sample, [N,1] or [N].\n\n"
      "The run directory then holds run.json, metrics.jsonl, precision.jsonl, observations.jsonl, trained.onnx, "
      "best.onnx\n"
      "and report.html, a page that shows how it went.\n\n"
      "--precision\n"
      "  adaptive   every tensor the word length that it needs, from what it shows while training runs\n"
      "  paper      MARViN/AdaPT as published: one format per layer for weights, inputs and gradients, at 8 to 32 "
      "bits; words\n"
      "             above 24 bits are computed in float32. paper:released decides as the authors' program does, "
      "paper:sound\n"
      "             (the same as paper) as it means to. Settings may follow, with these defaults:\n"
      "             paper:sound,lb_min=25,lb_max=100,r_min=50,r_max=150,buff=8,gamma=0.33,tolerance=0.01,penalty=1\n"
      "             (steps to look back, bins, bits before the point, change of the look-back, nats, weight of the "
      "penalty;\n"
      "             only paper:released takes an lb_min above lb_max; look-backs then go to lb_max)\n"
      "  muppet     MuPPET: one word length for all, 8 to 16 bits and then float32, that grows at ends of epochs;\n"
      "             muppet:resolution=3,patience=2 (epochs to a look, looks before it grows)\n"
      "  FILE.json  formats by slot or layer, names or regular expressions for whole names, float32 for what is left "
      "out:\n"
      "             {\"default\": \"8\", \"slots\": {\"fc2.weight\": \"16.12\", \"d\\\\..*\": \"16\"}, \"layers\": "
      "{\"conv1\": "
      "\"float32\"}}\n"
      "             of several that fit: slots before layers, a name spelt out before expressions, then the first in "
      "the file\n"
      "  RUN/precision.jsonl  the formats of a recorded run, switched at its steps: repeats it to the bit\n\n"
      "Examples:\n"
      "  marvin train models/lenet5.onnx --data fashion-mnist --out runs/a --epochs 5 --lr 0.05 --momentum 0.9\n"
      "  marvin train models/lenet5.onnx --data fashion-mnist --out runs/b --precision float32 --optimizer adam\n"
      "  marvin train models/resnet20.onnx --data fashion-mnist --out runs/c --lr-schedule one-cycle --lr 0.4 --epochs "
      "10\n"
      "  marvin train model.onnx --data train.npz --eval-data test.npz --loss mse --out runs/d --recipe recipe.json");
  return {command, [options, command] { return train(*options, *command); }};
}

}  // namespace marvin
