#include <numeric>

#include "runtime/ops/op.h"

namespace marvin {

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

const Tensor* GradContext::constant(ValueId value) const {
  if (!value.valid() || graph_[value].kind != ValueKind::constant) return nullptr;
  return graph_[value].data.get();
}

std::vector<ValueId> GradContext::build_many(std::string_view op, std::vector<ValueId> inputs, Attrs attrs,
                                             const std::vector<bool>& outputs) {
  std::vector<std::string> names;
  const std::string& forward = graph_[node_.outputs[0].valid() ? node_.outputs[0] : node_.inputs[0]].name;
  const std::string base = cat("d.", forward, ".", op);
  for (size_t i = 0; i < outputs.size(); ++i) {
    names.push_back(outputs[i] ? graph_.unused_name(i == 0 ? base : cat(base, ".", i)) : "");
  }
  Node node{.op = std::string(op),
            .name = node_.name.empty() ? forward : node_.name,
            .inputs = std::move(inputs),
            .attrs = std::move(attrs),
            .phase = Phase::backward};
  return graph_[append(graph_, std::move(node), names)].outputs;
}

ValueId GradContext::build(std::string_view op, std::vector<ValueId> inputs, Attrs attrs) {
  return build_many(op, std::move(inputs), std::move(attrs), {true})[0];
}

ValueId GradContext::constant(Tensor data) {
  return graph_.add_constant(graph_.unused_name(cat("d.constant", graph_.value_count())), std::move(data));
}

ValueId GradContext::constant_shape(const Shape& shape) {
  return constant(Tensor::of<int64_t>({static_cast<int64_t>(shape.size())}, std::span<const int64_t>(shape)));
}

ValueId GradContext::scalar_like(ValueId value, double number) {
  return visit(type(value).dtype, [&](auto zero) {
    using T = decltype(zero);
    return constant(Tensor::scalar<T>(static_cast<T>(number)));
  });
}

ValueId GradContext::reshape(ValueId value, const Shape& target) {
  if (shape(value) == target) return value;
  return build("Reshape", {value, constant_shape(target)}, {{"allowzero", int64_t{1}}});
}

ValueId GradContext::sum_to(ValueId value, const Shape& target) {
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
