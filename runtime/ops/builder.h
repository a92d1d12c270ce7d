// The pen that writes nodes into a graph: for gradient rules, for ops that are written out as others, for the importer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/ir/graph.h"

namespace marvin {

class Builder {
 public:
  // New values are named `stem`.Op, new nodes `node_name`. In the forward phase what can be folded is.
  Builder(Graph& graph, Phase phase, std::string stem, std::string node_name)
      : graph_(graph), phase_(phase), stem_(std::move(stem)), node_name_(std::move(node_name)) {}

  // By value: building nodes moves the graph's tables.
  Type type(ValueId value) const { return graph_.type_of(value); }
  Shape shape(ValueId value) const { return graph_.type_of(value).shape; }
  // The node that computes the value, null where none does. Building nodes moves it.
  const Node* producer(ValueId value) const;
  // The value's constant elements, null where it is not constant.
  const Tensor* constant(ValueId value) const;
  // The integers of a constant. Throws Error, naming `what`, when the value is not constant.
  std::vector<int64_t> integers(ValueId value, std::string_view what) const;

  // Adds a node with one output and returns it.
  ValueId build(std::string_view op, std::vector<ValueId> inputs, Attrs attrs = {});
  // The same for several outputs; false leaves an output out.
  std::vector<ValueId> build_many(std::string_view op, std::vector<ValueId> inputs, Attrs attrs,
                                  const std::vector<bool>& outputs);

  ValueId constant(Tensor data);
  ValueId constant_shape(const Shape& shape);  // an i64 vector
  // A scalar constant of the value's element type. Throws Error where that cannot hold the number.
  ValueId scalar_like(ValueId value, double number);
  // Sums `value` down to `shape`, undoing a broadcast; `value` itself when it has that shape.
  ValueId sum_to(ValueId value, const Shape& shape);
  ValueId reshape(ValueId value, const Shape& shape);
  ValueId transpose(ValueId value, const std::vector<int64_t>& perm);
  ValueId cast(ValueId value, DType to);  // `value` itself when it is of that type

 protected:
  Graph& graph_;

 private:
  Phase phase_;
  std::string stem_, node_name_;
};

}  // namespace marvin
