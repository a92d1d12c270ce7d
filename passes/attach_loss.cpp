#include "passes/attach_loss.h"

#include <algorithm>
#include <limits>

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
  if (options.ignore_index && !(rule && !rule->classification.empty()))
    throw Error("a label to ignore is for cross-entropy and nll, not for ", options.name);
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
    throw Error("the model has no float output '", options.output, "' to compute the loss from; there are ", join(names));
  return graph.find(options.output);
}

// The operand of a Softmax that ends the model, else the value itself.
ValueId logits_of(const Graph& graph, ValueId scores) {
  const Value& value = graph[scores];
  if (value.kind != ValueKind::computed || graph[value.producer].op != "Softmax") return scores;
  return graph[value.producer].inputs[0];
}

Type label_type(const Type& scores, bool classes) {
  if (!classes) return scores;
  if (scores.rank() < 2) throw Error("class labels need scores of shape [N,C,...], not [", text_of(scores.shape), "]");
  Shape shape = scores.shape;
  shape.erase(shape.begin() + 1);
  return {DType::i64, shape};
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
  return {node.inputs[0], node.inputs[1], ignores ? std::optional(ignored) : std::nullopt};
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

std::string default_loss(const Graph& graph, bool integer_labels) {
  for (const ValueId output : graph.outputs)
    if (is_scalar_float(graph.type_of(output))) return "output:" + graph[output].name;
  return integer_labels ? "cross-entropy" : "mse";
}

std::string loss_output(const Graph& graph, const LossOptions& options) {
  const std::vector<std::string> names = float_outputs(graph);
  if (!options.output.empty() || options.name.starts_with("output:") || names.size() < 2) return options.output;
  return names[0];
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
  ValueId scores = compared_output(graph, options);
  if (name == "cross-entropy") scores = logits_of(graph, scores);
  const bool classifies = !rule->classification.empty();
  const ValueId labels = graph.add_input(graph.unused_name("labels"), label_type(graph.type_of(scores), classifies));
  Builder builder(graph, Phase::forward, "loss", "");
  graph.loss = classifies ? classification(builder, rule->classification, scores, labels, options)
                          : rule->build(builder, scores, labels);
  graph.rename(graph.loss, graph.unused_name("loss"));
  show(graph, scores);
  return {scores, labels, options.ignore_index};
}

}  // namespace marvin
