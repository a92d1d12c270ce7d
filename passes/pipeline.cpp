#include "passes/pipeline.h"

#include <algorithm>

#include "passes/absorb_transposes.h"
#include "passes/assign_layouts.h"
#include "passes/differentiate.h"
#include "passes/fold_constants.h"
#include "passes/freeze.h"
#include "passes/join_slices.h"
#include "passes/lower.h"
#include "passes/recognize.h"
#include "passes/recompute.h"
#include "passes/select_kernels.h"

namespace marvin {
namespace {

std::vector<FixedPoint> formats_of(const std::vector<Slot>& slots, const Formats& formats) {
  std::vector<FixedPoint> result;
  for (const Slot& slot : slots) {
    const auto format = formats.find(slot.name);
    result.push_back(format == formats.end() ? FixedPoint{} : format->second);
  }
  return result;
}

std::vector<std::string> without_gradient(const Graph& graph, const std::vector<ValueId>& parameters,
                                          const std::vector<ValueId>& gradients) {
  std::vector<std::string> names;
  for (size_t i = 0; i < parameters.size(); ++i)
    if (!gradients[i].valid()) names.push_back(graph[parameters[i]].name);
  if (names.size() < parameters.size()) return names;
  throw Error(
      "no gradient reaches any parameter: no derivative passes the ops between them and the loss; marvin check "
      "names these");
}

}  // namespace

const std::vector<std::string>& pass_names() {
  static const std::vector<std::string> names = {
      "fold_constants", "recognize",     "join_slices",     "absorb_transposes", "attach_loss",
      "freeze",         "differentiate", "shape_gradients", "append_optimizer",  "insert_quantization",
      "assign_layouts", "lower",         "select_kernels",  "recompute"};
  return names;
}

Compiled compile(const Graph& model, const CompileOptions& options, PassRunner& runner) {
  Compiled result{.graph = model};
  Graph& graph = result.graph;
  QuantizationOptions quantization{.treatment = options.treatment, .observe = options.observe};

  // Float, forward only. Shapes are known everywhere.
  runner.run("fold_constants", graph, [](Graph& g) { fold_constants(g); });
  runner.run("recognize", graph, [](Graph& g) { recognize(g); });
  runner.run("join_slices", graph, [](Graph& g) { join_slices(g); });
  runner.run("absorb_transposes", graph, [](Graph& g) { absorb_transposes(g); });
  if (!options.loss.name.empty()) {
    runner.run("attach_loss", graph, [&](Graph& g) { result.loss = attach_loss(g, options.loss); });
  }

  // Every op on a path from a parameter to the loss has a gradient, or the user is told which has not.
  if (options.optimizer || options.gradients) {
    std::vector<ValueId> parameters = trainable_parameters(graph);
    std::vector<ValueId> frozen;
    if (!options.freeze.empty()) frozen = parameters_matching(graph, options.freeze);
    std::erase_if(parameters, [&](ValueId value) { return std::ranges::find(frozen, value) != frozen.end(); });
    runner.run("freeze", graph, [&](Graph& g) { freeze(g, frozen); });
    for (const ValueId parameter : parameters) {
      if (graph.type_of(parameter).dtype == DType::f32) continue;
      throw Error("the parameter '", graph[parameter].name, "' is ", text_of(graph.type_of(parameter)),
                  "; marvin trains float32: export the model in float32, or freeze the parameter");
    }
    if (parameters.empty()) throw Error("the loss depends on no parameter: there is nothing to train");
    std::vector<ValueId> gradients;
    runner.run("differentiate", graph, [&](Graph& g) { gradients = differentiate(g, parameters); });
    result.untrained = without_gradient(graph, parameters, gradients);
    const std::vector<ValueId> derivatives = gradients;
    const auto hand_over = [&](Graph& g) {
      if (options.treatment.round_gradients) set_apart(g, parameters, gradients);
      for (size_t i = 0; i < parameters.size(); ++i)
        if (derivatives[i].valid()) quantization.gradients.push_back({parameters[i], gradients[i]});
      if (options.treatment.unit_gradients) make_unit(g, gradients);
    };
    if (options.optimizer) {
      runner.run("shape_gradients", graph, [&](Graph& g) {
        shape_gradients(g, options.shaping, parameters, gradients);
        hand_over(g);
      });
      runner.run("append_optimizer", graph,
                 [&](Graph& g) { result.optimizer = append_optimizer(g, *options.optimizer, parameters, gradients); });
    } else {
      hand_over(graph);
      for (const ValueId gradient : gradients)
        if (gradient.valid()) graph.outputs.push_back(gradient);
    }
  }

  // Nothing is differentiated beyond this point: new ops need no gradient, and quantizing is straight-through.
  result.partners = find_partners(graph, quantization);
  runner.run("insert_quantization", graph, [&](Graph& g) {
    insert_quantization(g, formats_of(find_slots(g, quantization), options.formats), quantization);
  });
  result.product_slots = graph.slots.size() - (options.treatment.round_gradients ? quantization.gradients.size() : 0);
  runner.run("assign_layouts", graph, [](Graph& g) { assign_layouts(g); });
  runner.run("lower", graph, [](Graph& g) { lower(g); });
  runner.run("select_kernels", graph, [&](Graph& g) { select_kernels(g, options.backend); });
  runner.run("recompute", graph, [](Graph& g) { recompute(g); });
  return result;
}

}  // namespace marvin
