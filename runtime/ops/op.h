// What an op is: a constant struct. One file per op family holds the structs with their inference, gradients and
// kernels; list.h names them all.
//
// To add an op: write its OpDef in the family's file, its name into MARVIN_OPS in list.h, and a sample into
// tests/ops/samples_*.cpp.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/ir/error.h"
#include "runtime/ir/graph.h"
#include "runtime/ops/builder.h"
#include "runtime/precision/fixed_point.h"

namespace marvin {

// ---- Inference ------------------------------------------------------------------------------------------------------

// What is known of a node's operands when its output types are inferred.
struct InferContext {
  struct Operand {
    const Type* type = nullptr;        // null: left out
    const Tensor* constant = nullptr;  // the elements where they are known
  };
  std::span<const Operand> operands;
  const Attrs& attrs;
  size_t output_count = 1;  // how many outputs the node lists

  bool has(size_t i) const { return i < operands.size() && operands[i].type; }
  // Throws Error when the operand is left out.
  const Type& type(size_t i) const;
  const Shape& shape(size_t i) const { return type(i).shape; }
  // The integers of a constant operand (a shape, axes ...). Throws Error, naming `what`, when it is not known.
  std::vector<int64_t> integers(size_t i, std::string_view what) const;
};

// ---- Gradients ------------------------------------------------------------------------------------------------------

// What a gradient rule reads, and the pen it writes with. Rules build nodes of the same op vocabulary.
class GradContext : public Builder {
 public:
  // output_gradients: one per output of the node, none where nothing downstream depends on it.
  // wanted: one per input, whether its gradient is needed.
  GradContext(Graph& graph, NodeId node, std::vector<ValueId> output_gradients, std::vector<bool> wanted);

  ValueId in(size_t i) const { return i < node_.inputs.size() ? node_.inputs[i] : ValueId{}; }
  ValueId out(size_t i) const { return i < node_.outputs.size() ? node_.outputs[i] : ValueId{}; }
  // An output of the forward node that the model left out, added now (a mask, saved statistics).
  ValueId require_out(size_t i);
  ValueId grad(size_t i = 0) const { return output_gradients_[i]; }
  bool wants(size_t i) const { return i < wanted_.size() && wanted_[i]; }
  const Attrs& attrs() const { return node_.attrs; }
  size_t input_count() const { return node_.inputs.size(); }
  size_t output_count() const { return node_.outputs.size(); }

 private:
  NodeId id_;
  Node node_;  // a copy: building nodes moves the graph's
  std::vector<ValueId> output_gradients_;
  std::vector<bool> wanted_;
};

// ---- Ops that are compositions of others ----------------------------------------------------------------------------

// What an op that is written out as others reads, and the pen it writes with. Attributes are complete.
class ExpandContext : public Builder {
 public:
  ExpandContext(Graph& graph, Node node, std::vector<std::string> outputs);

  ValueId in(size_t i) const { return i < node_.inputs.size() ? node_.inputs[i] : ValueId{}; }
  size_t input_count() const { return node_.inputs.size(); }
  const Attrs& attrs() const { return node_.attrs; }
  size_t output_count() const { return outputs_.size(); }
  bool wants(size_t output) const { return output < outputs_.size() && !outputs_[output].empty(); }

 private:
  Node node_;
  std::vector<std::string> outputs_;
};

// ---- Kernels --------------------------------------------------------------------------------------------------------

enum class Backend : uint8_t { own, openblas, onednn };
std::string_view name_of(Backend backend);

// What a kernel is chosen and prepared for. Operands and outputs that are left out have a null type.
struct KernelQuery {
  std::span<const Type* const> in;
  std::span<const Type* const> out;
  const Attrs& attrs;
};

// Made once per plan step.
struct Prepared {
  std::shared_ptr<void> state;  // a primitive, parsed attributes: whatever the kernel likes
  int64_t scratch_bytes = 0;    // of arena memory, valid during the step alone
};

// Makes every random draw a pure function of (seed, step, salt, element).
struct RandomKey {
  uint64_t seed = 0;
  uint64_t step = 0;
  uint64_t salt = 0;  // differs from node to node, equal in every plan of a model
};

// What a kernel runs on. Shapes, types and attributes are those of its query.
struct KernelArgs {
  std::span<const void* const> in;  // null where left out
  std::span<void* const> out;       // null where left out
  const KernelQuery& query;
  std::span<const FixedPoint> in_formats;  // of quantized operands
  FixedPoint out_format;                   // of Quantize's output
  RandomKey random;
  void* state = nullptr;  // Prepared::state
  int64_t first = 0;      // of a tile: its first element
  std::byte* scratch = nullptr;

  template <class T>
  const T* input(size_t i) const {
    return i < in.size() ? static_cast<const T*>(in[i]) : nullptr;
  }
  template <class T>
  T* output(size_t i = 0) const {
    return i < out.size() ? static_cast<T*>(out[i]) : nullptr;
  }
  const Type& in_type(size_t i) const { return *query.in[i]; }
  const Type& out_type(size_t i = 0) const { return *query.out[i]; }
  const Attrs& attrs() const { return query.attrs; }
};

// How a kernel is run on part of what it goes over. A run on a tile gets the pointers of tiled operands and outputs at
// the tile's first element, and a query in which these are vectors of the tile's elements, in their order in memory;
// the others, state and scratch are those of the whole.
struct Tiling {
  int64_t elements = 0;      // of every operand and output that is tiled
  uint32_t in = 0, out = 0;  // bit i: operand (output) i is tiled
  int64_t grain = 1;         // a tile begins at a multiple of it

