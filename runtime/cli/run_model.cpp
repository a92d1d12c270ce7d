#include "runtime/cli/run_model.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>

#include "passes/pipeline.h"
#include "passes/plan_memory.h"
#include "runtime/data/convert.h"
#include "runtime/exec/executor.h"

namespace marvin {
namespace {

// The first extent of the first array that has one.
int64_t batch_of(const std::vector<NamedArray>& inputs) {
  for (const NamedArray& array : inputs) {
    const Shape& shape = array.values.type().shape;
    if (!shape.empty() && shape[0] > 0) return shape[0];
  }
  return 1;
}

// Labels, which training needs beside the inputs, may be there.
void check_inputs(const OnnxModel& model, const std::vector<NamedArray>& arrays, const std::string& source) {
  const std::vector<std::string> names = model.inputs();
  for (const NamedArray& array : arrays) {
    if (array.name == "labels" || std::ranges::find(names, array.name) != names.end()) continue;
    throw Error(source, ": the model has no input '", array.name, "'; its inputs are ", join(names), ".",
                suggestion(array.name, names));
  }
  for (const std::string& name : names) {
    if (std::ranges::find(arrays, name, &NamedArray::name) != arrays.end()) continue;
    throw Error(source, ": has no array '", name, "', which is an input of the model");
  }
}

// The inputs whose elements something reads; CastLike, say, asks for the type alone.
std::set<std::string> inputs_read(const Graph& graph) {
  std::set<std::string> names;
  const std::vector<std::vector<NodeId>> readers = uses(graph);
  for (const ValueId input : graph.inputs) {
    const bool is_output = std::ranges::find(graph.outputs, input) != graph.outputs.end();
    if (is_output || !readers[input.index].empty()) names.insert(graph[input].name);
  }
  return names;
}

}  // namespace

Graph import_for(const OnnxModel& model, const std::vector<NamedArray>& inputs, bool widen) {
  ImportOptions options{.batch = batch_of(inputs), .widen = widen};
  for (const NamedArray& array : inputs) options.shapes.emplace(array.name, array.values.type().shape);
  const auto attempt = [&]() -> std::optional<Graph> {
    try {
      return model.import(options);
    } catch (const Error&) {
      return std::nullopt;
    }
  };
  if (std::optional<Graph> graph = attempt()) return std::move(*graph);
  for (const NamedArray& array : inputs) {
    const DType dtype = array.values.type().dtype;
    if (!is_real(dtype)) options.values.emplace(array.name, array.values);
  }
  if (std::optional<Graph> graph = attempt()) return std::move(*graph);
  for (const NamedArray& array : inputs) options.values.emplace(array.name, array.values);
  return model.import(options);
}

std::vector<NamedArray> run_model(const OnnxModel& model, const std::vector<NamedArray>& inputs,
                                  const std::string& source) {
  check_inputs(model, inputs, source);
  PassRunner runner;
  const Graph graph = compile(import_for(model, inputs), {}, runner).graph;
  ParameterStore parameters;
  parameters.adopt(graph);
  Arena arena;
  Executor executor(std::make_shared<Plan>(plan_memory(graph)), parameters, arena);
  const std::set<std::string> read = inputs_read(graph);
  for (size_t i = 0; i < executor.plan().inputs.size(); ++i) {
    const std::string& name = executor.plan().inputs[i].name;
    if (!read.contains(name)) continue;
    const NamedArray& array = *std::ranges::find(inputs, name, &NamedArray::name);
    with_context(source, [&] { feed_array(array, executor.input_type(i), executor.input_bytes(i)); });
  }
  executor.run({});
  std::vector<NamedArray> outputs;
  for (size_t i = 0; i < executor.plan().outputs.size(); ++i) {
    outputs.push_back({executor.plan().outputs[i].name, executor.output_tensor(i)});
  }
  return outputs;
}

}  // namespace marvin
