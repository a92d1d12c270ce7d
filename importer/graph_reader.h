// Reads nodes of a file, and the subgraphs and functions in them, into a Graph. Internal to importer/.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "importer/fixed_batch.h"
#include "importer/frame.h"
#include "importer/functions.h"
#include "importer/onnx_file.h"
#include "importer/opset_quirks.h"
#include "importer/wiring.h"
#include "runtime/ops/op.h"

namespace marvin {

class GraphReader {
 public:
  // What `batch` refers to outlives the reader. `form`: of the bodies of functions and subgraphs.
  GraphReader(const OnnxModel::File& file, const FixedBatch& batch, ImportOptions::Form form, Graph& graph);

  Graph& graph() { return graph_; }
  // Adds the nodes, every one after those it reads from, and defines their outputs in the frame. Throws Error, naming
  // the node, on whatever marvin cannot run.
  void read(const Wiring& wiring, Frame& frame);
  // Adds a subgraph's or function's nodes with its inputs standing for the given values; returns its outputs. `frame`
  // is the one that they are read in, new.
  Items read_body(const onnx::GraphProto& body, std::span<const Item> inputs, Frame frame);
  // What this name stands for. Throws Error when the file has it but it has no equivalent in canonical form.
  const Item& item_named(const Frame& frame, const std::string& name) const;
  // The same for a tensor. Throws Error when it is anything else.
  ValueId value_named(const Frame& frame, const std::string& name) const;
  // 16-bit floats are defined as their float32 equivalents, since nothing computes in them.
  void define(Frame& frame, const std::string& name, const Item& item);
  // A tensor of the file: a parameter when it is trained, one however often its body is read; a constant otherwise.
  void add_tensor(Frame& frame, const std::string& name, Tensor tensor, bool trained);
  // What new values that stand for (part of) a node are made with.
  Builder builder_for(const onnx::NodeProto& node, const Frame& frame);

 private:
  void read_node(const onnx::NodeProto& node, const Wiring& wiring, Frame& frame);
  void read_constant(const onnx::NodeProto& proto, const Wiring& wiring, Frame& frame);
  void read_op(const onnx::NodeProto& node, const Items& operands, Frame& frame);
  Items call_function(const onnx::NodeProto& node, Items operands, const Frame& frame);
  Items operands(const onnx::NodeProto& node, const Frame& frame) const;
  // Defines the node's outputs, under whose names the new ones among the tensors appear in the graph.
  void define_outputs(const onnx::NodeProto& node, const Items& results, size_t first_new, Frame& frame);

  const OnnxModel::File& file_;
  const FixedBatch& batch_;
  Functions functions_;
  ImportOptions::Form form_;
  Graph& graph_;
  Names writable_;                                  // of tensors that weights can be written back to
  int depth_ = 0;                                   // of bodies in bodies
  int64_t written_ = 0;                             // nodes of bodies, as often as they are read
  std::vector<const onnx::FunctionProto*> called_;  // whose bodies are being read
};

// What is computed and trained as float32: 16-bit floats, and the powers of two that scales are made of.
bool is_widened(DType dtype);

// "node 'conv1' (Conv)", or by its first output; as a part of paths.
std::string label_of(const onnx::NodeProto& node);

}  // namespace marvin
