// marvin bench: training steps on synthetic data, timed.
#include <algorithm>
#include <memory>

#include "runtime/cli/options.h"
#include "runtime/cli/profile.h"
#include "runtime/cli/synthetic_data.h"
#include "runtime/cli/training_graph.h"
#include "runtime/cli/verbs.h"
#include "runtime/report/machine.h"
#include "runtime/report/table.h"

namespace marvin {
namespace {

constexpr int64_t kUntimedSteps = 3;
constexpr size_t kProfileRows = 25;

struct BenchOptions {
  CommonOptions common;
  std::string model, precision = "adaptive", backend = "auto";
  InputShapes shapes;
  int64_t batch_size = 0, steps = 20;
  bool profile = false;
};

// ---- Timing ---------------------------------------------------------------------------------------------------------

struct Timing {
  std::vector<int64_t> step_ns;  // sorted
  int64_t peak_bytes = 0;        // when the last step had run
  int64_t resized_after = 0;     // the last step after which a word went into another container; 0: none did
  TrainingResult result;

  double min_ms() const { return ms_of(step_ns.front()); }
  double median_ms() const {
    const size_t n = step_ns.size();
    return ms_of((step_ns[(n - 1) / 2] + step_ns[n / 2]) / 2);
  }
  double max_ms() const { return ms_of(step_ns.back()); }
};

Recipe bench_recipe(const BenchOptions& options, const LossOptions& loss) {
  Recipe recipe{.loss = loss};
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
  const Graph graph = import(options.batch_size, false);
  const LossOptions loss{.name = usual_loss(graph)};
  const Dataset data = synthetic_data(graph, loss);
  Timing timing;
  Trainer trainer(import, data, data, bench_recipe(options, loss));
  TrainingEvents events;
  events.step = [&](const StepReport& report) {
    if (report.step > kUntimedSteps) timing.step_ns.push_back(report.ns);
    if (report.step == report.total_steps) timing.peak_bytes = peak_bytes();
  };
  events.switched = [&](const StepReport& report, const Slot&, const FormatChange& change) {
    if (storage_of(change.from) != storage_of(change.to)) timing.resized_after = report.step;
  };
  timing.result = trainer.run(events);
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

// Of the multiply-accumulates, how many had both operands in at most 8 bits.
double share_in_bytes(const Timing& timing) {
  const Macs& macs = timing.result.costs.macs;
  return macs.total > 0 ? static_cast<double>(macs.le8) / static_cast<double>(macs.total) : 0;
}

Json to_json(const Timing& timing, const BenchOptions& options) {
  Json json = {{"step_ms", {{"min", timing.min_ms()}, {"median", timing.median_ms()}, {"max", timing.max_ms()}}},
               {"peak_bytes", timing.peak_bytes},
               {"arena_bytes", timing.result.arena_bytes},
               {"compile_ms", ms_of(timing.result.compile_ns)},
               {"share_le8", share_in_bytes(timing)},
               {"resized_after", timing.resized_after},
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
  if (options.precision != "float32") {
    text += cat("\nwords      ", percent_text(share_in_bytes(timing)), " of products in at most 8 bits");
    if (timing.resized_after > 0)
      text += cat("; the last went into another container after step ", timing.resized_after);
  }
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
      "One batch of normally distributed reals and of integers within what they index, random labels; the loss that "
      "the\n"
      "model ends in, else cross-entropy; SGD with momentum 0.9. Adaptive formats go on adapting while steps are "
      "timed:\n"
      "a word that goes into another container costs its first step more, which the median leaves out.\n\n"
      "Examples:\n"
      "  marvin bench models/resnet20.onnx --batch-size 128\n"
      "  marvin bench models/resnet20.onnx --batch-size 128 --precision float32 --profile\n"
      "  marvin bench models/lenet5.onnx --batch-size 256 --threads 1 --json");
  return {command, [options] { return bench(*options); }};
}

}  // namespace marvin
