#include "importer/running_statistics.h"

#include <algorithm>

namespace marvin {
namespace {

bool in_training_mode(const ModelNode& node) {
  return node.op == "BatchNormalization" && node.inputs.size() == 5 && node.attrs.has("training_mode") &&
         node.attrs.integer("training_mode") != 0;
}

}  // namespace

std::vector<RunningStatistic> running_statistics(const Graph& graph, ModelNode& node) {
  std::vector<RunningStatistic> statistics;
  if (!in_training_mode(node)) return statistics;
  node.outputs.resize(std::max<size_t>(node.outputs.size(), 3));
  for (const size_t output : {size_t{1}, size_t{2}}) {
    ValueId& before = node.inputs[output + 2];
    if (!before.valid() || graph[before].kind != ValueKind::parameter) continue;
    if (node.outputs[output].empty()) node.outputs[output] = graph.unused_name(graph[before].name + ".next");
    statistics.push_back({before, output});
    const auto update = std::ranges::find(graph.updates, before, &Update::state);
    if (update != graph.updates.end()) before = update->next;
  }
  return statistics;
}

void update_statistics(Graph& graph, std::span<const RunningStatistic> statistics, std::span<const ValueId> outputs) {
  for (const RunningStatistic& statistic : statistics) {
    std::erase_if(graph.updates, [&](const Update& update) { return update.state == statistic.state; });
    graph.updates.push_back({statistic.state, outputs[statistic.output]});
  }
}

}  // namespace marvin
