#include "runtime/train/gradient_check.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "passes/differentiate.h"
#include "passes/fold_constants.h"
#include "passes/plan_memory.h"
#include "passes/select_kernels.h"
#include "runtime/data/convert.h"
#include "runtime/exec/executor.h"
#include "runtime/kernels/random.h"

namespace marvin {
namespace {

constexpr int kDirections = 3;
constexpr double kSteps[] = {1e-2, 1e-3, 1e-4};  // relative to the root mean square of what is moved

struct Weighted {
  std::string output;
  Tensor weights;
};

// loss = the sum of <output, weights> over the float32 outputs, weights between 0.5 and 1.5.
std::vector<Weighted> attach_weighting(Graph& graph, uint64_t seed) {
  std::vector<Weighted> weighted;
  ValueId total;
  Builder builder(graph, Phase::forward, "gradcheck", "");
  for (const ValueId output : graph.outputs) {
    if (graph.type_of(output).dtype != DType::f32) continue;
    Tensor weights(graph.type_of(output));
    const uint64_t key = random_key(seed, 0, salt_of(graph[output].name));
    uint64_t i = 0;
    for (float& weight : weights.as<float>()) weight = static_cast<float>(0.5 + random_uniform(key, i++));
    const ValueId product = builder.build("Mul", {output, builder.constant(weights)});
    const ValueId sum = builder.build("ReduceSum", {product}, {{"keepdims", int64_t{0}}});
    total = total.valid() ? builder.build("Add", {total, sum}) : sum;
    weighted.push_back({graph[output].name, std::move(weights)});
  }
  if (!total.valid()) throw Error("the model has no output of f32: there is nothing to differentiate");
  graph.loss = total;
  return weighted;
}

// By value: whether a FakeQuantize reads it, or what is computed from it.
std::vector<bool> quantized_later(const Graph& graph) {
  std::vector<bool> result(graph.value_count());
  const std::vector<NodeId> nodes = live_nodes(graph);
  for (size_t i = nodes.size(); i-- > 0;) {
    const Node& node = graph[nodes[i]];
    const bool later = node.op == "FakeQuantize" || std::ranges::any_of(node.outputs, [&](ValueId output) {
                         return output.valid() && result[output.index];
                       });
    if (!later) continue;
    for (const ValueId input : node.inputs)
      if (input.valid()) result[input.index] = true;
  }
  return result;
}

class Checker {
 public:
  Checker(const Graph& model, const std::vector<NamedArray>& inputs, uint64_t seed) : inputs_(inputs), seed_(seed) {
    Graph forward = model;
    forward.updates.clear();
    Graph training = forward;
    weighted_ = attach_weighting(training, seed);
    parameters_.adopt(forward);
    find_sources(training);
    gradients_ = gradients_of(training);
    select_kernels(forward);
    forward_.emplace(std::make_shared<Plan>(plan_memory(forward)), parameters_, arena_);
    feed(*forward_);
  }

  std::vector<GradientCheck> run() {
    std::vector<GradientCheck> checks;
    for (size_t i = 0; i < sources_.size(); ++i) checks.push_back(check(sources_[i], gradients_[i]));
    return checks;
  }

 private:
  struct Source {
    std::string name;
    bool is_input = false, straight_through = false;
  };

  void find_sources(const Graph& graph) {
    const std::vector<bool> straight_through = quantized_later(graph);
    for (const ValueId value : trainable_parameters(graph)) {
      if (graph.type_of(value).dtype != DType::f32) continue;
      wanted_.push_back(value);
      sources_.push_back({graph[value].name, false, straight_through[value.index]});
    }
    for (const ValueId value : graph.inputs) {
      if (graph.type_of(value).dtype != DType::f32) continue;
      wanted_.push_back(value);
      sources_.push_back({graph[value].name, true, straight_through[value.index]});
    }
  }

  // Empty where none gets there.
  std::vector<std::optional<Tensor>> gradients_of(Graph& graph) {
    const std::vector<ValueId> values = differentiate(graph, wanted_);
    graph.outputs.clear();
    for (const ValueId value : values)
      if (value.valid()) graph.outputs.push_back(value);
    fold_constants(graph);
    select_kernels(graph);
    parameters_.adopt(graph);
    Executor executor(std::make_shared<Plan>(plan_memory(graph)), parameters_, arena_);
    feed(executor);
    executor.run({.seed = seed_});
    std::vector<std::optional<Tensor>> gradients;
    for (const ValueId value : values) {
      gradients.emplace_back();
      if (value.valid()) gradients.back() = executor.output_tensor(executor.output_index(graph[value].name));
    }
    return gradients;
  }