  bool has_in(size_t i) const { return (in >> i & 1) != 0; }
  bool has_out(size_t i) const { return (out >> i & 1) != 0; }
};

struct Kernel {
  std::string_view name;  // op, operand types, library: "conv_s8_onednn"
  Backend backend = Backend::own;
  // Whether the kernel computes exactly what the op says for these types. Null: always.
  bool (*admits)(const KernelQuery&) = nullptr;
  Prepared (*prepare)(const KernelQuery&) = nullptr;  // null: nothing to prepare
  void (*run)(const KernelArgs&) = nullptr;           // checks nothing: inference and admits have
  void (*finish)(const KernelArgs&) = nullptr;        // after run, once for all tiles: outputs that no element has
  // None where it cannot be run tile by tile. Null: as elementwise ops are (LayoutRule::same), others not at all.
  std::optional<Tiling> (*tiling)(const KernelQuery&) = nullptr;
};

// ---- Ops ------------------------------------------------------------------------------------------------------------

constexpr int kVariadic = 1 << 20;

// In which orders in memory an op takes its operands.
enum class LayoutRule : uint8_t {
  row_major,
  same,  // elementwise: operands of the output's shape are all in one layout, the outputs' too; others have one element
  own,   // infer says
};

struct OpDef {
  std::string_view name;  // ONNX's op_type where there is one
  std::string_view doc;   // what it computes, shapes in and out
  int min_inputs = 1;
  int max_inputs = 1;
  int max_outputs = 1;
  Attrs defaults;                          // every legal attribute with its default
  std::vector<std::string_view> required;  // legal attributes without a default
  std::vector<Type> (*infer)(const InferContext&) = nullptr;
  // Writes the op out as others when it enters a graph, one value per output; such an op has no inference, gradient and
  // kernels of its own, and is never in a graph.
  std::vector<ValueId> (*expand)(ExpandContext&) = nullptr;
  // Writes the node out as others where that is faster in the layouts that its operands have, after differentiation; no
  // values where it stays. Null: it always stays.
  std::vector<ValueId> (*lower)(ExpandContext&) = nullptr;
  // One gradient per input, none where there is none. Null: no gradient passes.
  std::vector<ValueId> (*gradient)(GradContext&) = nullptr;
  std::vector<Kernel> kernels;  // cheapest first; the last one admits everything that infer lets through
  // The operands that are multiplied with each other, for ops that are products: these are quantized.
  std::optional<std::array<size_t, 2>> product;
  Layout product_layout = Layout::row_major;      // in which those operands are wanted when they are quantized
  int64_t (*macs)(const KernelQuery&) = nullptr;  // multiply-accumulates of a product
  LayoutRule layouts = LayoutRule::row_major;
  bool view = false;        // output 0 is the bytes of input 0 with another shape: no kernel runs
  bool in_place = false;    // elementwise: an output may be written over an input of its type
  bool random = false;      // draws random numbers: never folded
  bool types_only = false;  // the output depends on the operands' types alone (Shape, Size)
};

// Every op, by name. Null when there is none.
const OpDef* find_op(std::string_view name);
// Throws Error with a suggestion when there is none.
const OpDef& op_named(std::string_view name);
std::span<const OpDef* const> all_ops();

// Types of the outputs that a node with these inputs has. Throws Error on wrong operand counts, unknown attributes
// and whatever the op's infer refuses. Completes `attrs` with defaults.
std::vector<Type> infer_types(const Graph& graph, const OpDef& op, std::span<const ValueId> inputs, Attrs& attrs,
                              size_t output_count);

// Adds a node with inferred types and complete attributes. An empty output name leaves that output out. Throws
// std::logic_error for an op that is a composition of others.
NodeId append(Graph& graph, Node node, const std::vector<std::string>& output_names);

// The same for every op: where it is a composition of others, adds those. Returns the outputs, named as given.
std::vector<ValueId> emit(Graph& graph, Node node, const std::vector<std::string>& output_names);

// Gives values their names, one each; "" for those that nobody asks for. A value older than `first_new` (an index)
// keeps its own: a copy gets the name. Throws Error when a value that has a name is none.
std::vector<ValueId> name_values(Graph& graph, std::span<const ValueId> values, const std::vector<std::string>& names,
                                 size_t first_new);

// None where the kernel is not run tile by tile on these types.
std::optional<Tiling> tiling_of(const OpDef& op, const Kernel& kernel, const KernelQuery& query);

// Evaluates one op on tensors with its last (reference) admissible kernel; null operands are left out.
std::vector<Tensor> evaluate(const OpDef& op, std::span<const Tensor* const> inputs, const Attrs& attrs,
                             size_t output_count);

// The tensor with its elements cast.
Tensor converted(const Tensor& tensor, DType to);

// Turns the node's outputs into constants when all that it reads is constant (or its op needs types alone), it draws no
// random numbers and the result is no larger than `limit_bytes`. Says whether it did.
bool fold(Graph& graph, NodeId node, int64_t limit_bytes = int64_t{1} << 26);

// The same for the nodes that made these values.
void fold_producers(Graph& graph, std::span<const ValueId> values);

// The text form with ops' defaults left out, and back with types and defaults inferred.
std::string to_text(const Graph& graph, int64_t elide_above = int64_t{1} << 40);
Graph from_text(std::string_view text);

// verify() of ir, and that the types of every live node are those that its op infers. Throws std::logic_error.
void verify_types(const Graph& graph);

// A stable 64-bit hash of a name, for RandomKey::salt.
uint64_t salt_of(std::string_view name);

}  // namespace marvin
