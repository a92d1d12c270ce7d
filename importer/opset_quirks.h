// Rewrites nodes of older opsets to the canonical form, opset 17's: shapes, axes and bounds are operands. Nothing past
// the importer knows opsets. Internal to importer/; no protobuf here.
#pragma once

#include <functional>
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

// Adds to a graph what the file does not have, under names that the file does not use.
class GraphWriter {
 public:
  // `in_file` says whether a value of the file has this name.
  GraphWriter(Graph& graph, std::function<bool(const std::string&)> in_file)
      : graph_(graph), in_file_(std::move(in_file)) {}

  std::string unused_name(const std::string& base) const;
  ValueId constant(const std::string& base, Tensor data);
  ValueId integers(const std::string& base, const std::vector<int64_t>& values);
  // A scalar of the element type of `like`.
  ValueId scalar(const std::string& base, ValueId like, double number);
  // A node with one output, folded when it can be.
  ValueId node(std::string_view op, std::vector<ValueId> inputs, Attrs attrs, const std::string& base);
  const Type& type(ValueId value) const { return graph_.type_of(value); }

 private:
  Graph& graph_;
  std::function<bool(const std::string&)> in_file_;
};

// Brings a node into canonical form; what has to be computed before it goes through `writer`. Throws Error on forms
// that have no equivalent.
void apply_quirks(ModelNode& node, int64_t opset, GraphWriter& writer);

}  // namespace marvin
