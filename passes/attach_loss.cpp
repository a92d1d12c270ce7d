#include "passes/attach_loss.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "runtime/ops/op.h"

namespace marvin {
namespace {

ValueId mean(Builder& b, ValueId value) { return b.build("ReduceMean", {value}, {{"keepdims", int64_t{0}}}); }

ValueId difference(Builder& b, ValueId scores, ValueId labels) { return b.build("Sub", {scores, labels}); }

ValueId classification(Builder& b, std::string_view op, ValueId scores, ValueId labels, const LossOptions& options) {
  Attrs attrs;
  if (options.ignore_index) attrs.set("ignore_index", *options.ignore_index);
  if (options.label_smoothing != 0) attrs.set("label_smoothing", static_cast<float>(options.label_smoothing));
  return b.build(op, {scores, labels}, attrs);
}

ValueId squared_error(Builder& b, ValueId scores, ValueId labels) {
  const ValueId error = difference(b, scores, labels);
  return mean(b, b.build("Mul", {error, error}));
}

ValueId absolute_error(Builder& b, ValueId scores, ValueId labels) {
  return mean(b, b.build("Abs", {difference(b, scores, labels)}));
}

// mean(m (|e| - m / 2)) with m = min(|e|, 1): e^2 / 2 inside [-1, 1], |e| - 1/2 outside.
ValueId huber(Builder& b, ValueId scores, ValueId labels) {
  const ValueId error = b.build("Abs", {difference(b, scores, labels)});
  const ValueId inner = b.build("Min", {error, b.scalar_like(scores, 1)});
  const ValueId half = b.build("Mul", {inner, b.scalar_like(scores, 0.5)});
  return mean(b, b.build("Mul", {inner, b.build("Sub", {error, half})}));
}

ValueId binary_cross_entropy(Builder& b, ValueId p, ValueId t) {
  return mean(b, b.build("BinaryCrossEntropy", {p, t}));
}

// mean(t ln(1 + e^-x) + (1 - t) ln(1 + e^x)): the loss and its gradient, sigmoid(x) - t, are exact for every logit.
ValueId binary_cross_entropy_with_logits(Builder& b, ValueId x, ValueId t) {
  const ValueId hit = b.build("Mul", {t, b.build("Softplus", {b.build("Neg", {x})})});
  const ValueId miss = b.build("Mul", {b.build("Sub", {b.scalar_like(t, 1), t}), b.build("Softplus", {x})});
  return mean(b, b.build("Add", {hit, miss}));
}

// sum(t (ln t - x)) / n for log-probabilities x, where 0 ln 0 is 0: PyTorch's KLDivLoss(reduction="batchmean").
ValueId kl_divergence(Builder& b, ValueId x, ValueId t) {
  const ValueId positive = b.build("Max", {t, b.scalar_like(t, std::numeric_limits<float>::min())});
  const ValueId terms = b.build("Mul", {t, difference(b, b.build("Log", {positive}), x)});
  const ValueId sum = b.build("ReduceSum", {terms}, {{"keepdims", int64_t{0}}});
  const Shape shape = b.shape(x);
  return b.build("Div", {sum, b.scalar_like(x, shape.empty() ? 1 : static_cast<double>(shape[0]))});
}

struct LossRule {
  std::string name;
  // Of the ones that compare scores with classes, the op; of the others, what builds them.
  std::string_view classification;
  ValueId (*build)(Builder&, ValueId scores, ValueId labels) = nullptr;
};

const std::vector<LossRule>& rules() {
  static const std::vector<LossRule> list = {
      {"cross-entropy", "SoftmaxCrossEntropyLoss"},
      {"nll", "NegativeLogLikelihoodLoss"},
      {"bce-with-logits", "", binary_cross_entropy_with_logits},
      {"bce", "", binary_cross_entropy},
      {"mse", "", squared_error},
      {"l1", "", absolute_error},
      {"huber", "", huber},
      {"kl", "", kl_divergence},
  };
  return list;
}

void check_options(const LossOptions& options, const LossRule* rule) {
  if (!options.output.empty() && !rule)
    throw Error("the loss ", options.name, " is an output itself; an output to compute a loss from is for the others");
  if (options.label_smoothing != 0 && options.name != "cross-entropy")
    throw Error("label smoothing is for cross-entropy, not for ", options.name);
  if (!(options.label_smoothing >= 0 && options.label_smoothing <= 1))
    throw Error("label smoothing is in [0, 1], not ", options.label_smoothing);
  const bool has_classes = rule && !rule->classification.empty();
  if (options.ignore_index && !has_classes)
    throw Error("a label to ignore is for cross-entropy and nll, not for ", options.name);
  if (options.class_axis && !has_classes)
    throw Error("an axis of classes is for cross-entropy and nll, not for ", options.name);
}

bool is_scalar_float(const Type& type) { return is_float(type.dtype) && type.elements() == 1 && type.rank() == 0; }

std::vector<std::string> float_outputs(const Graph& graph) {
  std::vector<std::string> names;
  for (const ValueId output : graph.outputs)
    if (is_float(graph.type_of(output).dtype)) names.push_back(graph[output].name);
  return names;
}

ValueId compared_output(const Graph& graph, const LossOptions& options) {
  const std::vector<std::string> names = float_outputs(graph);
  if (names.empty()) throw Error("the model has no float output that a loss could be computed from");
  if (options.output.empty()) return graph.find(names[0]);
  if (std::ranges::find(names, options.output) == names.end())
    throw Error("the model has no float output '", options.output, "' to compute the loss from; there are ",
                join(names));
  return graph.find(options.output);
}

// ---- Classes --------------------------------------------------------------------------------------------------------

Shape without_axis(Shape shape, int64_t axis) {
  shape.erase(shape.begin() + axis);
  return shape;
}

int64_t axis_of_classes(const Shape& scores, const LossOptions& options) {
  const auto rank = static_cast<int64_t>(scores.size());
  if (rank < 2) throw Error("class labels need scores of shape [N,C,...], not [", text_of(scores), "]");
  if (options.class_axis) {
    const int64_t axis = *options.class_axis, from_front = axis < 0 ? axis + rank : axis;
    if (from_front >= 1 && from_front < rank) return from_front;
    throw Error("--class-axis ", axis, " makes no sense for scores [", text_of(scores), "]: it is from 1 to ", rank - 1,
                ", or -1 for the last; axis 0 is the samples");
  }
  if (rank == 2 || !options.labels) return 1;
  const Shape &labels = *options.labels, first = without_axis(scores, 1), last = without_axis(scores, rank - 1);
  if (labels == first && labels == last) {
    throw Error(
        "labels [", text_of(labels), "] fit scores [", text_of(scores), "] in two ways: with the classes on axis ",
        "1, as ONNX's SoftmaxCrossEntropyLoss has them, and on the last axis, as language models do; say which ",
        "with --class-axis 1 or --class-axis ", rank - 1);
  }
  if (labels != first && labels != last) {
    throw Error("labels [", text_of(labels), "] do not fit scores [", text_of(scores), "]: these take labels [",
                text_of(first), "] with the classes on axis 1, and [", text_of(last), "] with the classes on the last");
  }
  return labels == last ? rank - 1 : 1;
}

// Throws where labels of this shape are not those of scores [n,c,...].
void check_class_labels(const Shape& labels, const Shape& scores) {
  const Shape wanted = without_axis(scores, 1);
  if (labels == wanted || (scores.size() == 2 && !labels.empty() && elements(labels) == scores[0])) return;
  throw Error("labels [", text_of(labels), "] do not fit scores [", text_of(scores), "] of ", scores[1],
              " classes, which take labels [", text_of(wanted), "]",
              labels == scores ? "; where these are one-hot, save their argmax" : "");
}

// The operand of a Softmax over the axis that ends the model, else the value itself.
ValueId logits_of(const Graph& graph, ValueId scores, int64_t axis) {
  const Value& value = graph[scores];
  if (value.kind != ValueKind::computed || graph[value.producer].op != "Softmax") return scores;
  const Node& softmax = graph[value.producer];
  const int64_t over = softmax.attrs.integer("axis");
  return (over < 0 ? over + value.type.rank() : over) == axis ? softmax.inputs[0] : scores;
}

LossInputs compare_with_classes(Graph& graph, Builder& b, std::string_view op, ValueId output,
                                const LossOptions& options) {
  const int64_t axis = axis_of_classes(b.shape(output), options);
  ValueId scores = options.name == "cross-entropy" ? logits_of(graph, output, axis) : output;
  if (axis != 1) {
    std::vector<int64_t> perm(b.shape(scores).size());
    std::iota(perm.begin(), perm.end(), int64_t{0});
    std::rotate(perm.begin() + 1, perm.begin() + axis, perm.begin() + axis + 1);
    scores = b.transpose(scores, perm);
  }
  const Shape shape = b.shape(scores), positions = without_axis(shape, 1);
  if (options.labels) check_class_labels(*options.labels, shape);
  const ValueId labels = graph.add_input(graph.unused_name("labels"), {DType::i64, options.labels.value_or(positions)});
  graph.loss = classification(b, op, scores, b.reshape(labels, positions), options);
  return {scores, labels, options.ignore_index, true, shape[1]};
}

// ---- Numbers --------------------------------------------------------------------------------------------------------

Shape without_ones(Shape shape) {
  std::erase(shape, 1);
  return shape;
}

LossInputs compare_with_numbers(Graph& graph, Builder& b, const LossRule& rule, ValueId scores,
                                const LossOptions& options) {
  const Type type = b.type(scores);
  const bool integers = options.labels && without_ones(*options.labels) == without_ones(type.shape);
  const ValueId labels =
      graph.add_input(graph.unused_name("labels"), integers ? Type{DType::i64, *options.labels} : type);
  graph.loss = rule.build(b, scores, b.reshape(b.cast(labels, type.dtype), type.shape));
  const bool binary = integers && rule.name.starts_with("bce");
  return {.scores = scores, .labels = labels, .label_limit = binary ? 2 : 0};
}

// Makes the value an output, once.
void show(Graph& graph, ValueId value) {
  if (std::ranges::find(graph.outputs, value) == graph.outputs.end()) graph.outputs.push_back(value);
}

LossInputs use_output(Graph& graph, const std::string& name) {
  const ValueId loss = graph.find(name);
  if (!loss.valid() || std::ranges::find(graph.outputs, loss) == graph.outputs.end()) {
    std::vector<std::string> outputs;
    for (const ValueId output : graph.outputs) outputs.push_back(graph[output].name);
    throw Error("the model has no output '", name, "' to use as the loss; its outputs are ", join(outputs));
  }
  if (!is_float(graph.type_of(loss).dtype) || graph.type_of(loss).elements() != 1) {
    throw Error("the output '", name, "' is ", text_of(graph.type_of(loss)), ", not a scalar that could be a loss");
  }
  graph.loss = loss;
  const Value& value = graph[loss];
  if (value.kind != ValueKind::computed) return {};
  const Node& node = graph[value.producer];
  const bool classifies = node.op == "SoftmaxCrossEntropyLoss" || node.op == "NegativeLogLikelihoodLoss";
  if (!classifies || graph[node.inputs[1]].kind != ValueKind::input) return {};
  show(graph, node.inputs[0]);
  const int64_t ignored = node.attrs.integer("ignore_index");
  const bool ignores = ignored != op_named(node.op).defaults.integer("ignore_index");
  return {node.inputs[0], node.inputs[1], ignores ? std::optional(ignored) : std::nullopt,
          graph.type_of(node.inputs[1]).dtype == DType::i64, graph.type_of(node.inputs[0]).shape[1]};
}

}  // namespace

const std::vector<std::string>& loss_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const LossRule& rule : rules()) list.push_back(rule.name);
    return list;
  }();
  return names;
}

