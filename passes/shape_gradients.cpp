#include "passes/shape_gradients.h"

#include <string>

#include "runtime/ops/op.h"

namespace marvin {
namespace {

class GradientShaper {
 public:
  GradientShaper(Graph& graph, const GradientOptions& options) : graph_(graph), options_(options) {}

  void accumulate(ValueId parameter, ValueId& gradient) {
    const std::string name = graph_[parameter].name;
    const ValueId sum = graph_.add_parameter(graph_.unused_name(name + ".gradient_sum"), graph_.type_of(parameter));
    Builder builder = builder_for(sum);
    const ValueId total = builder.build("Add", {sum, gradient});
    if (options_.is_last) {
      graph_.updates.push_back({sum, builder.build("Sub", {sum, sum})});
      gradient =
          builder.build("Mul", {total, builder.scalar_like(total, 1.0 / static_cast<double>(options_.accumulate))});
    } else {
      graph_.updates.push_back({sum, total});
      gradient = {};
    }
  }

  void add_l1(ValueId parameter, ValueId& gradient) {
    Builder builder = builder_for(gradient);
    const ValueId sign = builder.build("Sign", {parameter});
    gradient = builder.build("Add", {gradient, builder.build("Mul", {sign, builder.scalar_like(sign, options_.l1)})});
  }

  void clip(std::vector<ValueId>& gradients) {
    Builder builder(graph_, Phase::update, "d.norm", "");
    std::vector<ValueId> squares;
    for (const ValueId gradient : gradients)
      if (gradient.valid()) squares.push_back(builder.build("ReduceSumSquare", {gradient}, {{"keepdims", int64_t{0}}}));
    if (squares.empty()) return;
    const ValueId norm = builder.build("Sqrt", {builder.build("Sum", squares)});
    const ValueId above = builder.build("Add", {norm, builder.scalar_like(norm, 1e-6)});
    const ValueId ratio = builder.build("Div", {builder.scalar_like(norm, options_.clip_norm), above});
    const ValueId scale = builder.build("Min", {ratio, builder.scalar_like(norm, 1)});
    for (ValueId& gradient : gradients)
      if (gradient.valid()) gradient = builder_for(gradient).build("Mul", {gradient, scale});
  }

 private:
  Builder builder_for(ValueId value) const { return Builder(graph_, Phase::update, graph_[value].name, ""); }

  Graph& graph_;
  const GradientOptions& options_;
};

}  // namespace

void shape_gradients(Graph& graph, const GradientOptions& options, const std::vector<ValueId>& parameters,
                     std::vector<ValueId>& gradients) {
  GradientShaper shaper(graph, options);
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (!gradients[i].valid()) continue;
    if (options.accumulate > 1) shaper.accumulate(parameters[i], gradients[i]);
    if (gradients[i].valid() && options.l1 != 0) shaper.add_l1(parameters[i], gradients[i]);
  }
  if (options.clip_norm != 0 && options.is_last) shaper.clip(gradients);
}

void set_apart(Graph& graph, const std::vector<ValueId>& parameters, std::vector<ValueId>& gradients) {
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (!gradients[i].valid()) continue;
    Node node{.op = "Identity", .inputs = {gradients[i]}, .phase = Phase::update};
    const std::string name = graph.unused_name(graph[parameters[i]].name + ".gradient");
    gradients[i] = graph[append(graph, std::move(node), {name})].outputs[0];
  }
}

void make_unit(Graph& graph, std::vector<ValueId>& gradients) {
  for (ValueId& gradient : gradients) {
    if (!gradient.valid()) continue;
    Builder builder(graph, Phase::update, graph[gradient].name, "");
    const ValueId square = builder.build("ReduceSumSquare", {gradient}, {{"keepdims", int64_t{0}}});
    const ValueId norm = builder.build("Max", {builder.build("Sqrt", {square}), builder.scalar_like(square, 1e-18)});
    gradient = builder.build("Div", {gradient, norm});
  }
}

}  // namespace marvin
