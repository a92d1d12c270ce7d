// marvin run: executes a model as it stands, on the user's arrays or on ONNX's test data.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>

#include "importer/test_data.h"
#include "passes/pipeline.h"
#include "passes/plan_memory.h"
#include "runtime/cli/options.h"
#include "runtime/cli/verbs.h"
#include "runtime/data/npz.h"

namespace marvin {
namespace {

// Of ONNX's backend test runner.
constexpr double kRelativeTolerance = 1e-3, kAbsoluteTolerance = 1e-7;

struct RunOptions {
  CommonOptions common;
  std::string model, inputs, outputs, test_data;
};

// The first extent of the first array that has one.
int64_t batch_of(const std::vector<NamedArray>& inputs) {
  for (const NamedArray& array : inputs) {
    const Shape& shape = array.values.type().shape;
    if (!shape.empty() && shape[0] > 0) return shape[0];
  }
  return 1;
}

void check_inputs(const OnnxModel& model, const std::vector<NamedArray>& arrays, const std::string& source) {
  const std::vector<std::string> names = model.inputs();
  for (const NamedArray& array : arrays) {
    if (std::ranges::find(names, array.name) != names.end()) continue;
    throw Error(source, ": the model has no input '", array.name, "'; its inputs are ", join(names), ".",
                suggestion(array.name, names));
  }
  for (const std::string& name : names) {
    if (std::ranges::find(arrays, name, &NamedArray::name) != arrays.end()) continue;
    throw Error(source, ": has no array '", name, "', which is an input of the model");
  }
}

// Where shapes depend on what is fed, integers are taken for constants, and where that is not enough, everything is.
Graph import_for(const OnnxModel& model, const std::vector<NamedArray>& inputs) {
  ImportOptions options{.batch = batch_of(inputs)};
  const auto attempt = [&]() -> std::optional<Graph> {
    try {
      return model.import(options);
    } catch (const Error&) {
      return std::nullopt;
    }
  };
  if (std::optional<Graph> graph = attempt()) return std::move(*graph);
  for (const NamedArray& array : inputs)
    if (is_integer(array.values.type().dtype)) options.values.emplace(array.name, array.values);
  if (std::optional<Graph> graph = attempt()) return std::move(*graph);
  for (const NamedArray& array : inputs) options.values.emplace(array.name, array.values);
  return model.import(options);
}

void feed(Executor& executor, size_t index, const NamedArray& array, const std::string& source) {
  const Type& type = executor.input_type(index);
  if (type != array.values.type()) {
    throw Error(source, ": the array '", array.name, "' is ", text_of(array.values.type()),
                ", but the model's input is ", text_of(type));
  }
  std::copy_n(array.values.data(), type.bytes(), executor.input_bytes(index));
}

std::vector<NamedArray> execute(const OnnxModel& model, const std::vector<NamedArray>& inputs,
                                const std::string& source) {
  check_inputs(model, inputs, source);
  PassRunner runner;
  const Graph graph = compile(import_for(model, inputs), {}, runner).graph;
  ParameterStore parameters;
  parameters.adopt(graph);
  Arena arena;
  Executor executor(std::make_shared<Plan>(plan_memory(graph)), parameters, arena);
  for (size_t i = 0; i < executor.plan().inputs.size(); ++i) {
    feed(executor, i, *std::ranges::find(inputs, executor.plan().inputs[i].name, &NamedArray::name), source);
  }
  executor.run({});
  std::vector<NamedArray> outputs;
  for (size_t i = 0; i < executor.plan().outputs.size(); ++i) {
    outputs.push_back({executor.plan().outputs[i].name, executor.output_tensor(i)});
  }
  return outputs;
}

// ---- On arrays ------------------------------------------------------------------------------------------------------

int run_on_arrays(const RunOptions& options) {
  const OnnxModel model = OnnxModel::load(options.model);
  const std::vector<NamedArray> outputs = execute(model, read_npz(options.inputs), options.inputs);
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

struct Difference {
  double largest = 0;
  int64_t at = 0;  // the element
  bool within = true;
};

Difference compare(const Tensor& actual, const Tensor& expected) {
  Difference result;
  visit(expected.type().dtype, [&](auto zero) {
    const auto a = actual.as<decltype(zero)>();
    const auto e = expected.as<decltype(zero)>();
    for (size_t i = 0; i < e.size(); ++i) {
      const auto got = static_cast<double>(a[i]), wanted = static_cast<double>(e[i]);
      if (got == wanted || (std::isnan(got) && std::isnan(wanted))) continue;
      double difference = std::abs(got - wanted);
      if (std::isnan(difference)) difference = std::numeric_limits<double>::infinity();
      if (!(difference <= kAbsoluteTolerance + kRelativeTolerance * std::abs(wanted)) || std::isinf(difference)) {
        result.within = false;
      }
      if (difference > result.largest) result = {difference, static_cast<int64_t>(i), result.within};
    }
  });
  return result;
}

std::string test_file(const std::string& directory, const std::string& kind, size_t i) {
  return (std::filesystem::path(directory) / cat(kind, "_", i, ".pb")).string();
}

std::vector<NamedArray> read_test_inputs(const std::vector<std::string>& names, const std::string& directory) {
  std::vector<NamedArray> inputs;
  for (size_t i = 0; i < names.size(); ++i)
    inputs.push_back({names[i], read_tensor_file(test_file(directory, "input", i))});
  return inputs;
}

// Throws Error where the output is not what the file says; returns the largest difference.
double check_output(const NamedArray& output, const std::string& file) {
  const Tensor expected = read_tensor_file(file);
  if (output.values.type() != expected.type()) {
    throw Error("the output '", output.name, "' is ", text_of(output.values.type()), ", but ", file, " is ",
                text_of(expected.type()));
  }
  const Difference difference = compare(output.values, expected);
  if (!difference.within) {
    throw Error("the output '", output.name, "' is not as in ", file, ": the largest difference is ",
                difference.largest, ", at element ", difference.at);
  }
  return difference.largest;
}

int run_on_test_data(const RunOptions& options) {
  const OnnxModel model = OnnxModel::load(options.model);
  if (const std::string reason = foreign_type(model); !reason.empty()) {
    print_result(options.common, {{"not_applicable", reason}}, "not applicable: " + reason);
    return kNotApplicable;
  }
  const std::vector<NamedArray> outputs =
      execute(model, read_test_inputs(model.inputs(), options.test_data), options.test_data);
  Json rows = Json::array();
  for (size_t i = 0; i < outputs.size(); ++i) {
    const double largest = check_output(outputs[i], test_file(options.test_data, "output", i));
    const std::string type = text_of(outputs[i].values.type());
    rows.push_back({{"name", outputs[i].name}, {"type", type}, {"largest_difference", largest}});
    if (options.common.prints_text()) print_line(cat(outputs[i].name, ": ", type, ", largest difference ", largest));
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
      "Examples:\n"
      "  marvin run models/lenet5.onnx --inputs images.npz --outputs logits.npz\n"
      "  marvin run test_relu/model.onnx --test-data test_relu/test_data_set_0\n"
      "Exit codes of --test-data: 0 equal, 1 different or not runnable, 3 not applicable: of types that marvin has "
      "not.");
  return {command, [options] { return run(*options); }};
}

}  // namespace marvin
