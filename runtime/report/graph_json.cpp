#include <algorithm>
#include <array>
#include <set>

#include "runtime/report/graph_view.h"

namespace marvin {
namespace {

constexpr std::array<const char*, 3> kPhaseNames = {"forward", "backward", "update"};

Json described(const Value& value) { return {{"name", value.name}, {"type", text_of(value.type)}}; }

Json name_or_null(const Graph& graph, ValueId value) { return value.valid() ? Json(graph[value].name) : Json(); }

Json attributes_of(const Node& node, const GraphViewOptions& options) {
  const Attrs* defaults = options.defaults ? options.defaults(node.op) : nullptr;
  Json result = Json::object();
  for (const auto& [name, value] : node.attrs) {
    const bool is_default = defaults && std::ranges::any_of(*defaults, [&](const auto& entry) {
                              return entry.first == name && entry.second == value;
                            });
    if (!is_default) std::visit([&, key = name](const auto& v) { result[key] = v; }, value);
  }
  return result;
}

Json node_json(const Graph& graph, const Node& node, const GraphViewOptions& options) {
  Json inputs = Json::array(), outputs = Json::array();
  for (const ValueId input : node.inputs) inputs.push_back(name_or_null(graph, input));
  for (const ValueId output : node.outputs) outputs.push_back(output.valid() ? described(graph[output]) : Json());
  Json result = {{"op", node.op},    {"name", node.name},  {"phase", kPhaseNames[static_cast<size_t>(node.phase)]},
                 {"inputs", inputs}, {"outputs", outputs}, {"attributes", attributes_of(node, options)}};
  if (!node.kernel.empty()) result["kernel"] = node.kernel;
  if (node.slot.valid()) result["slot"] = graph.slots[node.slot.index].name;
  return result;
}

Json slots_json(const Graph& graph, const GraphViewOptions& options) {
  Json result = Json::array();
  for (const Slot& slot : graph.slots) {
    Json row = {{"name", slot.name}, {"layer", slot.layer}, {"role", std::string(name_of(slot.role))}};
    const auto format = options.formats.find(slot.name);
    if (format != options.formats.end()) {
      row["wl"] = format->second.wl;
      row["fl"] = format->second.fl;
    }
    result.push_back(std::move(row));
  }
  return result;
}

// The values that live nodes, outputs and updates read and no node makes.
std::set<ValueId> sources_read(const Graph& graph, const std::vector<NodeId>& live) {
  std::set<ValueId> read(graph.outputs.begin(), graph.outputs.end());
  for (const NodeId node : live) read.insert(graph[node].inputs.begin(), graph[node].inputs.end());
  for (const Update& update : graph.updates) read.insert({update.state, update.next});
  std::erase_if(read, [&](ValueId id) { return !id.valid() || graph[id].kind == ValueKind::computed; });
  return read;
}

}  // namespace

Json to_json(const Graph& graph, const GraphViewOptions& options) {
  const std::vector<NodeId> live = live_nodes(graph);
  Json inputs = Json::array(), parameters = Json::array(), constants = Json::array();
  for (const ValueId input : graph.inputs) inputs.push_back(described(graph[input]));
  for (const ValueId id : sources_read(graph, live)) {
    if (graph[id].kind == ValueKind::parameter) parameters.push_back(described(graph[id]));
    if (graph[id].kind == ValueKind::constant) constants.push_back(described(graph[id]));
  }
  Json nodes = Json::array(), outputs = Json::array(), updates = Json::array();
  for (const NodeId node : live) nodes.push_back(node_json(graph, graph[node], options));
  for (const ValueId output : graph.outputs) outputs.push_back(graph[output].name);
  for (const Update& update : graph.updates) {
    updates.push_back({{"state", graph[update.state].name}, {"next", graph[update.next].name}});
  }
  return {{"name", graph.name},
          {"inputs", inputs},
          {"parameters", parameters},
          {"constants", constants},
          {"slots", slots_json(graph, options)},
          {"nodes", nodes},
          {"outputs", outputs},
          {"loss", name_or_null(graph, graph.loss)},
          {"updates", updates}};
}

}  // namespace marvin
