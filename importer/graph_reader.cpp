#include "importer/graph_reader.h"

#include <algorithm>

#include "importer/control_flow.h"
#include "importer/gradient_node.h"
#include "importer/inference_form.h"
#include "importer/node_attributes.h"
#include "importer/onnx_ops.h"
#include "importer/running_statistics.h"
#include "importer/sequences.h"
#include "importer/tensor_proto.h"
#include "importer/weights.h"
#include "importer/writable_tensors.h"

namespace marvin {
namespace {

// Every level of bodies in bodies takes a part of the stack.
constexpr int kMaxDepth = 64;
// Functions that call others twice, and loops in loops, grow without bound.
constexpr int64_t kMostWritten = 200'000;

std::string described_with_opset(const onnx::NodeProto& node, int64_t opset) {
  std::string text = described(node);
  text.pop_back();
  return cat(text, ", opset ", opset, ")");
}

bool is_default_op(const onnx::NodeProto& node, std::string_view op) {
  return is_default_domain(node.domain()) && node.op_type() == op;
}

}  // namespace

std::string label_of(const onnx::NodeProto& node) {
  if (!node.name().empty()) return node.name();
  for (const std::string& output : node.output())
    if (!output.empty()) return output;
  return node.op_type();
}

bool is_widened(DType dtype) { return is_half(dtype) || dtype == DType::f8e8m0; }

GraphReader::GraphReader(const OnnxModel::File& file, const FixedBatch& batch, ImportOptions::Form form, Graph& graph)
    : file_(file), batch_(batch), functions_(file.proto), form_(form), graph_(graph) {
  for (const WritableTensor& each : writable_tensors(file.proto)) {
    graph.reserve_name(each.name);
    writable_.insert(each.name);
  }
}

const Item& GraphReader::item_named(const Frame& frame, const std::string& name) const {
  const Item* item = frame.find(name);
  if (!item) throw Error("'", name, "' is not supported, or nothing produces it");
  return *item;
}

ValueId GraphReader::value_named(const Frame& frame, const std::string& name) const {
  const Item& item = item_named(frame, name);
  if (item.empty() || item.is_sequence())
    throw Error("'", name, "' is ", item.empty() ? "nothing" : "a sequence", ", not a tensor");
  return item.tensor();
}

void GraphReader::define(Frame& frame, const std::string& name, const Item& item) {
  if (item.empty() || item.is_sequence() || !is_widened(graph_.type_of(item.tensor()).dtype)) {
    frame.define(name, item);
    return;
  }
  Builder builder(graph_, Phase::forward, graph_[item.tensor()].name, "");
  frame.define(name, builder.cast(item.tensor(), DType::f32));
}

void GraphReader::add_tensor(Frame& frame, const std::string& name, Tensor tensor, bool trained) {
  if (is_widened(tensor.type().dtype)) tensor = converted(tensor, DType::f32);
  const std::string in_graph = trained ? frame.path() + name : frame.value_name(graph_, name);
  if (const ValueId known = graph_.find(in_graph); known.valid() && !frame.path().empty())
    return frame.define(name, known);
  const Type type = tensor.type();
  frame.define(name, trained ? graph_.add_parameter(in_graph, type, std::make_shared<const Tensor>(std::move(tensor)))
                             : graph_.add_constant(in_graph, std::move(tensor)));
}

Builder GraphReader::builder_for(const onnx::NodeProto& node, const Frame& frame) {
  const std::string stem = node.output_size() > 0 && !node.output(0).empty() ? node.output(0) : label_of(node);
  return Builder(graph_, Phase::forward, frame.node_name(stem), frame.node_name(label_of(node)));
}

Items GraphReader::operands(const onnx::NodeProto& node, const Frame& frame) const {
  Items items;
  for (const std::string& input : node.input()) items.push_back(input.empty() ? Item() : item_named(frame, input));
  return items;
}

void GraphReader::read(const Wiring& wiring, Frame& frame) {
  for (const onnx::NodeProto* node : wiring.order()) {
    with_context(cat("importing ", described_with_opset(*node, frame.opset())),
                 [&] { read_node(*node, wiring, frame); });
  }
}

void GraphReader::read_node(const onnx::NodeProto& node, const Wiring& wiring, Frame& frame) {
  if (is_default_op(node, "Constant")) return read_constant(node, wiring, frame);
  const Items given = operands(node, frame);
  const size_t first_new = graph_.value_count();
  const bool passes_on = is_default_op(node, "Identity") && given.size() == 1 && given[0].is_sequence();
  if (functions_.has(node)) {
    define_outputs(node, call_function(node, given, frame), first_new, frame);
  } else if (is_control_flow(node)) {
    define_outputs(node, read_control_flow(*this, node, given, frame), first_new, frame);
  } else if (is_sequence_op(node)) {
    define_outputs(node, read_sequence_op(*this, node, given, frame), first_new, frame);
  } else if (is_gradient(node)) {
    const std::vector<ValueId> gradients = read_gradient(*this, node, frame);
    define_outputs(node, Items(gradients.begin(), gradients.end()), first_new, frame);
  } else if (passes_on) {
    define_outputs(node, given, first_new, frame);
  } else {
    read_op(node, given, frame);
  }
}

void GraphReader::define_outputs(const onnx::NodeProto& node, const Items& results, size_t first_new, Frame& frame) {
  std::vector<ValueId> tensors;
  std::vector<std::string> names;
  for (int i = 0; i < node.output_size(); ++i) {
    const Item item = static_cast<size_t>(i) < results.size() ? results[static_cast<size_t>(i)] : Item();
    tensors.push_back(item.is_sequence() ? ValueId{} : item.tensor_or_none());
    names.push_back(tensors.back().valid() ? frame.value_name(graph_, node.output(i)) : "");
  }
  const std::vector<ValueId> outputs = name_values(graph_, tensors, names, first_new);
  for (size_t i = 0; i < outputs.size(); ++i) {
    const std::string& name = node.output(static_cast<int>(i));
    if (name.empty() || i >= results.size()) continue;
    define(frame, name, outputs[i].valid() ? Item(outputs[i]) : results[i]);
  }
}

void GraphReader::read_constant(const onnx::NodeProto& proto, const Wiring& wiring, Frame& frame) {
  if (proto.output_size() != 1 || proto.output(0).empty()) throw Error("a constant has one output");
  ModelNode node;
  for (const onnx::AttributeProto& attribute : proto.attribute()) add_attribute(node, attribute, file_.directory);
  Tensor tensor = constant_value(node);
  // `value` is the form that export can write weights back to, where it is not a caller's.
  const bool is_writable = node.tensors.contains("value") && writable_.contains(frame.path() + proto.output(0));
  const bool trained = is_writable && constant_is_parameter(tensor, wiring.uses(proto.output(0)));
  add_tensor(frame, proto.output(0), std::move(tensor), trained);
}

void GraphReader::read_op(const onnx::NodeProto& proto, const Items& operands, Frame& frame) {
  ModelNode node{.op = canonical_op(proto), .name = frame.node_name(proto.name())};
  for (const Item& operand : operands) node.inputs.push_back(operand.tensor_or_none());
  for (const onnx::AttributeProto& attribute : proto.attribute()) add_attribute(node, attribute, file_.directory);
  for (const std::string& output : proto.output()) node.outputs.push_back(frame.value_name(graph_, output));

  Builder builder = builder_for(proto, frame);
  apply_quirks(node, frame.opset(), builder);
  batch_.rebind(node, builder);
  if (!node.tensors.empty()) throw Error("attribute '", node.tensors.begin()->first, "' is a tensor");
  const std::vector<RunningStatistic> statistics = running_statistics(graph_, node);
  const std::vector<ValueId> outputs =
      emit(graph_, {.op = node.op, .name = node.name, .inputs = node.inputs, .attrs = node.attrs}, node.outputs);
  update_statistics(graph_, statistics, outputs);
  fold_producers(graph_, outputs);
  for (int i = 0; i < proto.output_size() && static_cast<size_t>(i) < outputs.size(); ++i)
    if (!proto.output(i).empty()) define(frame, proto.output(i), outputs[static_cast<size_t>(i)]);
}

Items GraphReader::call_function(const onnx::NodeProto& node, Items operands, const Frame& frame) {
  const onnx::FunctionProto* function = functions_.find(node);
  if (std::ranges::find(called_, function) != called_.end())
    throw Error("the function '", function->name(), "' calls itself");
  called_.push_back(function);
  const FunctionCall call = functions_.call(node, frame.opset());
  operands.resize(static_cast<size_t>(call.body.input_size()));
  Items results =
      read_body(call.body, operands, {nullptr, frame.inner_prefix(label_of(node)), path_of(*function), call.opset});
  called_.pop_back();
  return results;
}

Items GraphReader::read_body(const onnx::GraphProto& body, std::span<const Item> inputs, Frame frame) {
  if (static_cast<size_t>(body.input_size()) != inputs.size())
    throw Error("the graph '", body.name(), "' has ", body.input_size(), " inputs, not ", inputs.size());
  if (depth_ == kMaxDepth) throw Error("graphs are nested more than ", kMaxDepth, " deep");
  ++depth_;
  written_ += 1 + body.node_size();
  if (written_ > kMostWritten)
    throw Error("functions, loops and branches come to more than ", kMostWritten, " nodes when they are written out");
  for (int i = 0; i < body.input_size(); ++i) frame.define(body.input(i).name(), inputs[static_cast<size_t>(i)]);
  const bool as_found = form_ == ImportOptions::Form::as_found;
  const NodeProtos changed = as_found ? NodeProtos() : inference_nodes(body, frame.opset());
  const NodeProtos& nodes = as_found ? body.node() : changed;
  const Wiring wiring(body, nodes, [&](const std::string& name) { return frame.find(name) != nullptr; });
  for (const onnx::TensorProto& proto : body.initializer()) {
    if (frame.defines(proto.name())) continue;
    Tensor tensor = tensor_from(proto, file_.directory);
    const bool trained = writable_.contains(frame.path() + proto.name()) &&
                         initializer_is_parameter(tensor.type(), wiring.uses(proto.name()));
    add_tensor(frame, proto.name(), std::move(tensor), trained);
  }
  read(wiring, frame);
  Items outputs;
  for (const onnx::ValueInfoProto& output : body.output())
    outputs.push_back(output.name().empty() ? Item() : item_named(frame, output.name()));
  --depth_;
  return outputs;
}

}  // namespace marvin
