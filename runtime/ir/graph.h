// The one graph type of marvin: what a model, a training step and everything between them is.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "runtime/ir/attrs.h"
#include "runtime/ir/tensor.h"
#include "runtime/ir/type.h"

namespace marvin {

// A typed index into one of a graph's tables. The default is "none".
template <class Tag>
struct Id {
  static constexpr uint32_t kNone = 0xffffffff;
  uint32_t index = kNone;
  bool valid() const { return index != kNone; }
  auto operator<=>(const Id&) const = default;
};
using ValueId = Id<struct ValueTag>;
using NodeId = Id<struct NodeTag>;
using SlotId = Id<struct SlotTag>;

enum class ValueKind : uint8_t {
  input,      // fed before every run
  parameter,  // lives across runs, changed by updates alone; starts as `data`, or as zeros
  constant,   // `data`
  computed,   // an output of `producer`
};

struct Value {
  std::string name;  // unique in its graph; forward values keep their ONNX names
  Type type;
  ValueKind kind = ValueKind::computed;
  NodeId producer;  // of a computed value
  int output = 0;   // which output of the producer
  std::shared_ptr<const Tensor> data;
};

// Where in a training step a node belongs. A phase never reads from a later one.
enum class Phase : uint8_t { forward, backward, update };

struct Node {
  std::string op;                // the name of an OpDef
  std::string name;              // from the model, for messages; may be empty
  std::vector<ValueId> inputs;   // none where an optional input is left out
  std::vector<ValueId> outputs;  // none where an optional output is left out
  Attrs attrs;
  Phase phase = Phase::forward;
  SlotId slot;         // of Quantize: the slot whose format the output is in
  std::string kernel;  // once select_kernels ran
};

// At the end of a run the parameter `state` takes the value `next`.
struct Update {
  ValueId state;
  ValueId next;
};

enum class Role : uint8_t { weight, activation, gradient };
std::string_view name_of(Role role);

// A value that products read in fixed point. Its format (word and fractional length) is looked up by slot at run time.
struct Slot {
  std::string name;   // the quantized value's
  std::string layer;  // the layer that it is shown under
  Role role = Role::weight;
  bool operator==(const Slot&) const = default;
};

// Dense tables of values and nodes. Nodes have no order of their own and are never erased: a node is live when an
// output, the loss or an update reaches it (live_nodes). ops/op.h adds nodes with types inferred; passes rewire inputs.
class Graph {
 public:
  std::string name;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  ValueId loss;  // the scalar that training minimises, once attach_loss ran
  std::vector<Update> updates;
  std::vector<Slot> slots;

  ValueId add_input(std::string name, Type type);
  ValueId add_parameter(std::string name, Type type, std::shared_ptr<const Tensor> data = nullptr);
  ValueId add_constant(std::string name, Tensor data);
  // Adds a node whose outputs are named and typed as given; an empty name leaves that output out. Throws Error on a
  // name that is taken.
  NodeId add_node(Node node, const std::vector<std::string>& output_names, const std::vector<Type>& output_types);
  // Adds output `index` to a node that leaves it out.
  ValueId add_output(NodeId node, size_t index, std::string name, Type type);
  // A computed value becomes a constant; its node no longer produces it.
  void make_constant(ValueId value, Tensor data);

  size_t value_count() const { return values_.size(); }
  size_t node_count() const { return nodes_.size(); }
  Value& operator[](ValueId id) { return values_[id.index]; }
  const Value& operator[](ValueId id) const { return values_[id.index]; }
  Node& operator[](NodeId id) { return nodes_[id.index]; }
  const Node& operator[](NodeId id) const { return nodes_[id.index]; }
  const Type& type_of(ValueId id) const { return values_[id.index].type; }

  // None when there is no such value.
  ValueId find(std::string_view name) const;
  // `base`, or `base.2`, `base.3` ... when it is taken or reserved.
  std::string unused_name(const std::string& base) const;
  // Keeps unused_name from giving a name away to which a value will come.
  void reserve_name(std::string text) { reserved_.insert(std::move(text)); }
  void release_names() { reserved_.clear(); }
  void rename(ValueId value, std::string name);

 private:
  ValueId add_value(Value value);
  std::vector<Value> values_;
  std::vector<Node> nodes_;
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  std::unordered_map<std::string, ValueId, Hash, std::equal_to<>> by_name_;
  std::unordered_set<std::string> reserved_;
  mutable std::unordered_map<std::string, int> last_suffix_;  // given to a base: where the search goes on
};

// The live nodes, every node after those it reads from, forward before backward before update, otherwise in the order
// in which they were added. Throws Error on a cycle.
std::vector<NodeId> live_nodes(const Graph& graph);

// For every value, the live nodes that read it, in the order of live_nodes.
std::vector<std::vector<NodeId>> uses(const Graph& graph);

// Makes every reader of `from` (nodes, outputs, the loss, updates' next values) read `to`, except the node `keep`.
void replace_uses(Graph& graph, ValueId from, ValueId to, NodeId keep = {});

}  // namespace marvin
