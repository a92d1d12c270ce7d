// marvin bench: training steps on synthetic data, timed.
#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>
#include <numeric>

#include "runtime/cli/options.h"
#include "runtime/cli/profile.h"
#include "runtime/cli/verbs.h"
#include "runtime/data/random.h"
#include "runtime/report/machine.h"
#include "runtime/report/table.h"

namespace marvin {
namespace {

constexpr int64_t kUntimedSteps = 3;
constexpr uint64_t kSeed = 1;
constexpr size_t kProfileRows = 25;

struct BenchOptions {
  CommonOptions common;
  std::string model, precision = "adaptive", backend = "auto";
  InputShapes shapes;
  int64_t batch_size = 0, steps = 20;
  bool profile = false;
};

// ---- Synthetic data -------------------------------------------------------------------------------------------------

// In (0, 1].
double uniform(uint64_t bits) { return (static_cast<double>(bits >> 11) + 1) * 0x1p-53; }

// Box and Muller.
Tensor normal_tensor(const Type& type, uint64_t salt) {
  Tensor tensor(type);
  const std::span<float> elements = tensor.as<float>();
  for (size_t i = 0; i < elements.size(); ++i) {
    const double radius = std::sqrt(-2 * std::log(uniform(random_bits(kSeed, salt, i, 0))));
    elements[i] = static_cast<float>(radius * std::cos(2 * std::numbers::pi * uniform(random_bits(kSeed, salt, i, 1))));
  }
  return tensor;
}

Tensor class_tensor(const Type& type, int64_t classes, uint64_t salt) {
  Tensor tensor(type);
  const std::span<int64_t> elements = tensor.as<int64_t>();
  for (size_t i = 0; i < elements.size(); ++i) elements[i] = below(classes, random_bits(kSeed, salt, i));
  return tensor;
}

// One batch for the model's inputs and for cross-entropy.
Dataset synthetic_data(Graph model) {
  Dataset data{.kind = DataKind::arrays};
  const std::vector<ValueId> inputs = model.inputs;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Value& input = model[inputs[i]];
    if (input.type.dtype != DType::f32) {
      throw Error("the input '", input.name, "' is ", text_of(input.type),
                  "; bench makes up data for float32 inputs alone");
    }
    data.arrays.push_back({input.name, normal_tensor(input.type, i)});
  }
  const LossInputs loss = attach_loss(model, {.name = "cross-entropy"});
  data.classes = model.type_of(loss.scores).shape[1];
  data.arrays.push_back(
      {model[loss.labels].name, class_tensor(model.type_of(loss.labels), data.classes, inputs.size())});
  return data;
}

// ---- Timing ---------------------------------------------------------------------------------------------------------

struct Timing {
  std::vector<int64_t> step_ns;  // sorted
  int64_t peak_bytes = 0;        // when the last step had run
  TrainingResult result;

