// Rewrites nodes of older opsets to the canonical form, opset 24's: shapes, axes and bounds are operands. Nothing past
// the importer knows opsets. Internal to importer/; no protobuf here.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/ops/op.h"

namespace marvin {

// A node on its way in.
struct ModelNode {
  std::string op;
  std::string name;
  std::vector<ValueId> inputs;
  std::vector<std::string> outputs;  // "" where left out
  Attrs attrs;
  std::map<std::string, Tensor> tensors;  // attributes that are tensors
};

// Brings a node into canonical form; what has to be computed before it goes through `builder`. Throws Error on forms
// that have no equivalent.
void apply_quirks(ModelNode& node, int64_t opset, Builder& builder);

}  // namespace marvin
