#include "runtime/train/initialize.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "runtime/kernels/random.h"
#include "runtime/ops/op.h"

namespace marvin {
namespace {

struct Fans {
  double in = 1, out = 1;
};

// Weights are [out, in, window ...] but in products of matrices, where they are [.., in, out] unless transposed.
Fans fans_of(const Shape& shape, const Node* reader) {
  const auto extent = [&](size_t axis) { return static_cast<double>(shape[axis]); };
  const bool is_matrix = reader && (reader->op == "MatMul" || reader->op == "Gemm");
  if (is_matrix && !(reader->attrs.has("transB") && reader->attrs.integer("transB") != 0))
    return {extent(shape.size() - 2), extent(shape.size() - 1)};
  double window = 1;
  for (size_t axis = 2; axis < shape.size(); ++axis) window *= extent(axis);
  return {extent(1) * window, extent(0) * window};
}

class Initializer {
 public:
  Initializer(Graph& graph, const std::string& scheme, uint64_t seed)
      : graph_(graph), scheme_(scheme), seed_(seed), uses_(uses(graph)) {}

  void draw(ValueId id) {
    Value& value = graph_[id];
    Tensor data(value.type);
    const std::span<float> elements = data.as<float>();
    if (value.type.rank() < 2) {
      std::ranges::fill(elements, is_scale(id) ? 1.0f : 0.0f);
    } else {
      const Fans fans = fans_of(value.type.shape, reader_of(id));
      const uint64_t key = random_key(seed_, 0, salt_of(value.name));
      for (size_t i = 0; i < elements.size(); ++i) elements[i] = static_cast<float>(number(key, i, fans));
    }
    value.data = std::make_shared<const Tensor>(std::move(data));
  }

 private:
  const Node* reader_of(ValueId id) const {
    return uses_[id.index].empty() ? nullptr : &graph_[uses_[id.index].front()];
  }

  // The scale or the running variance of a normalization: operands 1 and 4.
  bool is_scale(ValueId id) const {
    return std::ranges::any_of(uses_[id.index], [&](NodeId user) {
      const Node& node = graph_[user];
      if (node.op.find("Normalization") == std::string::npos) return false;
      return node.inputs[1] == id || (node.inputs.size() > 4 && node.inputs[4] == id);
    });
  }

  double number(uint64_t key, uint64_t i, const Fans& fans) const {
    if (scheme_ == "xavier") return std::sqrt(6 / (fans.in + fans.out)) * (2 * random_uniform(key, i) - 1);
    if (scheme_ == "he") return std::sqrt(2 / fans.in) * random_normal(key, i);
    // Draws beyond the bounds are drawn again.
    const double bound = std::sqrt(3.0);
    for (uint64_t attempt = 0;; ++attempt) {
      const double draw = random_normal(mix64(key + attempt), i);
      if (std::abs(draw) <= bound) return std::sqrt(0.5 / fans.in) * draw;
    }
  }

  Graph& graph_;
  const std::string& scheme_;
  uint64_t seed_;
  std::vector<std::vector<NodeId>> uses_;
};

}  // namespace

const std::vector<std::string>& initializer_names() {
  static const std::vector<std::string> names = {"keep", "tnvs", "he", "xavier"};
  return names;
}

void initialize(Graph& graph, const std::string& scheme, uint64_t seed, const std::vector<ValueId>& frozen) {
  if (std::ranges::find(initializer_names(), scheme) == initializer_names().end()) {
    throw Error("unknown initialization '", scheme, "'; it is one of ", join(initializer_names(), " or "), ".",
                suggestion(scheme, initializer_names()));
  }
  if (scheme == "keep") return;
  Initializer initializer(graph, scheme, seed);
  for (uint32_t i = 0; i < graph.value_count(); ++i) {
    const Value& value = graph[ValueId{i}];
    if (std::ranges::find(frozen, ValueId{i}) != frozen.end()) continue;
    if (value.kind == ValueKind::parameter && value.type.dtype == DType::f32) initializer.draw(ValueId{i});
  }
}

}  // namespace marvin
