#include "runtime/cli/training_graph.h"

#include <array>
#include <optional>
#include <stdexcept>

#include "runtime/train/policy_of.h"

namespace marvin {
namespace {

CompileOptions compile_options(const Graph& model, const GraphOptions& options, const Formats& formats) {
  check_word("--optimizer", options.optimizer, optimizer_names());
  OptimizerOptions optimizer{.name = options.optimizer};
  const std::unique_ptr<SwitchPolicy> policy = policy_of(options.precision);
  return {.loss = {.name = options.loss.empty() ? usual_loss(model) : options.loss,
                   .output = options.loss_output,
                   .class_axis = options.class_axis},
          .optimizer = optimizer,
          .formats = formats,
          .treatment = policy ? policy->treatment() : Treatment{},
          .backend = backend_named(options.backend)};
}

}  // namespace

void add_graph_options(CLI::App& command, GraphOptions& options) {
  add_batch_size(command, options.batch_size);
  add_shapes(command, options.shapes);
  command.add_option("--loss", options.loss, "As train takes it; chosen by the model's outputs when not given")
      ->type_name("LOSS");
  command.add_option("--loss-output", options.loss_output, "As train takes it")->type_name("NAME");
  command.add_option("--class-axis", options.class_axis, "As train takes it; 1 when not given")->type_name("N");
  command.add_option("--optimizer", options.optimizer, join(optimizer_names(), " or "))
      ->type_name("NAME")
      ->capture_default_str();
  command
      .add_option(
          "--precision", options.precision,
          "As train takes it; without data, adaptive is 8 bits everywhere, and points are as for values in [-1,1]")
      ->type_name("SPEC")
      ->capture_default_str();
  add_backend(command, options.backend);
}

std::span<const GraphFlag> graph_flags() {
  static constexpr GraphFlag kFlags[] = {{"--batch-size", "import"},
                                         {"--shape", "import"},
                                         {"--loss", "attach_loss"},
                                         {"--loss-output", "attach_loss"},
                                         {"--class-axis", "attach_loss"},
                                         {"--optimizer", "append_optimizer"},
                                         {"--precision", "insert_quantization"},
                                         {"--backend", "select_kernels"}};
  return kFlags;
}

std::string usual_loss(const Graph& model) {
  try {
    const std::string loss = default_loss(model, /*integer_labels=*/true, "");
    Graph copy = model;
    attach_loss(copy, {.name = loss});
    if (!loss.starts_with("bce")) return loss;
  } catch (const Error&) {
    // No class labels fit.
  }
  return default_loss(model, /*integer_labels=*/false, "");
}

Formats assumed_formats(const TrainingSlots& training, const std::string& precision) {
  const std::vector<Slot>& slots = training.slots;
  const std::unique_ptr<SwitchPolicy> policy = policy_of(precision);
  if (!policy || slots.empty()) return {};
  std::array<float, QuantizeStats::kCount> stats = {};
  stats[QuantizeStats::absmax] = 1;
  std::vector<SlotWindow> windows;
  for (size_t i = 0; i < slots.size(); ++i) {
    windows.push_back({.slot = &slots[i], .stats = stats, .to_optimizer = i >= training.products});
  }
  PolicyState state;
  const std::vector<FixedPoint> begin = policy->begin(windows, state);
  Formats formats;
  for (size_t i = 0; i < slots.size(); ++i) formats[slots[i].name] = begin[i];
  return formats;
}

TrainingSlots training_slots(const Graph& model, const GraphOptions& options) {
  const size_t products = find_slots(stage_after(model, "append_optimizer", options, {}).graph).size();
  return {stage_after(model, "insert_quantization", options, {}).graph.slots, products};
}

Stage stage_after(const Graph& model, const std::string& pass, const GraphOptions& options, const Formats& formats) {
  std::optional<Stage> wanted;
  PassRunner runner([&](std::string_view name, const Graph& graph) {
    if (name == pass) wanted = {graph, runner.timings()};
  });
  try {
    compile(model, compile_options(model, options, formats), runner);
  } catch (const Error&) {
    if (!wanted) throw;  // a later pass cannot go on, which is no reason not to show this one
  }
  if (!wanted) throw std::logic_error("no pass is called " + pass);
  return *std::move(wanted);
}

}  // namespace marvin
