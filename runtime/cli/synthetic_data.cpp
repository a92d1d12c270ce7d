#include "runtime/cli/synthetic_data.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "runtime/data/random.h"
#include "runtime/ops/op.h"

namespace marvin {
namespace {

constexpr uint64_t kSeed = 1;
constexpr int64_t kUnknown = 2;  // the bound of integers that index nothing

// In (0, 1].
double uniform(uint64_t bits) { return (static_cast<double>(bits >> 11) + 1) * 0x1p-53; }

// Box and Muller.
Tensor normal_tensor(const Shape& shape, uint64_t salt) {
  Tensor tensor(Type{DType::f32, shape});
  const std::span<float> elements = tensor.as<float>();
  for (size_t i = 0; i < elements.size(); ++i) {
    const double radius = std::sqrt(-2 * std::log(uniform(random_bits(kSeed, salt, i, 0))));
    elements[i] = static_cast<float>(radius * std::cos(2 * std::numbers::pi * uniform(random_bits(kSeed, salt, i, 1))));
  }
  return tensor;
}

Tensor integer_tensor(const Shape& shape, int64_t bound, uint64_t salt) {
  Tensor tensor(Type{DType::i64, shape});
  const std::span<int64_t> elements = tensor.as<int64_t>();
  for (size_t i = 0; i < elements.size(); ++i) elements[i] = below(bound, random_bits(kSeed, salt, i));
  return tensor;
}

// ---- What integers may be -------------------------------------------------------------------------------------------

// An operand that holds indices, and the extent of what they index.
struct IndexRule {
  std::string_view op;
  size_t operand;
  int64_t (*extent)(const Graph&, const Node&);
};

int64_t extent_at_axis(const Graph& graph, const Node& node, ValueId value) {
  const Shape& shape = graph.type_of(value).shape;
  const int64_t axis = node.attrs.integer("axis");
  return shape[static_cast<size_t>(axis < 0 ? axis + std::ssize(shape) : axis)];
}

int64_t gathered(const Graph& graph, const Node& node) { return extent_at_axis(graph, node, node.inputs[0]); }
int64_t depth(const Graph& graph, const Node& node) { return extent_at_axis(graph, node, node.outputs[0]); }
int64_t classes(const Graph& graph, const Node& node) { return graph.type_of(node.inputs[0]).shape[1]; }

constexpr IndexRule kRules[] = {{"Gather", 1, gathered},
                                {"GatherElements", 1, gathered},
                                {"OneHot", 0, depth},
                                {"SoftmaxCrossEntropyLoss", 1, classes},
                                {"NegativeLogLikelihoodLoss", 1, classes}};

// The smallest extent that the integers index, themselves or what is made of them; kMax where they index nothing.
class IndexBounds {
 public:
  static constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  explicit IndexBounds(const Graph& graph) : graph_(graph), uses_(uses(graph)) {}

  int64_t of(ValueId value) const {
    std::vector<ValueId> found = {value};
    std::vector<bool> seen(graph_.value_count());
    int64_t bound = kMax;
    for (size_t i = 0; i < found.size(); ++i) {
      for (const NodeId reader : uses_[found[i].index])
        bound = std::min(bound, read(graph_[reader], found[i], seen, found));
    }
    return bound;
  }

 private:
  // The bound that this reader of `value` sets; what it makes of the integers is appended to `found`.
  int64_t read(const Node& node, ValueId value, std::vector<bool>& seen, std::vector<ValueId>& found) const {
    int64_t bound = kMax;
    for (const IndexRule& rule : kRules) {
      if (node.op == rule.op && node.inputs[rule.operand] == value) bound = std::min(bound, rule.extent(graph_, node));
    }
    if (bound != kMax || op_named(node.op).types_only) return bound;
    for (const ValueId output : node.outputs) {
      if (!output.valid() || seen[output.index] || !is_integer(graph_.type_of(output).dtype)) continue;
      seen[output.index] = true;
      found.push_back(output);
    }
    return bound;
  }

  const Graph& graph_;
  std::vector<std::vector<NodeId>> uses_;
};

}  // namespace

Dataset synthetic_data(Graph model, const LossOptions& loss) {
  attach_loss(model, loss);
  const IndexBounds bounds(model);
  Dataset data{.kind = DataKind::arrays};
  for (size_t i = 0; i < model.inputs.size(); ++i) {
    const Value& input = model[model.inputs[i]];
    if (is_real(input.type.dtype)) {
      data.arrays.push_back({input.name, converted(normal_tensor(input.type.shape, i), input.type.dtype)});
      continue;
    }
    const int64_t bound = bounds.of(model.inputs[i]);
    const Tensor integers = integer_tensor(input.type.shape, bound == IndexBounds::kMax ? kUnknown : bound, i);
    data.arrays.push_back({input.name, converted(integers, input.type.dtype)});
  }
  return data;
}

}  // namespace marvin
