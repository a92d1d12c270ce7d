#include <cctype>
#include <charconv>
#include <cmath>

#include "runtime/ir/error.h"
#include "runtime/ir/text.h"

namespace marvin {
namespace {

// The shortest decimal that reads back to the same bits, always with a '.', an exponent, inf or nan.
template <class Real>
std::string real_text(Real value) {
  if (std::isnan(value)) return "nan";
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  const std::string text(buffer, end);
  return std::isfinite(value) && text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

bool plain(std::string_view name) {
  for (const char c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && std::string_view("_./-+").find(c) == std::string_view::npos)
      return false;
  return !name.empty() && name != "_";
}

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c == '\n' ? ' ' : c;
  }
  return result + '"';
}

std::string word(std::string_view name) { return plain(name) ? std::string(name) : quoted(name); }

template <class T>
std::string list_text(const std::vector<T>& list) {
  std::string text = "[";
  for (size_t i = 0; i < list.size(); ++i) text += (i ? "," : "") + text_of(Attr(list[i]));
  return text + "]";
}

class Printer {
 public:
  Printer(const Graph& graph, const TextOptions& options) : graph_(graph), options_(options) {}

  std::string print() {
    out_ << "graph " << word(graph_.name.empty() ? "main" : graph_.name) << " {\n";
    for (const ValueId input : graph_.inputs) out_ << "  input " << typed(input) << "\n";
    const std::vector<NodeId> live = live_nodes(graph_);
    print_sources(live);
    for (const Slot& slot : graph_.slots) {
      out_ << "  slot " << word(slot.name) << ": " << word(slot.layer) << " " << name_of(slot.role) << "\n";
    }
    std::optional<Phase> phase;
    for (const NodeId id : live) {
      constexpr std::string_view kNames[] = {"forward", "backward", "update"};
      if (phase != graph_[id].phase) out_ << kNames[static_cast<size_t>(*(phase = graph_[id].phase))] << ":\n";
      print_node(graph_[id]);
    }
    for (const ValueId output : graph_.outputs) out_ << "  output " << value(output) << "\n";
    if (graph_.loss.valid()) out_ << "  loss " << value(graph_.loss) << "\n";
    for (const Update& update : graph_.updates) {
      out_ << "  update " << value(update.state) << " <- " << value(update.next) << "\n";
    }
    out_ << "}\n";
    return out_.str();
  }

 private:
  std::string value(ValueId id) const { return id.valid() ? "%" + word(graph_[id].name) : "_"; }
  std::string typed(ValueId id) const { return id.valid() ? value(id) + ": " + text_of(graph_.type_of(id)) : "_"; }

  // Parameters and constants that something live reads, in the order of their making.
  void print_sources(const std::vector<NodeId>& live) {
    std::vector<bool> read(graph_.value_count());
    const auto mark = [&](ValueId id) {
      if (id.valid()) read[id.index] = true;
    };
    for (const NodeId node : live)
      for (const ValueId input : graph_[node].inputs) mark(input);
    for (const ValueId output : graph_.outputs) mark(output);
    mark(graph_.loss);
    for (const Update& update : graph_.updates) mark(update.state), mark(update.next);
    for (uint32_t i = 0; i < graph_.value_count(); ++i) {
      const Value& source = graph_[ValueId{i}];
      if (!read[i]) continue;
      if (source.kind == ValueKind::parameter) out_ << "  parameter " << typed(ValueId{i}) << "\n";
      if (source.kind == ValueKind::constant) {
        out_ << "  constant " << typed(ValueId{i}) << " = " << elements_text(*source.data, options_.elide_above)
             << "\n";
      }
    }
  }

  void print_node(const Node& node) {
    out_ << "  ";
    for (size_t i = 0; i < node.outputs.size(); ++i) out_ << (i ? ", " : "") << typed(node.outputs[i]);
    out_ << " = " << node.op << "(";
    for (size_t i = 0; i < node.inputs.size(); ++i) out_ << (i ? ", " : "") << value(node.inputs[i]);
    out_ << ")";
    print_attrs(node);
    if (!node.name.empty()) out_ << " named " << quoted(node.name);
    if (node.slot.valid()) out_ << " slot " << word(graph_.slots[node.slot.index].name);
    if (!node.kernel.empty()) out_ << " using " << node.kernel;
    out_ << "\n";
  }

  void print_attrs(const Node& node) {
    const Attrs* defaults = options_.defaults ? options_.defaults(node.op) : nullptr;
    std::string text;
    for (const auto& [key, attr] : node.attrs) {
      if (defaults) {
        bool implied = false;
        for (const auto& [name, implied_value] : *defaults) implied |= name == key && implied_value == attr;
        if (implied) continue;
      }
      text += (text.empty() ? "" : ", ") + key + "=" + text_of(attr);
    }
    if (!text.empty()) out_ << " {" << text << "}";
  }

  const Graph& graph_;
  const TextOptions& options_;
  std::ostringstream out_;
};

}  // namespace

std::string text_of(const Attr& attr) {
  struct Visitor {
    std::string operator()(int64_t value) const { return std::to_string(value); }
    std::string operator()(float value) const { return real_text(value); }
    std::string operator()(const std::string& value) const { return quoted(value); }
    std::string operator()(const std::vector<int64_t>& value) const { return list_text(value); }
    std::string operator()(const std::vector<float>& value) const {
      return value.empty() ? "[.]" : list_text(value);  // tells it from an empty list of integers
    }
    std::string operator()(const std::vector<std::string>& value) const {
      std::string text;
      for (const std::string& item : value) text += (text.empty() ? "" : ",") + quoted(item);
      return value.empty() ? "[_]" : "[" + text + "]";
    }
  };
  return std::visit(Visitor{}, attr);
}

std::string elements_text(const Tensor& tensor, int64_t elide_above) {
  if (tensor.type().elements() > elide_above) return "{...}";
  std::string text = "{";
  visit_stored(tensor.type().dtype, [&](auto zero) {
    using T = decltype(zero);
    for (const T element : tensor.as<T>()) {
      if (text.size() > 1) text += ", ";
      if constexpr (std::is_floating_point_v<T>) {
        text += real_text(element);
      } else if constexpr (std::is_class_v<T>) {
        text += real_text(static_cast<float>(element));
      } else {
        text += std::to_string(+element);
      }
    }
  });
  return text + "}";
}

std::string print(const Graph& graph, const TextOptions& options) { return Printer(graph, options).print(); }

}  // namespace marvin
