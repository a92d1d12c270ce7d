#include "importer/control_flow.h"

#include <algorithm>
#include <limits>

#include "importer/node_attributes.h"
#include "importer/tensor_proto.h"
#include "importer/writable_tensors.h"

namespace marvin {
namespace {

// Bodies are written out, so that this many are a graph that nobody wants to plan.
constexpr int64_t kMaxIterations = 1 << 14;

const onnx::GraphProto& body_of(const onnx::NodeProto& node, std::string_view name) {
  const onnx::GraphProto* body = graph_attribute(node, name);
  if (!body) throw Error("attribute '", name, "' is missing; it must be a graph");
  return *body;
}

std::vector<int64_t> integers_attribute(const onnx::NodeProto& node, std::string_view name, size_t count) {
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (attribute.name() != name) continue;
    if (static_cast<size_t>(attribute.ints_size()) != count)
      throw Error("attribute '", name, "' has ", attribute.ints_size(), " elements, not ", count);
    return {attribute.ints().begin(), attribute.ints().end()};
  }
  return std::vector<int64_t>(count, 0);
}

// What all bodies of a node are read with.
struct Context {
  GraphReader& reader;
  const onnx::NodeProto& node;
  const Frame& frame;
  Builder builder;

  Items read(const onnx::GraphProto& body, std::span<const Item> inputs, const std::string& part) {
    const std::string prefix = frame.inner_prefix(cat(label_of(node), "/", part));
    return reader.read_body(body, inputs, {&frame, prefix, path_of(frame.path(), node, body), frame.opset()});
  }
  ValueId scalar(ValueId value) { return builder.reshape(value, {}); }
};

// Empty where the condition depends on data.
std::optional<bool> known_condition(const Context& context, ValueId value) {
  const Type type = context.builder.type(value);
  if (type.dtype != DType::boolean || type.elements() != 1)
    throw Error("the condition is ", text_of(type), "; it must be one bool");
  const Tensor* data = context.builder.constant(value);
  return data ? std::optional<bool>(data->as<bool>()[0]) : std::nullopt;
}

ValueId select(Context& context, ValueId condition, ValueId yes, ValueId no) {
  if (yes == no) return yes;
  const Type a = context.builder.type(yes), b = context.builder.type(no);
  if (a != b) throw Error("which of ", text_of(a), " and ", text_of(b), " a result is depends on data");
  return context.builder.build("Where", {condition, yes, no});
}

Item select(Context& context, ValueId condition, const Item& yes, const Item& no) {
  if (yes == no) return yes;
  if (yes.empty() || no.empty()) throw Error("whether there is a result depends on data");
  if (!yes.is_sequence() && !no.is_sequence()) return select(context, condition, yes.tensor(), no.tensor());
  Item::Sequence chosen = yes.sequence();
  const Item::Sequence& others = no.sequence();
  if (chosen.size() != others.size()) throw Error("how long a sequence is depends on data");
  for (size_t i = 0; i < chosen.size(); ++i) chosen[i] = select(context, condition, chosen[i], others[i]);
  return Item(chosen);
}

// ---- If -------------------------------------------------------------------------------------------------------------

Items read_if(Context context, const Items& operands) {
  if (operands.size() != 1 || operands[0].empty()) throw Error("takes one condition");
  const onnx::GraphProto& yes = body_of(context.node, "then_branch");
  const onnx::GraphProto& no = body_of(context.node, "else_branch");
  if (const std::optional<bool> condition = known_condition(context, operands[0].tensor()))
    return context.read(*condition ? yes : no, {}, *condition ? "then" : "else");
  Items results = context.read(yes, {}, "then");
  const Items others = context.read(no, {}, "else");
  if (results.size() != others.size()) throw Error("its branches have different numbers of outputs");
  const ValueId condition = context.scalar(operands[0].tensor());
  for (size_t i = 0; i < results.size(); ++i) results[i] = select(context, condition, results[i], others[i]);
  return results;
}

// ---- Loop -----------------------------------------------------------------------------------------------------------

// The concatenation of one value per iteration along a new axis.
ValueId stacked(Builder& builder, std::vector<ValueId> values, int64_t axis) {
  const int64_t place = normalized_axis(axis, builder.type(values[0]).rank() + 1);
  const ValueId axes = builder.constant_shape({place});
  for (ValueId& value : values) value = builder.build("Unsqueeze", {value, axes});
  return values.size() == 1 ? values[0] : builder.build("Concat", values, {{"axis", place}});
}

// Of no iteration: the body declares what an element would have been.
ValueId empty_stack(Builder& builder, const onnx::ValueInfoProto& element) {
  const onnx::TypeProto::Tensor& declared = element.type().tensor_type();
  if (!declared.has_shape()) throw Error("no iteration runs, and the shape of '", element.name(), "' is not declared");
  Type type{dtype_of_onnx(declared.elem_type()), {0}};
  for (const auto& dim : declared.shape().dim()) type.shape.push_back(dim.has_dim_value() ? dim.dim_value() : 0);
  return builder.constant(Tensor(type));
}

class LoopReader {
 public:
  LoopReader(Context context, const Items& operands)
      : context_(std::move(context)), body_(body_of(context_.node, "body")) {
    if (operands.size() < 2 || body_.input_size() != static_cast<int>(operands.size()))
      throw Error("has ", operands.size(), " operands, but its body ", body_.input_size(), " inputs");
    states_.assign(operands.begin() + 2, operands.end());
    scans_.resize(static_cast<size_t>(std::max(0, body_.output_size() - 1)) - std::min(states_.size(), outputs()));
    trips_ = trip_count(operands[0].tensor_or_none());
    condition_ = !operands[1].empty() ? operands[1].tensor() : context_.builder.constant(Tensor::scalar(true));
  }