  void feed(Executor& executor) const {
    for (size_t i = 0; i < executor.plan().inputs.size(); ++i) {
      const std::string& name = executor.plan().inputs[i].name;
      const auto array = std::ranges::find(inputs_, name, &NamedArray::name);
      if (array == inputs_.end()) throw Error("there is no array '", name, "', which is an input of the model");
      feed_array(*array, executor.input_type(i), executor.input_bytes(i));
    }
  }

  double loss() {
    forward_->run({.seed = seed_});
    double sum = 0, squares = 0;
    for (const Weighted& weighted : weighted_) {
      const std::span<const float> output = forward_->output<float>(forward_->output_index(weighted.output));
      const std::span<const float> weights = weighted.weights.as<float>();
      for (size_t i = 0; i < output.size(); ++i) {
        const double term = static_cast<double>(output[i]) * static_cast<double>(weights[i]);
        sum += term;
        squares += term * term;
      }
    }
    rounding_ = 0x1p-22 * std::sqrt(squares);
    return sum;
  }

  std::span<float> elements_of(const Source& source) {
    return source.is_input ? forward_->input<float>(forward_->input_index(source.name))
                           : parameters_.at(source.name).as<float>();
  }

  // The derivative along `signs` (each +1 or -1) times `step`.
  double difference(std::span<float> elements, const std::vector<float>& signs, float step) {
    const std::vector<float> middle(elements.begin(), elements.end());
    const auto at = [&](float side) {
      for (size_t i = 0; i < elements.size(); ++i) elements[i] = middle[i] + side * step * signs[i];
      return loss();
    };
    const double result = (at(1) - at(-1)) / (2 * static_cast<double>(step));
    std::ranges::copy(middle, elements.begin());
    return result;
  }

  GradientCheck check(const Source& source, const std::optional<Tensor>& gradient) {
    const std::span<float> elements = elements_of(source);
    GradientCheck result{
        .name = source.name, .reached = gradient.has_value(), .straight_through = source.straight_through};
    result.type =
        source.is_input ? forward_->input_type(forward_->input_index(source.name)) : parameters_.at(source.name).type();
    if (!gradient || elements.empty()) return result;
    double squares = 0, size = 0;
    for (const float g : gradient->as<float>()) squares += static_cast<double>(g) * static_cast<double>(g);
    for (const float x : elements) size += static_cast<double>(x) * static_cast<double>(x);
    result.norm = std::sqrt(squares);
    const double scale = std::max(std::sqrt(size / static_cast<double>(elements.size())), 1e-2);
    for (int direction = 0; direction < kDirections; ++direction)
      result.error =
          std::max(result.error, direction_error(source, *gradient, elements, direction, scale, result.norm));
    return result;
  }

  double direction_error(const Source& source, const Tensor& gradient, std::span<float> elements, int direction,
                         double scale, double norm) {
    const uint64_t key = random_key(seed_, static_cast<uint64_t>(direction) + 1, salt_of(source.name));
    std::vector<float> signs;
    double symbolic = 0;
    for (size_t i = 0; i < elements.size(); ++i) {
      signs.push_back(random_uniform(key, i) < 0.5 ? -1.0f : 1.0f);
      symbolic += static_cast<double>(gradient.as<float>()[i]) * static_cast<double>(signs[i]);
    }
    double best = INFINITY;
    for (const double step : kSteps) {
      const double numeric = difference(elements, signs, static_cast<float>(step * scale));
      best = std::min(best, std::abs(numeric - symbolic));
    }
    // A gradient of zero, as that of a bias in front of a normalization, differs by rounding alone.
    return std::max(0.0, best - rounding_ / (kSteps[0] * scale)) / std::max(norm, 1e-6);
  }

  const std::vector<NamedArray>& inputs_;
  uint64_t seed_;
  double rounding_ = 0;  // of the last loss
  ParameterStore parameters_;
  Arena arena_;
  std::vector<Weighted> weighted_;
  std::vector<ValueId> wanted_;
  std::vector<Source> sources_;  // of wanted_
  std::vector<std::optional<Tensor>> gradients_;
  std::optional<Executor> forward_;
};

}  // namespace

std::vector<GradientCheck> check_gradients(const Graph& model, const std::vector<NamedArray>& inputs, uint64_t seed) {
  return Checker(model, inputs, seed).run();
}

}  // namespace marvin
