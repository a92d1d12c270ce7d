// Classification losses: scores[n,c,d1,...] against labels[n,d1,...] of classes.
#include <limits>

#include "runtime/kernels/softmax.h"
#include "runtime/kernels/softmax_loss.h"
#include "runtime/kernels/vector_math.h"
#include "runtime/ops/elementwise.h"

namespace marvin {
namespace {

// ONNX has no default for ignore_index; this one is no label.
constexpr int64_t kIgnoreNothing = std::numeric_limits<int64_t>::min();

Reduction reduction_of(const Attrs& attrs) {
  const std::string& name = attrs.string("reduction");
  if (name == "none") return Reduction::none;
  if (name == "sum") return Reduction::sum;
  if (name == "mean") return Reduction::mean;
  throw Error("reduction is none, sum or mean, not ", name);
}

SoftmaxShape over_classes(const Shape& scores) {
  SoftmaxShape shape{.outer = scores[0], .axis = scores[1]};
  for (size_t i = 2; i < scores.size(); ++i) shape.inner *= scores[i];
  return shape;
}

// Checks the labels and the optional weights (operands `labels` and the one behind it) against the scores' type, and
// returns the loss's.
Type check_labels(const InferContext& context, const Type& scores, size_t labels) {
  if (!is_float(scores.dtype) || scores.rank() < 2) throw Error("takes float scores [n,c,...], not ", text_of(scores));
  Shape positions = scores.shape;
  positions.erase(positions.begin() + 1);
  const Type& type = context.type(labels);
  if ((type.dtype != DType::i64 && type.dtype != DType::i32) || type.shape != positions) {
    throw Error("the labels are ", text_of(type), ", not integers (i64 or i32) [", text_of(positions), "]");
  }
  const Type weights{scores.dtype, {scores.shape[1]}};
  if (context.has(labels + 1) && context.type(labels + 1) != weights) {
    throw Error("the weights are ", text_of(context.type(labels + 1)), ", not ", text_of(weights));
  }
  return {scores.dtype, reduction_of(context.attrs) == Reduction::none ? positions : Shape{}};
}

void check_loss_gradient(const InferContext& context, const Type& loss) {
  if (context.type(0) != loss)
    throw Error("the loss's gradient is ", text_of(context.type(0)), ", not ", text_of(loss));
}

// Labels are data: only now is it known whether they are in range.
template <class T>
void check_range(const LossArgs<T>& args) {
  for (int64_t i = 0; i < args.positions(); ++i) {
    const int64_t label = args.label(i);
    if (label == args.ignore_index || (label >= 0 && label < args.classes)) continue;
    throw Error("label ", i, " is ", label, ", out of the range of ", args.classes, " classes");
  }
}

template <class T>
LossArgs<T> loss_args(const KernelArgs& args, const Shape& scores, size_t labels) {
  const SoftmaxShape shape = over_classes(scores);
  const Attrs& attrs = args.attrs();
  const LossArgs<T> loss = {.n = shape.outer,
                            .classes = shape.axis,
                            .inner = shape.inner,
                            .reduction = reduction_of(attrs),
                            .ignore_index = attrs.integer("ignore_index"),
                            .labels = args.in[labels],
                            .wide_labels = args.in_type(labels).dtype == DType::i64,
                            .weights = args.input<T>(labels + 1),
                            .smoothing = attrs.has("label_smoothing") ? attrs.real("label_smoothing") : 0};
  check_range(loss);
  return loss;
}

Attrs loss_attrs(GradContext& context) {
  return {{"reduction", context.attrs().string("reduction")},
          {"ignore_index", context.attrs().integer("ignore_index")}};
}

// ---- SoftmaxCrossEntropyLoss ----------------------------------------------------------------------------------------

Attrs cross_entropy_attrs() {
  return {{"reduction", std::string("mean")}, {"ignore_index", kIgnoreNothing}, {"label_smoothing", 0.0f}};
}

void check_smoothing(const Attrs& attrs) {
  const float share = attrs.real("label_smoothing");
  if (!(share >= 0 && share <= 1)) throw Error("label_smoothing is in [0, 1], not ", share);
}

std::vector<ValueId> cross_entropy_gradient(GradContext& context) {
  ValueId dx;
  const ValueId log_prob = context.require_out(1);
  if (context.grad(0).valid()) {
    dx = context.build("SoftmaxCrossEntropyLossGrad", {context.grad(0), log_prob, context.in(1), context.in(2)},
                       context.attrs());
  }
  if (context.grad(1).valid()) {
    const ValueId other = context.build("LogSoftmaxGrad", {context.grad(1), log_prob}, {{"axis", int64_t{1}}});
    dx = dx.valid() ? context.build("Add", {dx, other}) : other;
  }
  return {dx};
}

template <class T>
void run_cross_entropy(const KernelArgs& args) {
  const Shape& scores = args.in_type(0).shape;
  T* log_prob = args.output<T>(1) ? args.output<T>(1) : reinterpret_cast<T*>(args.scratch);
  log_softmax(over_classes(scores), args.input<T>(0), log_prob);
  nll_loss(loss_args<T>(args, scores, 1), log_prob, args.output<T>(0));
}

// ---- BinaryCrossEntropy ---------------------------------------------------------------------------------------------

struct CrossEntropyOfTwo {
  template <class T>
  T operator()(T p, T t) const {
    constexpr T kLeast = -100;
    const T log_p = vector_log(p), log_rest = vector_log(T{1} - p);
    return -(t * (log_p < kLeast ? kLeast : log_p) + (T{1} - t) * (log_rest < kLeast ? kLeast : log_rest));
  }
};

std::vector<Type> infer_binary_cross_entropy(const InferContext& context) {
  require_float(context, 0);
  if (context.type(0) != context.type(1)) {
    throw Error("probabilities ", text_of(context.type(0)), " and labels ", text_of(context.type(1)), " differ");
  }
  return {context.type(0)};
}

// dy (p - t) / max(p (1 - p), 1e-12), as PyTorch.
std::vector<ValueId> binary_cross_entropy_gradient(GradContext& c) {
  const ValueId p = c.in(0), rest = c.build("Sub", {c.scalar_like(p, 1), p});
  const ValueId scale = c.build("Max", {mul(c, p, rest), c.scalar_like(p, 1e-12)});
  return {c.build("Div", {mul(c, c.grad(), c.build("Sub", {p, c.in(1)})), scale})};
}

}  // namespace

extern const OpDef kSoftmaxCrossEntropyLoss = {
    .name = "SoftmaxCrossEntropyLoss",
    .doc =
        "loss = -weights[label] * log_softmax(scores)[label] per position, or the sum of these, or the sum "
        "divided by that of the weights (reduction none, sum, mean); log_prob = log_softmax(scores) over axis 1. "
        "Labels equal to ignore_index count for nothing; weights, one per class, are constants to the gradient. "
        "label_smoothing, which ONNX has not, is the share of every label that is spread evenly over all classes",
    .min_inputs = 2,
    .max_inputs = 3,
    .max_outputs = 2,
    .defaults = cross_entropy_attrs(),
    .infer = [](const InferContext& context) -> std::vector<Type> {
      check_smoothing(context.attrs);
      return {check_labels(context, context.type(0), 1), context.type(0)};
    },
    .gradient = cross_entropy_gradient,
    .kernels = {{.name = "softmax_cross_entropy_loss",
                 .prepare = [](const KernelQuery& query) -> Prepared {
                   const bool wants_log_prob = query.out.size() > 1 && query.out[1];
                   return {nullptr, wants_log_prob ? 0 : query.in[0]->bytes()};
                 },
                 .run =
                     [](const KernelArgs& args) {
                       visit_float(args.in_type(0).dtype, [&](auto zero) { run_cross_entropy<decltype(zero)>(args); });
                     }}},
};

extern const OpDef kSoftmaxCrossEntropyLossGrad = {
    .name = "SoftmaxCrossEntropyLossGrad",
    .doc = "the gradient of SoftmaxCrossEntropyLoss by its scores, from dloss, log_prob, labels and weights",
    .min_inputs = 3,
    .max_inputs = 4,
    .defaults = cross_entropy_attrs(),
    .infer = [](const InferContext& context) -> std::vector<Type> {
      check_smoothing(context.attrs);
      check_loss_gradient(context, check_labels(context, context.type(1), 2));
      return {context.type(1)};
    },
    .kernels = {{.name = "softmax_cross_entropy_loss_grad",
                 .run =
                     [](const KernelArgs& args) {
                       visit_float(args.in_type(1).dtype, [&](auto zero) {
                         using T = decltype(zero);
                         cross_entropy_grad(loss_args<T>(args, args.in_type(1).shape, 2), args.input<T>(0),
                                            args.input<T>(1), args.output<T>());
                       });
                     }}},
    .in_place = true,
};

extern const OpDef kNegativeLogLikelihoodLoss = {
    .name = "NegativeLogLikelihoodLoss",
    .doc =
        "loss = -weight[target] * input[target] per position, or the sum of these, or the sum divided by that of "
        "the weights (reduction none, sum, mean); targets equal to ignore_index count for nothing, weights are "
        "constants to the gradient",
    .min_inputs = 2,
    .max_inputs = 3,
    .defaults = {{"reduction", std::string("mean")}, {"ignore_index", kIgnoreNothing}},
    .infer = [](const InferContext& context) -> std::vector<Type> {
      return {check_labels(context, context.type(0), 1)};
    },
    .gradient = [](GradContext& context) -> std::vector<ValueId> {
      Attrs attrs = loss_attrs(context);
      attrs.set("input_shape", context.shape(context.in(0)));
      return {context.build("NegativeLogLikelihoodLossGrad", {context.grad(), context.in(1), context.in(2)}, attrs)};
    },
    .kernels = {{.name = "negative_log_likelihood_loss",
                 .run =
                     [](const KernelArgs& args) {
                       visit_float(args.in_type(0).dtype, [&](auto zero) {
                         using T = decltype(zero);
                         nll_loss(loss_args<T>(args, args.in_type(0).shape, 1), args.input<T>(0), args.output<T>());
                       });
                     }}},
};

extern const OpDef kNegativeLogLikelihoodLossGrad = {
    .name = "NegativeLogLikelihoodLossGrad",
    .doc = "the gradient of NegativeLogLikelihoodLoss by its input, of input_shape, from dloss, target and weight",
    .min_inputs = 2,
    .max_inputs = 3,
    .defaults = {{"reduction", std::string("mean")}, {"ignore_index", kIgnoreNothing}},
    .required = {"input_shape"},
    .infer = [](const InferContext& context) -> std::vector<Type> {
      const Type input{context.type(0).dtype, context.attrs.integers("input_shape")};
      check_loss_gradient(context, check_labels(context, input, 1));
      return {input};
    },
    .kernels = {{.name = "negative_log_likelihood_loss_grad",
                 .run =
                     [](const KernelArgs& args) {
                       visit_float(args.in_type(0).dtype, [&](auto zero) {
                         using T = decltype(zero);
                         nll_loss_grad(loss_args<T>(args, args.out_type().shape, 1), args.input<T>(0),
                                       args.output<T>());
                       });
                     }}},
};

extern const OpDef kBinaryCrossEntropy = {
    .name = "BinaryCrossEntropy",
    .doc =
        "y = -(t ln p + (1 - t) ln(1 - p)) for probabilities p and labels t in [0, 1], where no logarithm is below "
        "-100; t is a constant to the gradient",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer_binary_cross_entropy,
    .gradient = binary_cross_entropy_gradient,
    .kernels = {{.name = "binary_cross_entropy",
                 .run =
                     [](const KernelArgs& args) {
                       visit_float(args.in_type(0).dtype, [&](auto zero) {
                         using T = decltype(zero);
                         map(CrossEntropyOfTwo{}, args.input<T>(0), args.input<T>(1), args.output<T>(),
                             args.out_type().elements());
                       });
                     }}},
    .in_place = true,
};

}  // namespace marvin
