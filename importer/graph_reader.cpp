#include "importer/graph_reader.h"

#include "importer/control_flow.h"
#include "importer/gradient_node.h"
#include "importer/node_attributes.h"
#include "importer/onnx_ops.h"
#include "importer/running_statistics.h"
#include "importer/tensor_proto.h"
#include "importer/weights.h"

namespace marvin {
namespace {

// Functions that call themselves have no end.
constexpr int kMaxDepth = 64;

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

ValueId GraphReader::value_named(const Frame& frame, const std::string& name) const {
  const ValueId* value = frame.find(name);
  if (!value) throw Error("'", name, "' is not supported, or nothing produces it");
  return *value;
}

void GraphReader::define(Frame& frame, const std::string& name, ValueId value) {
  if (value.valid() && is_half(graph_.type_of(value).dtype)) {
    Builder builder(graph_, Phase::forward, graph_[value].name, "");
    value = builder.cast(value, DType::f32);
  }
  frame.define(name, value);
}

void GraphReader::add_tensor(Frame& frame, const std::string& name, Tensor tensor, bool trained) {
  if (is_half(tensor.type().dtype)) tensor = converted(tensor, DType::f32);
  const std::string in_graph = frame.value_name(graph_, name);
  const Type type = tensor.type();
  frame.define(name, trained ? graph_.add_parameter(in_graph, type, std::make_shared<const Tensor>(std::move(tensor)))
                             : graph_.add_constant(in_graph, std::move(tensor)));
}

Builder GraphReader::builder_for(const onnx::NodeProto& node, const Frame& frame) {
  const std::string stem = node.output_size() > 0 && !node.output(0).empty() ? node.output(0) : label_of(node);
  return Builder(graph_, Phase::forward, frame.node_name(stem), frame.node_name(label_of(node)));
}

std::vector<ValueId> GraphReader::operands(const onnx::NodeProto& node, const Frame& frame) const {
  std::vector<ValueId> values;
  for (const std::string& input : node.input())
    values.push_back(input.empty() ? ValueId{} : value_named(frame, input));
  return values;
}

void GraphReader::read(const Wiring& wiring, Frame& frame) {
  for (const onnx::NodeProto* node : wiring.order()) {
    with_context(cat("importing ", described_with_opset(*node, frame.opset())), [&] { read_node(*node, wiring, frame); });
  }
}

void GraphReader::read_node(const onnx::NodeProto& node, const Wiring& wiring, Frame& frame) {
  if (is_default_op(node, "Constant")) return read_constant(node, wiring, frame);
  const bool calls = functions_.has(node);
  if (!calls && !is_control_flow(node) && !is_gradient(node)) return read_op(node, frame);
  const size_t first_new = graph_.value_count();
  const std::vector<ValueId> results = calls               ? call_function(node, frame)
                                       : is_gradient(node) ? read_gradient(*this, node, frame)
                                                           : read_control_flow(*this, node, operands(node, frame), frame);
  std::vector<std::string> names;
  for (const std::string& output : node.output()) names.push_back(frame.value_name(graph_, output));
  const std::vector<ValueId> outputs = name_values(graph_, results, names, first_new);
  for (int i = 0; i < node.output_size(); ++i)
    if (!node.output(i).empty()) define(frame, node.output(i), outputs[static_cast<size_t>(i)]);
}

void GraphReader::read_constant(const onnx::NodeProto& proto, const Wiring& wiring, Frame& frame) {
  if (proto.output_size() != 1 || proto.output(0).empty()) throw Error("a constant has one output");
  ModelNode node;
  for (const onnx::AttributeProto& attribute : proto.attribute()) add_attribute(node, attribute, file_.directory);
  Tensor tensor = constant_value(node);
  // `value` is the form that export can write weights back to, in the model's graph.
  const bool is_writable = node.tensors.contains("value") && depth_ == 0;
  const bool trained = is_writable && constant_is_parameter(tensor.type(), wiring.uses(proto.output(0)));
  add_tensor(frame, proto.output(0), std::move(tensor), trained);
}

void GraphReader::read_op(const onnx::NodeProto& proto, Frame& frame) {
  ModelNode node{.op = canonical_op(proto), .name = frame.node_name(proto.name()), .inputs = operands(proto, frame)};
  for (const onnx::AttributeProto& attribute : proto.attribute()) add_attribute(node, attribute, file_.directory);
  for (const std::string& output : proto.output()) node.outputs.push_back(frame.value_name(graph_, output));

  Builder builder = builder_for(proto, frame);
  apply_quirks(node, frame.opset(), builder);
  if (!node.tensors.empty()) throw Error("attribute '", node.tensors.begin()->first, "' is a tensor");
  const std::vector<RunningStatistic> statistics = running_statistics(graph_, node);
  const std::vector<ValueId> outputs =
      emit(graph_, {.op = node.op, .name = node.name, .inputs = node.inputs, .attrs = node.attrs}, node.outputs);
  update_statistics(graph_, statistics, outputs);
  fold_producers(graph_, outputs);
  for (int i = 0; i < proto.output_size() && static_cast<size_t>(i) < outputs.size(); ++i)
    if (!proto.output(i).empty()) define(frame, proto.output(i), outputs[static_cast<size_t>(i)]);
}

std::vector<ValueId> GraphReader::call_function(const onnx::NodeProto& node, const Frame& frame) {
  const FunctionCall call = functions_.call(node, frame.opset());
  std::vector<ValueId> inputs = operands(node, frame);
  inputs.resize(static_cast<size_t>(call.body.input_size()));
  return read_body(call.body, inputs, nullptr, frame.inner_prefix(label_of(node)), call.opset);
}

std::vector<ValueId> GraphReader::read_body(const onnx::GraphProto& body, std::span<const ValueId> inputs,
                                            const Frame* outer, const std::string& prefix, int64_t opset) {
  if (static_cast<size_t>(body.input_size()) != inputs.size())
    throw Error("the graph '", body.name(), "' has ", body.input_size(), " inputs, not ", inputs.size());
  if (depth_ == kMaxDepth) throw Error("graphs are nested more than ", kMaxDepth, " deep");
  ++depth_;
  Frame frame(outer, prefix, opset);
  for (int i = 0; i < body.input_size(); ++i) frame.define(body.input(i).name(), inputs[static_cast<size_t>(i)]);
  for (const onnx::TensorProto& tensor : body.initializer())
    if (!frame.defines(tensor.name())) add_tensor(frame, tensor.name(), tensor_from(tensor, file_.directory), false);
  const Wiring wiring(body, body.node(), [&](const std::string& name) { return frame.find(name) != nullptr; });
  read(wiring, frame);
  std::vector<ValueId> outputs;
  for (const onnx::ValueInfoProto& output : body.output())
    outputs.push_back(output.name().empty() ? ValueId{} : value_named(frame, output.name()));
  --depth_;
  return outputs;
}

}  // namespace marvin
