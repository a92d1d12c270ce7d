#include "runtime/ir/graph.h"

#include <algorithm>
#include <array>

#include "runtime/ir/error.h"

namespace marvin {

std::string_view name_of(Role role) {
  constexpr std::array<std::string_view, 3> kNames = {"weight", "activation", "gradient"};
  return kNames[static_cast<size_t>(role)];
}

ValueId Graph::add_value(Value value) {
  const ValueId id{static_cast<uint32_t>(values_.size())};
  if (value.name.empty()) throw Error("a value has no name");
  if (!by_name_.emplace(value.name, id).second) throw Error("the name '", value.name, "' is given to two values");
  values_.push_back(std::move(value));
  return id;
}

ValueId Graph::add_input(std::string value_name, Type type) {
  const ValueId id = add_value({.name = std::move(value_name), .type = std::move(type), .kind = ValueKind::input});
  inputs.push_back(id);
  return id;
}

ValueId Graph::add_parameter(std::string value_name, Type type, std::shared_ptr<const Tensor> data) {
  return add_value(
      {.name = std::move(value_name), .type = std::move(type), .kind = ValueKind::parameter, .data = std::move(data)});
}

ValueId Graph::add_constant(std::string value_name, Tensor data) {
  Type type = data.type();
  return add_value({.name = std::move(value_name),
                    .type = std::move(type),
                    .kind = ValueKind::constant,
                    .data = std::make_shared<const Tensor>(std::move(data))});
}

NodeId Graph::add_node(Node node, const std::vector<std::string>& output_names, const std::vector<Type>& output_types) {
  const NodeId id{static_cast<uint32_t>(nodes_.size())};
  node.outputs.clear();
  for (size_t i = 0; i < output_names.size(); ++i) {
    if (output_names[i].empty()) {
      node.outputs.push_back({});
      continue;
    }
    node.outputs.push_back(add_value(
        {.name = output_names[i], .type = output_types.at(i), .producer = id, .output = static_cast<int>(i)}));
  }
  nodes_.push_back(std::move(node));
  return id;
}

ValueId Graph::add_output(NodeId id, size_t index, std::string value_name, Type type) {
  const ValueId value = add_value(
      {.name = std::move(value_name), .type = std::move(type), .producer = id, .output = static_cast<int>(index)});
  std::vector<ValueId>& listed = nodes_[id.index].outputs;
  if (listed.size() <= index) listed.resize(index + 1);
  listed[index] = value;
  return value;
}

void Graph::make_constant(ValueId id, Tensor data) {
  Value& value = values_[id.index];
  nodes_[value.producer.index].outputs[static_cast<size_t>(value.output)] = {};
  value.type = data.type();
  value.kind = ValueKind::constant;
  value.producer = {};
  value.data = std::make_shared<const Tensor>(std::move(data));
}

ValueId Graph::find(std::string_view value_name) const {
  const auto entry = by_name_.find(value_name);
  return entry == by_name_.end() ? ValueId{} : entry->second;
}

std::string Graph::unused_name(const std::string& base) const {
  const auto is_free = [&](const std::string& text) { return !find(text).valid() && !reserved_.contains(text); };
  if (is_free(base)) return base;
  for (int& suffix = last_suffix_.try_emplace(base, 1).first->second;;) {
    std::string candidate = cat(base, ".", ++suffix);
    if (is_free(candidate)) return candidate;
  }
}

void Graph::rename(ValueId value, std::string value_name) {
  by_name_.erase(values_[value.index].name);
  if (!by_name_.emplace(value_name, value).second) throw Error("the name '", value_name, "' is given to two values");
  values_[value.index].name = std::move(value_name);
}

namespace {

// Depth-first from the roots, without recursion: a chain of a million nodes is fine.
class LiveWalk {
 public:
  explicit LiveWalk(const Graph& graph) : graph_(graph), state_(graph.node_count(), State::unseen) {}

  void reach(ValueId root) {
    if (!root.valid()) return;
    push(graph_[root].producer);
    while (!stack_.empty()) {
      auto& [node, next] = stack_.back();
      const std::vector<ValueId>& inputs = graph_[node].inputs;
      if (next == inputs.size()) {
        state_[node.index] = State::done;
        order_.push_back(node);
        stack_.pop_back();
        continue;
      }
      const ValueId input = inputs[next++];
      if (input.valid()) push(graph_[input].producer);
    }
  }

  std::vector<NodeId> take() { return std::move(order_); }

 private:
  enum class State : uint8_t { unseen, open, done };

  void push(NodeId node) {
    if (!node.valid() || state_[node.index] == State::done) return;
    if (state_[node.index] == State::open) {
      throw Error("the graph has a cycle through '", graph_[node].op, "' ", graph_[node].name);
    }
    state_[node.index] = State::open;
    stack_.emplace_back(node, 0);
  }

  const Graph& graph_;
  std::vector<State> state_;
  std::vector<std::pair<NodeId, size_t>> stack_;
  std::vector<NodeId> order_;
};

}  // namespace

std::vector<NodeId> live_nodes(const Graph& graph) {
  LiveWalk walk(graph);
  walk.reach(graph.loss);
  for (const ValueId output : graph.outputs) walk.reach(output);
  for (const Update& update : graph.updates) walk.reach(update.next);
  std::vector<NodeId> live = walk.take();

  // Longest-first by creation order would break edges added later (rewired inputs), so order by depth: a node comes
  // at the place of the latest-created node among itself and all that it reads.
  std::vector<uint32_t> place(graph.node_count(), 0);
  for (const NodeId node : live) {
    uint32_t latest = node.index;
    for (const ValueId input : graph[node].inputs) {
      if (!input.valid()) continue;
      const NodeId producer = graph[input].producer;
      if (producer.valid() && graph[producer].phase == graph[node].phase) {
        latest = std::max(latest, place[producer.index]);
      }
    }
    place[node.index] = latest;
  }
  std::stable_sort(live.begin(), live.end(), [&](NodeId a, NodeId b) {
    if (graph[a].phase != graph[b].phase) return graph[a].phase < graph[b].phase;
    return place[a.index] < place[b.index];
  });
  return live;
}

std::vector<std::vector<NodeId>> uses(const Graph& graph) {
  std::vector<std::vector<NodeId>> readers(graph.value_count());
  for (const NodeId node : live_nodes(graph)) {
    for (const ValueId input : graph[node].inputs) {
      if (!input.valid()) continue;
      std::vector<NodeId>& list = readers[input.index];
      if (list.empty() || list.back() != node) list.push_back(node);
    }
  }
  return readers;
}

void replace_uses(Graph& graph, ValueId from, ValueId to, NodeId keep) {
  for (uint32_t i = 0; i < graph.node_count(); ++i) {
    if (NodeId{i} == keep) continue;
    std::ranges::replace(graph[NodeId{i}].inputs, from, to);
  }
  std::ranges::replace(graph.outputs, from, to);
  if (graph.loss == from) graph.loss = to;
  for (Update& update : graph.updates)
    if (update.next == from) update.next = to;
}

}  // namespace marvin
