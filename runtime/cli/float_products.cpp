#include "runtime/cli/float_products.h"

#include <algorithm>
#include <optional>

#include "importer/export.h"
#include "passes/pipeline.h"
#include "runtime/cli/node_origin.h"
#include "runtime/ops/op.h"

namespace marvin {
namespace {

// The model as eval computes it.
Graph quantized(const OnnxModel& model, const Formats& formats, const InputShapes& shapes) {
  std::optional<Graph> quantized;
  PassRunner runner([&](std::string_view pass, const Graph& graph) {
    if (pass == "insert_quantization") quantized = graph;
  });
  compile(importer_of(model, shapes)(0, true), {.formats = formats}, runner);
  return quantized.value();
}

using Layers = std::vector<FloatProducts::Layer>;

Layers layers_in_float(const OnnxModel& model, const Graph& graph, const std::vector<std::string>& written) {
  const std::vector<ListedNode> listed = list_nodes(model);
  Layers layers;
  for (const NodeId id : live_nodes(graph)) {
    const Node& node = graph[id];
    const OpDef& op = op_named(node.op);
    if (!op.product || graph.type_of(node.inputs[(*op.product)[0]]).dtype == DType::f32) continue;
    const ListedNode* origin = origin_of(graph, id, listed);
    const std::string& name = origin ? origin->name : graph[node.outputs[0]].name;
    const bool is_written =
        origin && !origin->outputs.empty() && std::ranges::find(written, origin->outputs[0]) != written.end();
    if (is_written || std::ranges::find(layers, name, &FloatProducts::Layer::name) != layers.end()) continue;
    layers.push_back({name, origin ? origin->op : node.op});
  }
  return layers;
}

}  // namespace

FloatProducts float_products(const OnnxModel& model, const Formats& formats, const InputShapes& shapes) {
  const std::vector<std::string> written = fixed_point_products(model, formats);
  FloatProducts result{.layers = {}, .all = written.empty(), .unknown = ""};
  try {
    result.layers = layers_in_float(model, quantized(model, formats, shapes), written);
  } catch (const Error& error) {
    result.unknown = error.what();
  }
  return result;
}

}  // namespace marvin
