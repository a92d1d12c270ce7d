#include "passes/attach_loss.h"

#include <algorithm>
#include <map>

#include "runtime/ops/op.h"

namespace marvin {
namespace {

// Writes forward nodes named loss.<op>.
class LossBuilder {
 public:
  explicit LossBuilder(Graph& graph) : graph_(graph) {}

  ValueId op(const std::string& name, std::vector<ValueId> inputs, Attrs attrs = {}) {
    Node node{.op = name, .inputs = std::move(inputs), .attrs = std::move(attrs)};
    return graph_[append(graph_, std::move(node), {graph_.unused_name("loss." + name)})].outputs[0];
  }
  ValueId constant(float value) {
    return graph_.add_constant(graph_.unused_name("loss.constant"), Tensor::scalar(value));
  }
  ValueId mean(ValueId value) { return op("ReduceMean", {value}, {{"keepdims", int64_t{0}}}); }
  ValueId square(ValueId value) { return op("Mul", {value, value}); }

 private:
  Graph& graph_;
};

// mean(-(t ln p + (1 - t) ln(1 - p))), the logarithms not below -100, as PyTorch's BCELoss.
ValueId binary_cross_entropy(LossBuilder& b, ValueId p, ValueId t) {
  const ValueId one = b.constant(1);
  const ValueId floor = b.constant(-100);
  const ValueId log_p = b.op("Max", {b.op("Log", {p}), floor});
  const ValueId log_q = b.op("Max", {b.op("Log", {b.op("Sub", {one, p})}), floor});
  const ValueId hit = b.op("Mul", {t, log_p});
  const ValueId miss = b.op("Mul", {b.op("Sub", {one, t}), log_q});
  return b.mean(b.op("Neg", {b.op("Add", {hit, miss})}));
}

// mean(max(x, 0) - x t + ln(1 + exp(-|x|))): stable for every logit.
ValueId binary_cross_entropy_with_logits(LossBuilder& b, ValueId x, ValueId t) {
  const ValueId linear = b.op("Sub", {b.op("Relu", {x}), b.op("Mul", {x, t})});
  return b.mean(b.op("Add", {linear, b.op("Softplus", {b.op("Neg", {b.op("Abs", {x})})})}));
}

// mean(m (|e| - m / 2)) with m = min(|e|, 1): e^2 / 2 inside [-1, 1], |e| - 1/2 outside.
ValueId huber(LossBuilder& b, ValueId scores, ValueId labels) {
  const ValueId error = b.op("Abs", {b.op("Sub", {scores, labels})});
  const ValueId inner = b.op("Min", {error, b.constant(1)});
  const ValueId half = b.op("Mul", {inner, b.constant(0.5f)});
  return b.mean(b.op("Mul", {inner, b.op("Sub", {error, half})}));
}

using BuildLoss = ValueId (*)(LossBuilder&, ValueId scores, ValueId labels);
struct LossRule {
  std::string name;
  bool class_labels = false;
  BuildLoss build;
};

const std::vector<LossRule>& rules() {
  static const std::vector<LossRule> list = {
      {"cross-entropy", true,
       [](LossBuilder& b, ValueId s, ValueId t) { return b.op("SoftmaxCrossEntropyLoss", {s, t}); }},
      {"nll", true, [](LossBuilder& b, ValueId s, ValueId t) { return b.op("NegativeLogLikelihoodLoss", {s, t}); }},
      {"bce-with-logits", false, binary_cross_entropy_with_logits},
      {"bce", false, binary_cross_entropy},
      {"mse", false, [](LossBuilder& b, ValueId s, ValueId t) { return b.mean(b.square(b.op("Sub", {s, t}))); }},
      {"l1", false, [](LossBuilder& b, ValueId s, ValueId t) { return b.mean(b.op("Abs", {b.op("Sub", {s, t})})); }},
      {"huber", false, huber},
  };
  return list;
}

bool is_scalar_float(const Type& type) { return is_float(type.dtype) && type.elements() == 1 && type.rank() == 0; }

ValueId first_float_output(const Graph& graph) {
  for (const ValueId output : graph.outputs)
    if (is_float(graph.type_of(output).dtype)) return output;
  throw Error("the model has no float output that a loss could be computed from");
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
  return {node.inputs[0], node.inputs[1]};
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

LossInputs attach_loss(Graph& graph, const std::string& name) {
  if (name.starts_with("output:")) return use_output(graph, name.substr(7));
  const auto rule = std::ranges::find(rules(), name, &LossRule::name);
  if (rule == rules().end()) {
    throw Error("unknown loss '", name, "'; it is one of ", join(loss_names(), " or "), " or output:NAME.",
                suggestion(name, loss_names()));
  }
  ValueId scores = first_float_output(graph);
  if (name == "cross-entropy") scores = logits_of(graph, scores);
  const Type type = label_type(graph.type_of(scores), rule->class_labels);
  const ValueId labels = graph.add_input(graph.unused_name("labels"), type);
  LossBuilder builder(graph);
  graph.loss = rule->build(builder, scores, labels);
  graph.rename(graph.loss, graph.unused_name("loss"));
  show(graph, scores);
  return {scores, labels};
}

}  // namespace marvin