  Items run() {
    if (outputs() < states_.size()) throw Error("its body returns fewer values than there are states");
    for (int64_t i = 0; i < trips_; ++i) {
      const std::optional<bool> goes_on = known_condition(context_, condition_);
      if (goes_on && !*goes_on) break;
      if (i == kMaxIterations) throw Error("runs more than ", kMaxIterations, " times");
      if (!goes_on && !bounded_) throw Error("how often it runs depends on data");
      if (!goes_on && !scans_.empty()) throw Error("how many results it has depends on data");
      iterate(i, !goes_on);
    }
    Items results = states_;
    for (size_t i = 0; i < scans_.size(); ++i) {
      const int output = static_cast<int>(1 + states_.size() + i);
      results.emplace_back(scans_[i].empty() ? empty_stack(context_.builder, body_.output(output))
                                             : stacked(context_.builder, scans_[i], 0));
    }
    return results;
  }

 private:
  size_t outputs() const { return static_cast<size_t>(std::max(0, body_.output_size() - 1)); }

  int64_t trip_count(ValueId count) {
    bounded_ = count.valid();
    if (!bounded_) return std::numeric_limits<int64_t>::max();
    const std::vector<int64_t> known = context_.builder.integers(count, "how often it runs");
    if (known.size() != 1) throw Error("the trip count must be one number");
    bounded_ = known[0] <= kMaxIterations;
    return known[0];
  }

  // Once a condition that depends on data is false, states stay as they are and so does the condition.
  void iterate(int64_t i, bool conditional) {
    Items inputs = {context_.builder.constant(Tensor::scalar(i)), condition_};
    inputs.insert(inputs.end(), states_.begin(), states_.end());
    const Items outputs = context_.read(body_, inputs, std::to_string(i));
    const ValueId runs = conditional ? context_.scalar(condition_) : ValueId{};
    for (size_t k = 0; k < states_.size(); ++k) {
      states_[k] = conditional ? select(context_, runs, outputs[k + 1], states_[k]) : outputs[k + 1];
    }
    for (size_t k = 0; k < scans_.size(); ++k) scans_[k].push_back(outputs[1 + states_.size() + k].tensor());
    const ValueId goes_on = outputs[0].tensor();
    condition_ = conditional ? context_.builder.build("And", {runs, context_.scalar(goes_on)}) : goes_on;
  }