  double min_ms() const { return ms_of(step_ns.front()); }
  double median_ms() const {
    const size_t n = step_ns.size();
    return ms_of((step_ns[(n - 1) / 2] + step_ns[n / 2]) / 2);
  }
  double max_ms() const { return ms_of(step_ns.back()); }
};

Recipe bench_recipe(const BenchOptions& options) {
  Recipe recipe{.loss = {.name = "cross-entropy"}};
  recipe.optimizer.momentum = 0.9f;
  recipe.schedule.lr = 0.01;
  recipe.steps = options.steps + kUntimedSteps;
  recipe.evaluate_every = *recipe.steps;
  recipe.batch_size = options.batch_size;
  recipe.shuffle = false;
  recipe.precision = options.precision;
  recipe.backend = backend_named(options.backend);
  recipe.profile = true;
  return recipe;
}

Timing measure(const OnnxModel& model, const BenchOptions& options) {
  const ImportModel import = [&](int64_t batch, bool inference) {
    return import_with(model, options.shapes, batch, inference);
  };
  const Dataset data = synthetic_data(import(options.batch_size, false));
  Timing timing;
  Trainer trainer(import, data, data, bench_recipe(options));
  timing.result = trainer.run({.step = [&](const StepReport& report) {
    if (report.step > kUntimedSteps) timing.step_ns.push_back(report.ns);
    if (report.step == report.total_steps) timing.peak_bytes = peak_bytes();
  }});
  std::ranges::sort(timing.step_ns);
  return timing;
}

// ---- Results --------------------------------------------------------------------------------------------------------

std::vector<ProfileRow> by_op(const TrainingResult& result) {
  return profile_by(result, [](const OpTime& time) { return std::vector{time.op}; });
}

std::vector<ProfileRow> by_output(const TrainingResult& result) {
  return profile_by(result, [](const OpTime& time) { return std::vector{time.label, time.op, time.kernel}; });
}

Json to_json(const Timing& timing, const BenchOptions& options) {
  Json json = {{"step_ms", {{"min", timing.min_ms()}, {"median", timing.median_ms()}, {"max", timing.max_ms()}}},
               {"peak_bytes", timing.peak_bytes},
               {"arena_bytes", timing.result.arena_bytes},
               {"compile_ms", ms_of(timing.result.compile_ns)},
               {"ops", Json::array()}};
  for (const ProfileRow& row : by_op(timing.result)) json["ops"].push_back({{"op", row.names[0]}, {"ms", row.ms}});
  if (!options.profile) return json;
  json["steps"] = Json::array();
  for (const ProfileRow& row : by_output(timing.result)) {
    json["steps"].push_back({{"output", row.names[0]}, {"op", row.names[1]}, {"kernel", row.names[2]}, {"ms", row.ms}});
  }
  return json;
}

std::string rows_text(const std::vector<ProfileRow>& rows, std::vector<std::string> header) {
  double total = 0;
  for (const ProfileRow& row : rows) total += row.ms;
  header.insert(header.end(), {"ms a step", "share"});
  TextTable table(header);
  for (const ProfileRow& row : rows) {
    if (table.rows() == kProfileRows) break;
    std::vector<std::string> cells = row.names;
    cells.insert(cells.end(), {fixed_point_text(row.ms, 3), percent_text(total > 0 ? row.ms / total : 0)});
    table.add(std::move(cells));
  }
  return table.text();
}

std::string to_text(const Timing& timing, const BenchOptions& options) {
  const auto ms = [](double value) { return fixed_point_text(value, 3); };
  std::string text =
      cat("a step     ", ms(timing.median_ms()), " ms (median; ", ms(timing.min_ms()), " to ", ms(timing.max_ms()),
          ")\nsamples/s  ", fixed_point_text(1e3 * static_cast<double>(options.batch_size) / timing.median_ms(), 1),
          "\nmemory     ", bytes_text(timing.peak_bytes), " at most, arena ", bytes_text(timing.result.arena_bytes),
          "\ncompiling  ", fixed_point_text(ms_of(timing.result.compile_ns), 1), " ms");
  if (options.profile) {
    text += "\n\n" + rows_text(by_op(timing.result), {"op"}) + "\n" +
            rows_text(by_output(timing.result), {"output", "op", "kernel"});
  }
  return text;
}

int bench(const BenchOptions& options) {
  if (options.steps < 1) throw Error("--steps ", options.steps, " makes no sense; it is at least 1");
  const Timing timing = measure(OnnxModel::load(options.model), options);
  print_result(options.common, to_json(timing, options), to_text(timing, options));
  return kSuccess;
}

}  // namespace

Verb add_bench(CLI::App& app) {
  const auto options = std::make_shared<BenchOptions>();
  CLI::App* command = app.add_subcommand("bench", "Time training steps on synthetic data");
  add_model(*command, options->model);
  command->add_option("--batch-size", options->batch_size, "Samples to a batch")->type_name("N")->required();
  add_shapes(*command, options->shapes);
  command->add_option("--precision", options->precision, "As train takes it")->type_name("SPEC")->capture_default_str();
  command->add_option("--steps", options->steps, "Steps to time, after three that are not")
      ->type_name("N")
      ->capture_default_str();
  command->add_flag("--profile", options->profile, "Say where the time goes: by op, and by the longest steps");
  add_backend(*command, options->backend);
  add_common_options(*command, options->common);
  command->footer(
      "One batch of normally distributed inputs and random labels; cross-entropy, SGD with momentum 0.9.\n\n"
      "Examples:\n"
      "  marvin bench models/resnet20.onnx --batch-size 128\n"
      "  marvin bench models/resnet20.onnx --batch-size 128 --precision float32 --profile\n"
      "  marvin bench models/lenet5.onnx --batch-size 256 --threads 1 --json");
  return {command, [options] { return bench(*options); }};
}

}  // namespace marvin
