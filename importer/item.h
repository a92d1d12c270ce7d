// What a name of a file stands for while the file is read. Internal to importer/.
#pragma once

#include <vector>

#include "runtime/ir/error.h"
#include "runtime/ir/graph.h"

namespace marvin {

// A tensor, a sequence of tensors, or nothing: an operand that is left out, an optional without an element. Graphs have
// tensors alone: a sequence is the list of them that it is once every position is known.
class Item {
 public:
  using Sequence = std::vector<ValueId>;

  Item() = default;
  Item(ValueId tensor) : tensor_(tensor) {}
  explicit Item(Sequence sequence) : sequence_(std::move(sequence)), is_sequence_(true) {}

  bool empty() const { return !is_sequence_ && !tensor_.valid(); }
  bool is_sequence() const { return is_sequence_; }
  // Each throws Error on anything else.
  ValueId tensor() const {
    if (empty()) throw Error("nothing stands where a tensor should");
    return tensor_or_none();
  }
  ValueId tensor_or_none() const {
    if (is_sequence_) throw Error("a sequence stands where a tensor should");
    return tensor_;
  }
  const Sequence& sequence() const {
    if (!is_sequence_) throw Error(empty() ? "nothing" : "a tensor", " stands where a sequence should");
    return sequence_;
  }
  bool operator==(const Item&) const = default;

 private:
  ValueId tensor_;
  Sequence sequence_;
  bool is_sequence_ = false;
};

using Items = std::vector<Item>;

}  // namespace marvin
