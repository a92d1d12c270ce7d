#include <cmath>
#include <limits>
#include <type_traits>

#include "runtime/ops/op.h"
#include "runtime/ops/types.h"

namespace marvin {

namespace {

std::string stem_of(const Graph& graph, NodeId id) {
  const Node& node = graph[id];
  return graph[node.outputs[0].valid() ? node.outputs[0] : node.inputs[0]].name;
}

// The first output that is not left out.
std::string first_of(const std::vector<std::string>& outputs) {
  for (const std::string& output : outputs)
    if (!output.empty()) return output;
  return "";
}

// What stands in messages and tables: the node's name, or its first output's.
std::string label_of(const std::string& name, const std::vector<std::string>& outputs) {
  return name.empty() ? first_of(outputs) : name;
}

}  // namespace

GradContext::GradContext(Graph& graph, NodeId node, std::vector<ValueId> output_gradients, std::vector<bool> wanted)
    : Builder(graph, Phase::backward, "d." + stem_of(graph, node),
              graph[node].name.empty() ? stem_of(graph, node) : graph[node].name),
      id_(node),
      node_(graph[node]),
      output_gradients_(std::move(output_gradients)),
      wanted_(std::move(wanted)) {}

ExpandContext::ExpandContext(Graph& graph, Node node, std::vector<std::string> outputs)
    : Builder(graph, node.phase, first_of(outputs), label_of(node.name, outputs)),
      node_(std::move(node)),
      outputs_(std::move(outputs)) {}

ValueId GradContext::require_out(size_t i) {
  if (out(i).valid()) return out(i);
  Attrs attrs = node_.attrs;
  const size_t count = std::max(i + 1, node_.outputs.size());
  const std::vector<Type> types = infer_types(graph_, op_named(node_.op), node_.inputs, attrs, count);
  const std::string name = graph_.unused_name(cat(graph_[node_.outputs[0]].name, ".", i));
  const ValueId value = graph_.add_output(id_, i, name, types[i]);
  node_ = graph_[id_];
  return value;
}

const Node* Builder::producer(ValueId value) const {
  return value.valid() && graph_[value].kind == ValueKind::computed ? &graph_[graph_[value].producer] : nullptr;
}

const Tensor* Builder::constant(ValueId value) const {
  if (!value.valid() || graph_[value].kind != ValueKind::constant) return nullptr;
  return graph_[value].data.get();
}

std::vector<int64_t> Builder::integers(ValueId value, std::string_view what) const {
  const Tensor* data = constant(value);
  if (!data) throw Error(what, " depends on data; only values known before the run are supported");
  return to_int64(*data);
}

std::vector<ValueId> Builder::build_many(std::string_view op, std::vector<ValueId> inputs, Attrs attrs,
                                         const std::vector<bool>& outputs) {
  std::vector<std::string> names;
  const std::string first = graph_.unused_name(cat(stem_, ".", op));
  for (size_t i = 0; i < outputs.size(); ++i) {
    names.push_back(!outputs[i] ? "" : i == 0 ? first : graph_.unused_name(cat(first, ".", i)));
  }
  Node node{.op = std::string(op),
            .name = node_name_,
            .inputs = std::move(inputs),
            .attrs = std::move(attrs),
            .phase = phase_};
  std::vector<ValueId> results = emit(graph_, std::move(node), names);
  if (phase_ == Phase::forward) fold_producers(graph_, results);
  return results;
}

ValueId Builder::build(std::string_view op, std::vector<ValueId> inputs, Attrs attrs) {
  return build_many(op, std::move(inputs), std::move(attrs), {true})[0];
}

ValueId Builder::constant(Tensor data) {
  return graph_.add_constant(graph_.unused_name(cat(stem_, ".constant", graph_.value_count())), std::move(data));
}

ValueId Builder::constant_shape(const Shape& shape) {
  return constant(Tensor::of<int64_t>({static_cast<int64_t>(shape.size())}, std::span<const int64_t>(shape)));
}

ValueId Builder::scalar_like(ValueId value, double number) {
  return visit(type(value).dtype, [&](auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_integral_v<T>) {
      const double above = std::ldexp(1.0, std::numeric_limits<T>::digits);
      if (!(number >= static_cast<double>(std::numeric_limits<T>::min()) && number < above))
        throw Error(number, " is no ", name_of(type(value).dtype));
    }
    return constant(Tensor::scalar<T>(static_cast<T>(number)));
  });
}

ValueId Builder::reshape(ValueId value, const Shape& target) {
  if (shape(value) == target) return value;
  return build("Reshape", {value, constant_shape(target)}, {{"allowzero", int64_t{1}}});
}

ValueId Builder::transpose(ValueId value, const std::vector<int64_t>& perm) {
  return build("Transpose", {value}, {{"perm", perm}});
}

ValueId Builder::cast(ValueId value, DType to) {
  return type(value).dtype == to ? value : build("Cast", {value}, {{"to", onnx_number_of(to)}});
}

ValueId Builder::sum_to(ValueId value, const Shape& target) {
  const Shape& from = shape(value);
  if (from == target) return value;
  const size_t lead = from.size() - target.size();
  std::vector<int64_t> axes;
  for (size_t i = 0; i < from.size(); ++i) {
    if (i < lead || (target[i - lead] == 1 && from[i] != 1)) axes.push_back(static_cast<int64_t>(i));
  }
  if (axes.empty()) return reshape(value, target);
  const ValueId sum = build("ReduceSum", {value, constant_shape(axes)}, {{"keepdims", int64_t{1}}});
  return reshape(sum, target);
}

}  // namespace marvin
