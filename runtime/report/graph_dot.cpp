#include <set>
#include <vector>

#include "runtime/ir/error.h"
#include "runtime/ir/text.h"
#include "runtime/report/graph_view.h"
#include "runtime/report/printable.h"

namespace marvin {
namespace {

constexpr size_t kLargeGraph = 200, kHugeGraph = 1000;  // nodes

struct Colors {
  const char* fill;
  const char* line;
};
constexpr Colors kForward{"#dbeafe", "#2563eb"}, kBackward{"#ffedd5", "#ea580c"}, kUpdate{"#dcfce7", "#16a34a"};
constexpr Colors kQuantize{"#f3e8ff", "#9333ea"}, kParameter{"#fef9c3", "#a16207"}, kConstant{"#f3f4f6", "#6b7280"};
constexpr Colors kInput{"#ffffff", "#111827"};

Colors colors_of(const Node& node) {
  if (node.slot.valid()) return kQuantize;
  return node.phase == Phase::forward ? kForward : node.phase == Phase::backward ? kBackward : kUpdate;
}

// Graphviz reads entities such as &#1; in labels, and draws none whose lines have thousands of characters.
std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : shortened(printable(text, "\n"))) {
    if (c == '"' || c == '\\') result += '\\';
    if (c == '\n') {
      result += "\\n";
    } else if (c == '&') {
      result += "&amp;";
    } else {
      result += c;
    }
  }
  return result + '"';
}

class DotWriter {
 public:
  DotWriter(const Graph& graph, const GraphViewOptions& options) : graph_(graph), options_(options) {}

  std::string run() {
    const std::vector<NodeId> nodes = live_nodes(graph_);
    text_ = cat(
        "digraph ", quoted(graph_.name.empty() ? "graph" : graph_.name), " {\n",
        "  node [shape=box, style=\"filled,rounded\", fontname=\"Helvetica\", fontsize=11, margin=\"0.12,0.05\"];\n",
        "  edge [fontname=\"Helvetica\", fontsize=9, color=\"#6b7280\", fontcolor=\"#374151\"];\n");
    for (const ValueId input : graph_.inputs) add_source(input);
    // Graphviz takes minutes for the best layout of a large graph, and seconds for a fair one, or a rough one.
    if (nodes.size() > kHugeGraph) {
      text_ += "  graph [nslimit=0, nslimit1=1, mclimit=0.1, maxiter=1, splines=line];\n";
    } else if (nodes.size() > kLargeGraph) {
      text_ += "  graph [nslimit=1, nslimit1=1, mclimit=0.1, splines=line];\n";
    }
    for (const NodeId id : nodes) add_node(id);
    for (const ValueId output : graph_.outputs) add_result(output, graph_[output].name);
    if (graph_.loss.valid()) add_result(graph_.loss, "loss");
    for (const Update& update : graph_.updates) add_update(update);
    return text_ + "}\n";
  }

 private:
  void add_box(const std::string& id, const std::string& label, Colors colors, const std::string& more = "") {
    text_ += cat("  ", id, " [label=", quoted(label), ", fillcolor=\"", colors.fill, "\", color=\"", colors.line, "\"",
                 more, "];\n");
  }
  void add_edge(const std::string& from, const std::string& to, const std::string& label,
                const std::string& more = "") {
    text_ += cat("  ", from, " -> ", to, " [label=", quoted(label), more, "];\n");
  }

  // The box that a value comes out of.
  std::string origin(ValueId value) const {
    return graph_[value].kind == ValueKind::computed ? cat("n", graph_[value].producer.index) : cat("v", value.index);
  }

  void add_source(ValueId id) {
    if (graph_[id].kind == ValueKind::computed || !sources_.insert(id).second) return;
    const Value& value = graph_[id];
    const std::string label = value.name + "\n" + text_of(value.type);
    if (value.kind == ValueKind::parameter) return add_box(cat("v", id.index), label, kParameter, ", style=filled");
    if (value.kind == ValueKind::input) return add_box(cat("v", id.index), label, kInput, ", shape=ellipse");
    const std::string elements = value.data ? " = " + elements_text(*value.data, 8) : "";
    add_box(cat("v", id.index), text_of(value.type) + elements, kConstant, ", style=filled, fontsize=9");
  }

  std::string label_of(const Node& node) const {
    std::string label = node.op;
    if (!node.name.empty() && node.phase == Phase::forward) label += "\n" + node.name;
    if (node.slot.valid()) return label + slot_label(graph_.slots[node.slot.index]);
    const Attrs* defaults = options_.defaults ? options_.defaults(node.op) : nullptr;
    for (const auto& [name, value] : node.attrs) {
      const bool is_default = defaults && defaults->has(name) && *find(*defaults, name) == value;
      if (!is_default) label += cat("\n", name, "=", text_of(value));
    }
    return node.kernel.empty() ? label : label + "\n" + node.kernel;
  }

  static const Attr* find(const Attrs& attrs, const std::string& name) {
    for (const auto& [key, value] : attrs)
      if (key == name) return &value;
    return nullptr;
  }

  std::string slot_label(const Slot& slot) const {
    const auto format = options_.formats.find(slot.name);
    return cat("\n", slot.layer, " ", name_of(slot.role),
               format == options_.formats.end() ? "" : " " + text_of(format->second));
  }

  void add_node(NodeId id) {
    const Node& node = graph_[id];
    add_box(cat("n", id.index), label_of(node), colors_of(node));
    for (const ValueId input : node.inputs) {
      if (!input.valid()) continue;
      add_source(input);
      const bool computed = graph_[input].kind == ValueKind::computed;
      add_edge(origin(input), cat("n", id.index), computed ? text_of(graph_.type_of(input)) : "");
    }
  }

  void add_result(ValueId value, const std::string& name) {
    const std::string id = cat("r", results_++);
    add_source(value);
    add_box(id, name, kInput, ", shape=ellipse");
    add_edge(origin(value), id, text_of(graph_.type_of(value)));
  }

  void add_update(const Update& update) {
    add_source(update.state);
    add_source(update.next);
    add_edge(origin(update.next), cat("v", update.state.index), "next", ", style=dashed, constraint=false");
  }

  const Graph& graph_;
  const GraphViewOptions& options_;
  std::string text_;
  std::set<ValueId> sources_;
  int results_ = 0;
};

}  // namespace

std::string to_dot(const Graph& graph, const GraphViewOptions& options) { return DotWriter(graph, options).run(); }

}  // namespace marvin
