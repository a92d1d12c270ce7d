// What names mean while a graph of a file, a subgraph of it or a function is read. Internal to importer/.
#pragma once

#include <string>
#include <unordered_map>
#include <utility>

#include "importer/item.h"

namespace marvin {

class Frame {
 public:
  // `outer`: whose names can be read too, null for the model's graph and for functions. `prefix` goes before the names
  // of values and nodes, `path` before those of weights: it is the same for all iterations of a loop and calls of a
  // function, which share them. `opset`: of the default domain.
  Frame(const Frame* outer, std::string prefix, std::string path, int64_t opset)
      : outer_(outer), prefix_(std::move(prefix)), path_(std::move(path)), opset_(opset) {}

  int64_t opset() const { return opset_; }
  // Null when the name is not defined here or further out. A function's operand that its caller leaves out is defined
  // as nothing.
  const Item* find(const std::string& name) const {
    for (const Frame* frame = this; frame; frame = frame->outer_)
      if (const auto entry = frame->items_.find(name); entry != frame->items_.end()) return &entry->second;
    return nullptr;
  }
  // Here, whatever is further out.
  bool defines(const std::string& name) const { return items_.contains(name); }
  void define(const std::string& name, Item item) { items_.insert_or_assign(name, std::move(item)); }

  // The name in the graph of a value or node of this frame. The model's own values keep theirs.
  std::string value_name(const Graph& graph, const std::string& name) const {
    return prefix_.empty() || name.empty() ? name : graph.unused_name(prefix_ + name);
  }
  const std::string& path() const { return path_; }
  std::string node_name(const std::string& name) const { return name.empty() ? name : prefix_ + name; }
  // Before the names of what `node` holds: a subgraph, a function's body.
  std::string inner_prefix(const std::string& label) const { return prefix_ + label + "/"; }

 private:
  const Frame* outer_;
  std::string prefix_, path_;
  int64_t opset_;
  std::unordered_map<std::string, Item> items_;
};

}  // namespace marvin