  Context context_;
  const onnx::GraphProto& body_;
  Items states_;
  std::vector<std::vector<ValueId>> scans_;
  int64_t trips_ = 0;
  bool bounded_ = false;  // by a trip count that can be written out
  ValueId condition_;
};

// ---- Scan -----------------------------------------------------------------------------------------------------------

// The elements of a value along an axis, in order or from the last.
std::vector<ValueId> elements_of(Builder& builder, ValueId value, int64_t axis, bool reversed) {
  const Shape shape = builder.shape(value);
  const int64_t place = normalized_axis(axis, static_cast<int64_t>(shape.size()));
  const int64_t count = shape[static_cast<size_t>(place)];
  if (count > kMaxIterations) throw Error("runs ", count, " times, more than ", kMaxIterations);
  if (count == 0) return {};
  std::vector<ValueId> parts = {value};
  if (count > 1) {
    parts = builder.build_many("Split", {value, builder.constant_shape(Shape(static_cast<size_t>(count), 1))},
                               {{"axis", place}}, std::vector<bool>(static_cast<size_t>(count), true));
  }
  const ValueId axes = builder.constant_shape({place});
  for (ValueId& part : parts) part = builder.build("Squeeze", {part, axes});
  if (reversed) std::ranges::reverse(parts);
  return parts;
}

std::vector<ValueId> scan(Context& context, const onnx::GraphProto& body, std::vector<ValueId> states,
                          const std::vector<ValueId>& scanned, const std::string& part) {
  const size_t scan_outputs = static_cast<size_t>(body.output_size()) - states.size();
  const std::vector<int64_t> axes = integers_attribute(context.node, "scan_input_axes", scanned.size());
  const std::vector<int64_t> reversed = integers_attribute(
      context.node, context.frame.opset() < 9 ? "directions" : "scan_input_directions", scanned.size());
  std::vector<std::vector<ValueId>> elements;
  for (size_t i = 0; i < scanned.size(); ++i)
    elements.push_back(elements_of(context.builder, scanned[i], axes[i], reversed[i] != 0));
  for (const std::vector<ValueId>& list : elements)
    if (list.size() != elements[0].size()) throw Error("its scanned operands have different lengths");

  std::vector<std::vector<ValueId>> stacks(scan_outputs);
  for (size_t t = 0; t < elements[0].size(); ++t) {
    Items inputs(states.begin(), states.end());
    for (const std::vector<ValueId>& list : elements) inputs.emplace_back(list[t]);
    const Items outputs = context.read(body, inputs, cat(part, t));
    for (size_t k = 0; k < states.size(); ++k) states[k] = outputs[k].tensor();
    for (size_t k = 0; k < scan_outputs; ++k) stacks[k].push_back(outputs[states.size() + k].tensor());
  }
  const std::vector<int64_t> out_axes = integers_attribute(context.node, "scan_output_axes", scan_outputs);
  const std::vector<int64_t> out_reversed = integers_attribute(context.node, "scan_output_directions", scan_outputs);
  for (size_t k = 0; k < scan_outputs; ++k) {
    if (out_reversed[k] != 0) std::ranges::reverse(stacks[k]);
    states.push_back(stacks[k].empty() ? empty_stack(context.builder, body.output(static_cast<int>(states.size())))
                                       : stacked(context.builder, stacks[k], out_axes[k]));
  }
  return states;
}

// Opset 8: operand 0 gives the sequences' lengths, and everything has a batch axis in front.
std::vector<ValueId> scan_of_batch(Context& context, const onnx::GraphProto& body, const std::vector<ValueId>& operands,
                                   size_t scanned) {
  if (operands[0].valid()) throw Error("sequence_lens are not supported; export the model with opset 9 or newer");
  std::vector<std::vector<ValueId>> per_operand;
  for (size_t i = 1; i < operands.size(); ++i)
    per_operand.push_back(elements_of(context.builder, operands[i], 0, false));
  for (const std::vector<ValueId>& list : per_operand)
    if (list.size() != per_operand[0].size()) throw Error("its operands have different batches");
  std::vector<std::vector<ValueId>> per_output;
  for (size_t b = 0; b < per_operand.at(0).size(); ++b) {
    std::vector<ValueId> values;
    for (const std::vector<ValueId>& list : per_operand) values.push_back(list.at(b));
    const std::vector<ValueId> states(values.begin(), values.end() - static_cast<int64_t>(scanned));
    const std::vector<ValueId> rest(values.end() - static_cast<int64_t>(scanned), values.end());
    const std::vector<ValueId> results = scan(context, body, states, rest, cat(b, "/"));
    per_output.resize(results.size());
    for (size_t k = 0; k < results.size(); ++k) per_output[k].push_back(results[k]);
  }
  std::vector<ValueId> outputs;
  for (const std::vector<ValueId>& list : per_output) outputs.push_back(stacked(context.builder, list, 0));
  return outputs;
}

std::vector<ValueId> read_scan(Context context, const std::vector<ValueId>& operands) {
  const onnx::GraphProto& body = body_of(context.node, "body");
  const auto scanned = static_cast<size_t>(integer_attribute(context.node, "num_scan_inputs", 0));
  const bool with_batch = context.frame.opset() < 9;
  const size_t given = operands.size() - (with_batch && !operands.empty() ? 1 : 0);
  if (scanned == 0 || scanned > given) throw Error("num_scan_inputs is ", scanned, ", of ", given, " operands");
  if (static_cast<size_t>(body.input_size()) != given || static_cast<size_t>(body.output_size()) < given - scanned)
    throw Error("its body's inputs and outputs do not fit its operands");
  if (with_batch) return scan_of_batch(context, body, operands, scanned);
  const std::vector<ValueId> states(operands.begin(), operands.end() - static_cast<int64_t>(scanned));
  const std::vector<ValueId> rest(operands.end() - static_cast<int64_t>(scanned), operands.end());
  return scan(context, body, states, rest, "");
}

}  // namespace

bool is_control_flow(const onnx::NodeProto& node) {
  return is_default_domain(node.domain()) &&
         (node.op_type() == "If" || node.op_type() == "Loop" || node.op_type() == "Scan");
}

Items read_control_flow(GraphReader& reader, const onnx::NodeProto& node, const Items& operands, const Frame& frame) {
  Context context{reader, node, frame, reader.builder_for(node, frame)};
  if (node.op_type() == "If") return read_if(std::move(context), operands);
  if (node.op_type() == "Loop") return LoopReader(std::move(context), operands).run();
  std::vector<ValueId> tensors;
  for (size_t i = 0; i < operands.size(); ++i) {
    const bool is_lengths = i == 0 && frame.opset() < 9;
    tensors.push_back(is_lengths ? operands[i].tensor_or_none() : operands[i].tensor());
  }
  const std::vector<ValueId> results = read_scan(std::move(context), tensors);
  return {results.begin(), results.end()};
}

}  // namespace marvin
