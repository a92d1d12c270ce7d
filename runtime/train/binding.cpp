#include "runtime/train/binding.h"

#include <algorithm>

namespace marvin {
namespace {

std::vector<std::string> array_names(const Dataset& data) {
  std::vector<std::string> names;
  for (const NamedArray& array : data.arrays) names.push_back(cat("'", array.name, "'"));
  return names;
}

std::string array_for(const Dataset& data, const std::string& input, bool is_label, size_t data_inputs) {
  if (data.find(input)) return input;
  if (is_label && data.find("labels")) return "labels";
  if (data.kind == DataKind::images && !is_label && data_inputs == 1) return "input";
  if (data.kind == DataKind::images) {
    throw Error("the model has ", data_inputs,
                " data inputs, and the images can feed only one; give the data as an .npz ",
                "file with one array per input ('", input, "' among them)");
  }
  throw Error("the data has no array '", input, "', which the model reads; it has ", join(array_names(data)),
              is_label && input != "labels" ? " (labels may also be called 'labels')" : "");
}

}  // namespace

std::vector<InputBinding> bind_inputs(const Graph& graph, const LossInputs& loss, const std::vector<ValueId>& fed,
                                      const Dataset& data) {
  std::vector<ValueId> wanted;
  for (const ValueId input : graph.inputs)
    if (std::ranges::find(fed, input) == fed.end()) wanted.push_back(input);
  const auto data_inputs =
      static_cast<size_t>(std::ranges::count_if(wanted, [&](ValueId input) { return input != loss.labels; }));
  std::vector<InputBinding> bindings;
  for (const ValueId input : wanted) {
    const std::string& name = graph[input].name;
    bindings.push_back({array_for(data, name, input == loss.labels, data_inputs), name});
  }
  return bindings;
}

std::optional<Shape> label_shape(const Graph& model, const Dataset& data, int64_t batch_size) {
  const NamedArray* labels = data.find(model.unused_name("labels"));
  if (!labels) labels = data.find("labels");
  if (!labels || !is_integer(labels->values.type().dtype)) return std::nullopt;
  Shape shape = labels->values.type().shape;
  shape[0] = batch_size;
  return shape;
}

void check_labels(const Graph& graph, const LossInputs& loss, const std::vector<InputBinding>& bindings,
                  const Dataset& data) {
  if (!loss.labels.valid() || loss.label_limit == 0) return;
  for (const InputBinding& binding : bindings) {
    if (binding.input != graph[loss.labels].name) continue;
    const Tensor& labels = data.find(binding.array)->values;
    if (!is_integer(labels.type().dtype)) {
      throw Error("the array '", binding.array, "' is ", name_of(labels.type().dtype),
                  ", but the loss compares with class labels, which are integers");
    }
    visit(labels.type().dtype, [&](auto zero) {
      const auto all = labels.as<decltype(zero)>();
      for (size_t i = 0; i < all.size(); ++i) {
        const auto label = static_cast<int64_t>(all[i]);
        if ((label >= 0 && label < loss.label_limit) || label == loss.ignore_index) continue;
        throw Error("label ", i, " of '", binding.array, "' is ", label, ", but the model tells ", loss.label_limit,
                    " classes apart: labels are 0 to ", loss.label_limit - 1,
                    loss.ranks ? "" : "; numbers to compare scores with need --loss mse, say");
      }
    });
  }
}

std::vector<Destination> destinations(Executor& executor, const std::vector<InputBinding>& bindings,
                                      const BatchReader& reader) {
  std::vector<Destination> result;
  for (const InputBinding& binding : bindings) {
    const size_t input = executor.input_index(binding.input);
    result.push_back({binding.array, executor.input_type(input), executor.input_bytes(input)});
    with_context(cat("feeding the input '", binding.input, "'"), [&] { reader.check(result.back()); });
  }
  return result;
}

}  // namespace marvin
