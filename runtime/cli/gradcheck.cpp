// marvin gradcheck: the gradients of a model against differences of its outputs.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "runtime/cli/options.h"
#include "runtime/cli/run_model.h"
#include "runtime/cli/verbs.h"
#include "runtime/report/table.h"
#include "runtime/train/gradient_check.h"

namespace marvin {
namespace {

struct GradcheckOptions {
  CommonOptions common;
  std::string model, inputs;
  double tolerance = 0.05;
  uint64_t seed = 0;
};

std::string verdict_of(const GradientCheck& check, double tolerance) {
  if (!check.reached) return "no gradient";
  if (check.error <= tolerance) return "ok";
  return check.straight_through ? "straight-through" : "WRONG";
}

Json to_json(const GradientCheck& check, double tolerance) {
  return {{"name", check.name},
          {"type", text_of(check.type)},
          {"norm", check.norm},
          {"error", check.error},
          {"verdict", verdict_of(check, tolerance)}};
}

int gradcheck(const GradcheckOptions& options) {
  if (!(options.tolerance >= 0)) throw Error("--tolerance ", options.tolerance, " makes no sense; it is at least 0");
  const OnnxModel model = OnnxModel::load(options.model);
  const std::vector<NamedArray> inputs = read_npz(options.inputs);
  const std::vector<GradientCheck> checks = with_context(
      options.inputs, [&] { return check_gradients(import_for(model, inputs, /*widen=*/true), inputs, options.seed); });
  Json rows = Json::array();
  TextTable table({"value", "type", "norm", "error", "verdict"});
  size_t wrong = 0, passed = 0;
  for (const GradientCheck& check : checks) {
    const std::string verdict = verdict_of(check, options.tolerance);
    wrong += verdict == "WRONG" ? 1 : 0;
    passed += verdict == "straight-through" ? 1 : 0;
    rows.push_back(to_json(check, options.tolerance));
    table.add({check.name, text_of(check.type), cat(static_cast<float>(check.norm)),
               cat(static_cast<float>(check.error)), verdict});
  }
  const std::string note = cat("\n", passed, " passed straight through FakeQuantize (QuantizeLinear and ",
                               "DequantizeLinear), whose steps have no derivative to compare with");
  print_result(options.common, {{"gradients", rows}, {"wrong", wrong}, {"straight_through", passed}},
               cat(table.text(), "\n", checks.size() - wrong - passed, " of ", checks.size(),
                   " gradients agree with differences", passed > 0 ? note : ""));
  if (wrong > 0)
    throw Error(wrong, " of ", checks.size(), " gradients differ by more than --tolerance ", options.tolerance);
  return kSuccess;
}

}  // namespace

Verb add_gradcheck(CLI::App& app) {
  const auto options = std::make_shared<GradcheckOptions>();
  CLI::App* command = app.add_subcommand("gradcheck", "Compare a model's gradients with differences of its outputs");
  add_model(*command, options->model);
  command->add_option("--inputs", options->inputs, "Arrays under the names of the model's inputs")
      ->type_name("X.npz")
      ->required();
  command
      ->add_option("--tolerance", options->tolerance,
                   "The largest difference of directional derivatives, relative to the gradient's norm")
      ->type_name("X")
      ->capture_default_str();
  command->add_option("--seed", options->seed, "Of weights and directions")
      ->check(within("--seed", 0, std::numeric_limits<uint64_t>::max()))
      ->type_name("N")
      ->capture_default_str();
  add_common_options(*command, options->common);
  command->footer(
      "The loss is a random weighting of the model's float32 outputs. Derivatives of it with respect to every "
      "parameter\n"
      "and float32 input, along random directions, are compared with central differences. Exit code 1 where one is "
      "wrong.\n"
      "Gradients pass rounding (FakeQuantize, as QuantizeLinear and DequantizeLinear become) as if it were not there: "
      "of\n"
      "what lies before it they are no derivatives, and where they differ they are straight-through, not wrong.\n\n"
      "Example:\n"
      "  marvin gradcheck models/lenet5.onnx --inputs images.npz");
  return {command, [options] { return gradcheck(*options); }};
}

}  // namespace marvin
