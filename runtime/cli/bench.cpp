// marvin bench: training steps on synthetic data, timed.
#include <omp.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "runtime/cli/options.h"
#include "runtime/cli/profile.h"
#include "runtime/cli/step_trace.h"
#include "runtime/cli/synthetic_data.h"
#include "runtime/cli/training_graph.h"
#include "runtime/cli/verbs.h"
#include "runtime/ir/file.h"
#include "runtime/report/machine.h"
#include "runtime/report/table.h"

namespace marvin {
namespace {

constexpr int64_t kUntimedSteps = 3;

struct BenchOptions {
  CommonOptions common;
  std::string model, precision = "adaptive", backend = "auto", trace;
  InputShapes shapes;
  int64_t batch_size = 0, steps = 20;
  bool profile = false, probe = false;
};

// ---- Timing ---------------------------------------------------------------------------------------------------------

struct Timing {
  std::vector<int64_t> step_ns;  // sorted
  int64_t peak_bytes = 0;        // when the last step had run
  int64_t resized_after = 0;     // the last step after which a word went into another container; 0: none did
  StepTrace trace;               // of the timed steps
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
  LossOptions loss{.name = usual_loss(graph)};
  loss.class_axis = class_axis(graph, loss);
  const Dataset data = synthetic_data(graph, loss);
  Timing timing;
  Trainer trainer(import, data, data, bench_recipe(options, loss));
  TrainingEvents events;
  events.timed = [&](const StepReport& report, const Plan& plan, std::span<const int64_t> ns) {
    if (report.step > kUntimedSteps) timing.trace.add(plan, ns);
  };
  events.step = [&](const StepReport& report) {
    if (report.step == report.total_steps) timing.peak_bytes = peak_bytes();
    if (report.step <= kUntimedSteps) return;
    timing.step_ns.push_back(report.ns);
    timing.trace.end_step(report.step, report.ns);
  };
  events.switched = [&](const StepReport& report, const Slot&, const FormatChange& change) {
    if (storage_of(change.from) != storage_of(change.to)) timing.resized_after = report.step;
  };
  timing.result = trainer.run(events);
  std::ranges::sort(timing.step_ns);
  return timing;
}

// ---- Results --------------------------------------------------------------------------------------------------------

std::vector<ProfileRow> by_op(const StepTrace& trace, const MachinePeaks& peaks = {}) {
  const auto op = [](const OpTime& time) { return std::vector{time.op}; };
  return profile_by(trace.profile(), trace.steps(), op, peaks);
}

std::vector<ProfileRow> by_output(const StepTrace& trace, const MachinePeaks& peaks) {
  const auto output = [](const OpTime& time) { return std::vector{time.label, time.op, time.kernel}; };
  return profile_by(trace.profile(), trace.steps(), output, peaks);
}

// Of the multiply-accumulates, how many had both operands in at most 8 bits.
double share_in_bytes(const Timing& timing) {
  const Macs& macs = timing.result.costs.macs;
  return macs.total > 0 ? static_cast<double>(macs.le8) / static_cast<double>(macs.total) : 0;
}

Json to_json(const Timing& timing, const std::optional<MachinePeaks>& peaks) {
  Json json = {{"step_ms", {{"min", timing.min_ms()}, {"median", timing.median_ms()}, {"max", timing.max_ms()}}},
               {"peak_bytes", timing.peak_bytes},
               {"arena_bytes", timing.result.arena_bytes},
               {"compile_ms", ms_of(timing.result.compile_ns)},
               {"share_le8", share_in_bytes(timing)},
               {"resized_after", timing.resized_after},
               {"ops", Json::array()}};
  const auto add = [&](const char* key, Json names, const ProfileRow& row) {
    names.update(peaks ? rates_json(row) : Json{{"ms", row.ms}});
    json[key].push_back(std::move(names));
  };
  for (const ProfileRow& row : by_op(timing.trace, peaks.value_or(MachinePeaks{})))
    add("ops", {{"op", row.names[0]}}, row);
  if (!peaks) return json;
  json["peaks"] = {{"copy_gb_per_s", peaks->copy_gb_per_s},
                   {"f32_gmac_per_s", peaks->f32_gmac_per_s},
                   {"s8_gmac_per_s", peaks->s8_gmac_per_s}};
  json["steps"] = Json::array();
  for (const ProfileRow& row : by_output(timing.trace, *peaks)) {
    add("steps", {{"output", row.names[0]}, {"op", row.names[1]}, {"kernel", row.names[2]}}, row);
  }
  return json;
}

std::string profile_text(const StepTrace& trace, const MachinePeaks& peaks) {
  std::string text = cat("peak       ", fixed_point_text(peaks.copy_gb_per_s, 1), " GB/s copied, ",
                         fixed_point_text(peaks.f32_gmac_per_s, 0), " GMAC/s in float32");
  if (peaks.s8_gmac_per_s > 0) text += cat(", ", fixed_point_text(peaks.s8_gmac_per_s, 0), " in 8 bits");
  return cat(text, ", on ", omp_get_max_threads(), " threads\n\n", rates_text(by_op(trace, peaks), {"op"}), "\n",
             rates_text(by_output(trace, peaks), {"output", "op", "kernel"}));
}

std::string to_text(const Timing& timing, const BenchOptions& options, const std::optional<MachinePeaks>& peaks) {
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
  if (peaks) text += "\n" + profile_text(timing.trace, *peaks);
  return text;
}

int bench(const BenchOptions& options) {
  std::optional<AtomicFile> trace;
  if (!options.trace.empty()) trace.emplace(options.trace);
  const Timing timing = measure(OnnxModel::load(options.model), options);
  std::optional<MachinePeaks> peaks;
  if (options.profile) peaks = machine_peaks(options.probe);
  if (trace) {
    trace->write(timing.trace.events().dump());
    trace->publish();
  }
  print_result(options.common, to_json(timing, peaks), to_text(timing, options, peaks));
  return kSuccess;
}

}  // namespace

Verb add_bench(CLI::App& app) {
  const auto options = std::make_shared<BenchOptions>();
  CLI::App* command = app.add_subcommand("bench", "Time training steps on synthetic data");
  add_model(*command, options->model);
  command->add_option("--batch-size", options->batch_size, "Samples to a batch")
      ->type_name("N")
      ->check(countable("--batch-size", 1))
      ->required();
  add_shapes(*command, options->shapes);
  command->add_option("--precision", options->precision, "As train takes it")->type_name("SPEC")->capture_default_str();
  command->add_option("--steps", options->steps, "Steps to time, after three that are not")
      ->type_name("N")
      ->check(countable("--steps", 1))
      ->capture_default_str();
  CLI::Option* profile = command->add_flag(
      "--profile", options->profile,
      "Say where the time goes, by op and by the longest steps, and how fast that is by what the machine could do");
  command->add_flag("--probe", options->probe, "With --profile: measure anew what the machine could do")
      ->needs(profile);
  command
      ->add_option("--trace", options->trace, "Write all timed steps there, op by op, for Perfetto or chrome://tracing")
      ->type_name("FILE.json");
  add_backend(*command, options->backend);
  add_common_options(*command, options->common);
  command->footer(
      "One batch: normally distributed reals, integers within what they index, random labels; the loss that the model\n"
      "ends in, else cross-entropy; SGD with momentum 0.9. Adaptive formats go on adapting while steps are timed: a "
      "word\n"
      "that goes into another container makes the step after it slower, which the median leaves out.\n\n"
      "Examples:\n"
      "  marvin bench models/resnet20.onnx --batch-size 128\n"
      "  marvin bench models/resnet20.onnx --batch-size 128 --precision float32 --profile\n"
      "  marvin bench models/resnet20.onnx --batch-size 128 --trace steps.json\n"
      "  marvin bench models/lenet5.onnx --batch-size 256 --threads 1 --json");
  return {command, [options] { return bench(*options); }};
}

}  // namespace marvin
