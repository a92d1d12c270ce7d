// What rewriting a node needs. Internal to importer/.
#pragma once

#include <algorithm>

#include "importer/opset_quirks.h"

namespace marvin {

// Throws Error when the operand is left out.
inline ValueId operand(const ModelNode& node, size_t i) {
  if (i >= node.inputs.size() || !node.inputs[i].valid()) throw Error("operand ", i, " is missing");
  return node.inputs[i];
}

inline void set_operand(ModelNode& node, size_t i, ValueId value) {
  if (node.inputs.size() <= i) node.inputs.resize(i + 1);
  node.inputs[i] = value;
}

// The attribute `key`, taken away from the node; `otherwise` when it has none.
template <class T>
T take(ModelNode& node, std::string_view key, T otherwise) {
  if (!node.attrs.has(key)) return otherwise;
  const auto entry =
      std::ranges::find(node.attrs, key, [](const auto& pair) -> std::string_view { return pair.first; });
  const T* value = std::get_if<T>(&(*entry).second);
  if (!value) throw Error("attribute '", key, "' has the wrong type");
  T taken = *value;
  node.attrs.erase(key);
  return taken;
}

// What opsets 1 to 6 had and 7 has not: limited broadcasting along an axis, is_test, shapes as attributes.
void apply_quirks_before_7(ModelNode& node, int64_t opset, Builder& builder);

}  // namespace marvin
