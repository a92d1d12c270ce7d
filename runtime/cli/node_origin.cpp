#include "runtime/cli/node_origin.h"

#include <algorithm>

namespace marvin {

const ListedNode* origin_of(const Graph& graph, NodeId id, std::span<const ListedNode> listed) {
  const Node& node = graph[id];
  const std::string& output = graph[node.outputs[0]].name;
  const std::string& name = node.name.empty() ? output : node.name;
  const ListedNode* origin = nullptr;
  for (const ListedNode& each : listed) {
    if (each.name == name || std::ranges::find(each.outputs, output) != each.outputs.end()) return &each;
    const bool is_longer = !origin || origin->name.size() < each.name.size();
    if (name.starts_with(each.name + "/") && is_longer) origin = &each;
  }
  return origin;
}

}  // namespace marvin
