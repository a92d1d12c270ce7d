// marvin run: executes a model as it stands, on the user's arrays or on ONNX's test data.
#include <algorithm>
#include <filesystem>
#include <memory>

#include "runtime/cli/options.h"
#include "runtime/cli/run_model.h"
#include "runtime/cli/test_case.h"
#include "runtime/cli/verbs.h"
#include "runtime/data/npz.h"

namespace marvin {
namespace {

struct RunOptions {
  CommonOptions common;
  std::string model, inputs, outputs, test_data;
};

// ---- On arrays ------------------------------------------------------------------------------------------------------

void check_outputs_file(const RunOptions& options) {
  for (const auto& [source, what] : {std::pair{options.inputs, "holds the inputs"}, {options.model, "is the model"}}) {
    std::error_code ignored;
    if (std::filesystem::equivalent(source, options.outputs, ignored))
      throw Error("--outputs '", options.outputs, "' ", what, "; give another name");
  }
}

// A model may list an output several times.
std::vector<NamedArray> once_each(std::vector<NamedArray> outputs) {
  std::vector<NamedArray> result;
  for (NamedArray& output : outputs) {
    if (std::ranges::find(result, output.name, &NamedArray::name) == result.end()) result.push_back(std::move(output));
  }
  return result;
}

int run_on_arrays(const RunOptions& options) {
  check_outputs_file(options);
  const OnnxModel model = OnnxModel::load(options.model);
  if (model.outputs().empty()) throw Error(options.model, ": the model has no outputs: there is nothing to write");
  const std::vector<NamedArray> outputs = once_each(run_model(model, read_npz(options.inputs), options.inputs));
  write_npz(options.outputs, outputs);
  Json rows = Json::array();
  std::string text;
  for (const NamedArray& output : outputs) {
    const std::string type = text_of(output.values.type());
    rows.push_back({{"name", output.name}, {"type", type}});
    text += cat(text.empty() ? "" : "\n", output.name, ": ", type);
  }
  print_result(options.common, {{"outputs", rows}}, text);
  return kSuccess;
}

// ---- On test data ---------------------------------------------------------------------------------------------------

int run_on_test_data(const RunOptions& options) {
  const TestCase result = run_test_case(OnnxModel::load(options.model), options.test_data);
  if (!result.not_applicable.empty()) {
    print_result(options.common, {{"not_applicable", result.not_applicable}},
                 "not applicable: " + result.not_applicable);
    return kNotApplicable;
  }
  Json rows = Json::array();
  for (const ComparedOutput& output : result.outputs) {
    if (!output.difference.empty()) throw Error(output.difference);
    const std::string type = text_of(output.values.type());
    rows.push_back({{"name", output.name}, {"type", type}, {"largest_difference", output.largest}});
    if (options.common.prints_text()) print_line(cat(output.name, ": ", type, ", largest difference ", output.largest));
  }
  if (options.common.json) print_line(json_text({{"outputs", rows}}));
  return kSuccess;
}

int run(const RunOptions& options) {
  const bool arrays = !options.inputs.empty() || !options.outputs.empty();
  if (arrays != options.test_data.empty()) {
    throw CLI::ValidationError("give --inputs X.npz and --outputs Y.npz, or --test-data DIR");
  }
  if (!arrays) return run_on_test_data(options);
  if (options.inputs.empty()) throw CLI::ValidationError("--outputs needs --inputs");
  if (options.outputs.empty()) throw CLI::ValidationError("--inputs needs --outputs");
  return run_on_arrays(options);
}

}  // namespace

Verb add_run(CLI::App& app) {
  const auto options = std::make_shared<RunOptions>();
  CLI::App* command = app.add_subcommand("run", "Execute the graph as it stands");
  add_model(*command, options->model);
  command
      ->add_option("--inputs", options->inputs,
                   "Arrays under the names of the model's inputs; their first axis is the batch")
      ->type_name("X.npz");
  command->add_option("--outputs", options->outputs, "Where the outputs go, under their names")->type_name("Y.npz");
  command
      ->add_option("--test-data", options->test_data,
                   "A directory of input_N.pb and output_N.pb: outputs are compared as ONNX's backend tests do")
      ->type_name("DIR");
  add_common_options(*command, options->common);
  command->footer(
      "Arrays of float16, bfloat16 and float32 inputs may be of float16 or float32. Types that numpy has not are read "
      "and\n"
      "written as arrays of others, an element to an element: bf16 as its bits in uint16, floats of 8 and 4 bits as "
      "theirs\n"
      "in uint8, i4 as numbers in int8, u4 in uint8. An array 'labels', as training needs it, is passed over.\n\n"
      "Examples:\n"
      "  marvin run models/lenet5.onnx --inputs images.npz --outputs logits.npz\n"
      "  marvin run test_relu/model.onnx --test-data test_relu/test_data_set_0\n"
      "Exit codes of --test-data: 0 equal, 1 different or not runnable, 3 not applicable: of types that marvin has "
      "not.");
  return {command, [options] { return run(*options); }};
}

}  // namespace marvin
