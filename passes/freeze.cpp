#include "passes/freeze.h"

#include <re2/re2.h>

#include <algorithm>

#include "runtime/ops/op.h"

namespace marvin {
namespace {

bool contains(const std::vector<ValueId>& values, ValueId value) {
  return std::ranges::find(values, value) != values.end();
}

// Its statistics before are operands 3 and 4, those after outputs 1 and 2.
void use_running_statistics(Graph& graph, Node& node) {
  node.attrs.set("training_mode", int64_t{0});
  for (const size_t output : {size_t{1}, size_t{2}}) {
    if (output >= node.outputs.size() || !node.outputs[output].valid()) continue;
    std::erase_if(graph.updates, [&](const Update& update) { return update.next == node.outputs[output]; });
  }
}

}  // namespace

std::vector<ValueId> parameters_matching(const Graph& graph, const std::string& pattern) {
  const RE2 regex(pattern, RE2::Quiet);
  if (!regex.ok()) throw Error("'", pattern, "' is no regular expression: ", regex.error());
  std::vector<ValueId> matching;
  std::vector<std::string> names;
  for (uint32_t i = 0; i < graph.value_count(); ++i) {
    const Value& value = graph[ValueId{i}];
    if (value.kind != ValueKind::parameter) continue;
    names.push_back(value.name);
    if (RE2::PartialMatch(value.name, regex)) matching.push_back(ValueId{i});
  }
  constexpr size_t kMostShown = 8;
  if (matching.empty())
    throw Error("no parameter's name matches '", pattern, "'; they are ", join_some(names, kMostShown));
  return matching;
}

void freeze(Graph& graph, const std::vector<ValueId>& frozen) {
  for (const NodeId id : live_nodes(graph)) {
    Node& node = graph[id];
    if (node.op != "BatchNormalization" || node.attrs.integer("training_mode") == 0) continue;
    if (contains(frozen, node.inputs[3]) && contains(frozen, node.inputs[4])) use_running_statistics(graph, node);
  }
  std::erase_if(graph.updates, [&](const Update& update) { return contains(frozen, update.state); });
}

}  // namespace marvin