std::string default_loss(const Graph& graph, bool integer_labels, const std::string& output) {
  for (const ValueId value : graph.outputs)
    if (is_scalar_float(graph.type_of(value))) return "output:" + graph[value].name;
  if (!integer_labels) return "mse";
  const Value& scores = graph[compared_output(graph, {.output = output})];
  if (scores.type.rank() == 0 || scores.type.elements() != scores.type.shape[0]) return "cross-entropy";
  const bool sigmoid = scores.kind == ValueKind::computed && graph[scores.producer].op == "Sigmoid";
  return sigmoid ? "bce" : "bce-with-logits";
}

std::string loss_output(const Graph& graph, const LossOptions& options) {
  const std::vector<std::string> names = float_outputs(graph);
  if (!options.output.empty() || options.name.starts_with("output:") || names.size() < 2) return options.output;
  return names[0];
}

std::optional<int64_t> class_axis(const Graph& graph, const LossOptions& options) {
  const auto rule = std::ranges::find(rules(), options.name, &LossRule::name);
  if (rule == rules().end() || rule->classification.empty()) return std::nullopt;
  const Shape& scores = graph.type_of(compared_output(graph, options)).shape;
  const int64_t axis = axis_of_classes(scores, options);
  return scores.size() == 2 ? std::nullopt : std::optional(axis);
}

LossInputs attach_loss(Graph& graph, const LossOptions& options) {
  const std::string& name = options.name;
  if (name.starts_with("output:")) {
    check_options(options, nullptr);
    return use_output(graph, name.substr(7));
  }
  const auto rule = std::ranges::find(rules(), name, &LossRule::name);
  if (rule == rules().end()) {
    throw Error("unknown loss '", name, "'; it is one of ", join(loss_names(), " or "), " or output:NAME.",
                suggestion(name, loss_names()));
  }
  check_options(options, &*rule);
  const ValueId output = compared_output(graph, options);
  Builder builder(graph, Phase::forward, "loss", "");
  const LossInputs inputs = rule->classification.empty()
                                ? compare_with_numbers(graph, builder, *rule, output, options)
                                : compare_with_classes(graph, builder, rule->classification, output, options);
  graph.rename(graph.loss, graph.unused_name("loss"));
  show(graph, inputs.scores);
  return inputs;
}

}  // namespace marvin
