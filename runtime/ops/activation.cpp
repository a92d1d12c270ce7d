// Activation functions of ONNX and their gradients.
#include <cmath>
#include <limits>

#include "runtime/kernels/vector_math.h"
#include "runtime/ops/elementwise.h"

namespace marvin {
namespace {

struct LogisticSigmoid {
  template <class T>
  T operator()(T x) const {
    return T{1} / (T{1} + vector_exp(-x));
  }
};

// Not max(x, 0): NaN stays.
struct Rectified {
  template <class T>
  T operator()(T x) const {
    return x < 0 ? T{0} : x;
  }
};

struct Leaky {
  explicit Leaky(const Attrs& attrs) : alpha(attrs.real("alpha")) {}
  template <class T>
  T operator()(T x) const {
    return x < 0 ? static_cast<T>(alpha) * x : x;
  }
  float alpha;
};

// ln(exp(x) + 1) without overflow.
struct SoftRectified {
  template <class T>
  T operator()(T x) const {
    return (x > 0 ? x : T{0}) + vector_log1p(vector_exp(-std::abs(x)));
  }
};

struct SoftSignum {
  template <class T>
  T operator()(T x) const {
    return x / (T{1} + std::abs(x));
  }
};

struct Thresholded {
  explicit Thresholded(const Attrs& attrs) : alpha(attrs.real("alpha")) {}
  template <class T>
  T operator()(T x) const {
    return x <= alpha ? T{0} : x;
  }
  float alpha;
};

// In double for integers, whose values a float may not hold.
struct Shrunk {
  explicit Shrunk(const Attrs& attrs) : lambd(attrs.real("lambd")), bias(attrs.real("bias")) {}
  template <class T>
  T operator()(T x) const {
    using Wide = std::conditional_t<std::is_same_v<T, float>, float, double>;
    const Wide wide = static_cast<Wide>(x), shift = static_cast<Wide>(bias);
    const Wide shrunk = wide < -lambd ? wide + shift : wide > lambd ? wide - shift : wide != wide ? wide : Wide{0};
    return static_cast<T>(shrunk);
  }
  float lambd, bias;
};

template <class T>
T clamped(T x, T low, T high) {
  const T above = x < low ? low : x;
  return above > high ? high : above;
}

struct PiecewiseSigmoid {
  explicit PiecewiseSigmoid(const Attrs& attrs) : alpha(attrs.real("alpha")), beta(attrs.real("beta")) {}
  template <class T>
  T operator()(T x) const {
    return clamped(static_cast<T>(alpha) * x + static_cast<T>(beta), T{0}, T{1});
  }
  float alpha, beta;
};

struct HardSwishOf {
  template <class T>
  T operator()(T x) const {
    return x * clamped(x / T{6} + T{0.5}, T{0}, T{1});
  }
};

struct HardSwishSlope {
  template <class T>
  T operator()(T dy, T x) const {
    return x <= -3 ? T{0} : x >= 3 ? dy : dy * (x / T{3} + T{0.5});
  }
};

struct RectifiedSlope {
  template <class T>
  T operator()(T dy, T y) const {
    return y > 0 ? dy : T{0};
  }
};

// ---- Clip -----------------------------------------------------------------------------------------------------------

std::vector<Type> infer_clip(const InferContext& context) {
  require_numeric(context, 0);
  for (const size_t i : {1, 2}) {
    if (!context.has(i)) continue;
    require_same_dtype(context, 0, i);
    if (context.type(i).elements() != 1)
      throw Error("the bound ", i, " must be a scalar, not ", text_of(context.type(i)));
  }
  return {context.type(0)};
}

// The bounds, those left out beyond every number.
template <class T>
struct Bounds {
  explicit Bounds(const T* min, const T* max) {
    using Limits = std::numeric_limits<T>;
    low = min ? *min : Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
    high = max ? *max : Limits::has_infinity ? Limits::infinity() : Limits::max();
  }
  T low, high;
};

void run_clip(const KernelArgs& args) {
  visit_numeric(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    const Bounds<T> bounds(args.input<T>(1), args.input<T>(2));
    map([bounds](T x) { return clamped(x, bounds.low, bounds.high); }, args.input<T>(0), args.output<T>(),
        args.out_type().elements());
  });
}

void run_clip_gradient(const KernelArgs& args) {
  visit_float(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    const Bounds<T> bounds(args.input<T>(2), args.input<T>(3));
    map([bounds](T dy, T x) { return x >= bounds.low && x <= bounds.high ? dy : T{0}; }, args.input<T>(0),
        args.input<T>(1), args.output<T>(), args.out_type().elements());
  });
}

// ---- PRelu ----------------------------------------------------------------------------------------------------------

std::vector<Type> infer_prelu(const InferContext& context) {
  require_numeric(context, 0);
  require_same_dtype(context, 0, 1);
  if (broadcast(context.shape(0), context.shape(1)) != context.shape(0)) {
    throw Error("the slope ", text_of(context.type(1)), " does not broadcast to ", text_of(context.type(0)));
  }
  return {context.type(0)};
}

void run_prelu(const KernelArgs& args) {
  visit_numeric(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    map_broadcast([](T x, T slope) { return x < 0 ? static_cast<T>(slope * x) : x; }, args.input<T>(0),
                  args.input<T>(1), args.output<T>(), broadcast_loop(args));
  });
}

std::vector<ValueId> prelu_gradient(GradContext& c) {
  const ValueId x = c.in(0), slope = c.in(1), positive = compare(c, "Greater", x, 0);
  std::vector<ValueId> gradients(2);
  if (c.wants(0)) gradients[0] = c.build("Where", {positive, c.grad(), mul(c, c.grad(), slope)});
  if (c.wants(1)) {
    const ValueId masked = c.build("Where", {positive, c.scalar_like(x, 0), mul(c, c.grad(), x)});
    gradients[1] = c.sum_to(masked, c.shape(slope));
  }
  return gradients;
}

}  // namespace

extern const OpDef kRelu = {
    .name = "Relu",
    .doc = "y = max(x, 0)",
    .infer = same_numeric_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      return {c.build("ReluGrad", {c.grad(), c.out(0)})};
    },
    .kernels = {{.name = "relu", .run = run_numeric<Rectified>}},
    .layouts = LayoutRule::same,
    .in_place = true,
};

extern const OpDef kReluGrad = {
    .name = "ReluGrad",
    .doc = "dx = dy where y > 0, else 0; y is Relu's output",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer_float_gradient,
    .kernels = {{.name = "relu_grad", .run = run_float_gradient<RectifiedSlope>}},
    .layouts = LayoutRule::same,
    .in_place = true,
};

extern const OpDef kLeakyRelu = {
    .name = "LeakyRelu",
    .doc = "y = x where x >= 0, else alpha x",
    .defaults = {{"alpha", 0.01f}},
    .infer = same_float_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      const ValueId positive = compare(c, "Greater", c.in(0), 0);
      return {c.build("Where", {positive, c.grad(), mul(c, c.grad(), c.attrs().real("alpha"))})};
    },
    .kernels = {{.name = "leaky_relu", .run = run_float<Leaky>}},
    .layouts = LayoutRule::same,
    .in_place = true,
};

extern const OpDef kPRelu = {
    .name = "PRelu",
    .doc = "y = x where x >= 0, else slope x; the slope broadcasts to x",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer_prelu,
    .gradient = prelu_gradient,
    .kernels = {{.name = "prelu", .run = run_prelu}},
    .in_place = true,
};

extern const OpDef kSigmoid = {
    .name = "Sigmoid",
    .doc = "y = 1 / (1 + e^-x)",
    .infer = same_float_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      const ValueId rest = c.build("Sub", {c.scalar_like(c.out(0), 1), c.out(0)});
      return {mul(c, c.grad(), mul(c, c.out(0), rest))};
    },
    .kernels = {{.name = "sigmoid", .run = run_float<LogisticSigmoid>}},
    .layouts = LayoutRule::same,
    .in_place = true,
};

extern const OpDef kTanh = {
    .name = "Tanh",
    .doc = "y = the hyperbolic tangent of x",
    .infer = same_float_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      const ValueId square = mul(c, c.out(0), c.out(0));
      return {mul(c, c.grad(), c.build("Sub", {c.scalar_like(square, 1), square}))};
    },
    .kernels = {{.name = "tanh", .run = run_float<decltype([](auto x) { return vector_tanh(x); })>}},
    .layouts = LayoutRule::same,
    .in_place = true,
};

extern const OpDef kSoftplus = {
    .name = "Softplus",
    .doc = "y = ln(e^x + 1)",
    .infer = same_float_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      return {mul(c, c.grad(), c.build("Sigmoid", {c.in(0)}))};
    },
    .kernels = {{.name = "softplus", .run = run_float<SoftRectified>}},
    .layouts = LayoutRule::same,
    .in_place = true,
};

extern const OpDef kSoftsign = {
    .name = "Softsign",
    .doc = "y = x / (1 + |x|)",
    .infer = same_float_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      const ValueId scale = add(c, c.build("Abs", {c.in(0)}), 1);
      return {c.build("Div", {c.grad(), mul(c, scale, scale)})};
    },
    .kernels = {{.name = "softsign", .run = run_float<SoftSignum>}},
    .layouts = LayoutRule::same,
    .in_place = true,
};

extern const OpDef kThresholdedRelu = {
    .name = "ThresholdedRelu",
    .doc = "y = x where x > alpha, else 0",
    .defaults = {{"alpha", 1.0f}},
    .infer = same_float_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      const ValueId passes = compare(c, "Greater", c.in(0), c.attrs().real("alpha"));
      return {c.build("Where", {passes, c.grad(), c.scalar_like(c.grad(), 0)})};
    },
    .kernels = {{.name = "thresholded_relu", .run = run_float<Thresholded>}},
    .in_place = true,
};

extern const OpDef kShrink = {
    .name = "Shrink",
    .doc = "y = x + bias where x < -lambd, x - bias where x > lambd, else 0",
    .defaults = {{"lambd", 0.5f}, {"bias", 0.0f}},
    .infer = same_numeric_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      const ValueId passes = compare(c, "Greater", c.build("Abs", {c.in(0)}), c.attrs().real("lambd"));
      return {c.build("Where", {passes, c.grad(), c.scalar_like(c.grad(), 0)})};
    },
    .kernels = {{.name = "shrink", .run = run_numeric<Shrunk>}},
    .in_place = true,
};

extern const OpDef kHardSigmoid = {
    .name = "HardSigmoid",
    .doc = "y = max(0, min(1, alpha x + beta))",
    .defaults = {{"alpha", 0.2f}, {"beta", 0.5f}},
    .infer = same_float_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      const ValueId inside = c.build("And", {compare(c, "Greater", c.out(0), 0), compare(c, "Less", c.out(0), 1)});
      const ValueId scaled = mul(c, c.grad(), c.attrs().real("alpha"));
      return {c.build("Where", {inside, scaled, c.scalar_like(scaled, 0)})};
    },
    .kernels = {{.name = "hard_sigmoid", .run = run_float<PiecewiseSigmoid>}},
    .layouts = LayoutRule::same,
    .in_place = true,
};

extern const OpDef kHardSwish = {
    .name = "HardSwish",
    .doc = "y = x max(0, min(1, x / 6 + 1/2))",
    .infer = same_float_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      return {c.build("HardSwishGrad", {c.grad(), c.in(0)})};
    },
    .kernels = {{.name = "hard_swish", .run = run_float<HardSwishOf>}},
    .layouts = LayoutRule::same,
    .in_place = true,
};

extern const OpDef kHardSwishGrad = {
    .name = "HardSwishGrad",
    .doc = "dx = 0 where x <= -3, dy where x >= 3, else dy (x / 3 + 1/2); x is HardSwish's operand",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer_float_gradient,
    .kernels = {{.name = "hard_swish_grad", .run = run_float_gradient<HardSwishSlope>}},
    .layouts = LayoutRule::same,
    .in_place = true,
};

extern const OpDef kClip = {
    .name = "Clip",
    .doc = "y = min(max(x, min), max); the scalars min and max may be left out",
    .min_inputs = 1,
    .max_inputs = 3,
    .infer = infer_clip,
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      return {c.build("ClipGrad", {c.grad(), c.in(0), c.in(1), c.in(2)})};
    },
    .kernels = {{.name = "clip", .run = run_clip}},
    .layouts = LayoutRule::same,
    .in_place = true,
};

extern const OpDef kClipGrad = {
    .name = "ClipGrad",
    .doc = "dx = dy where min <= x <= max, else 0: operands dy, x and Clip's bounds",
    .min_inputs = 2,
    .max_inputs = 4,
    .infer = infer_float_gradient,
    .kernels = {{.name = "clip_grad", .run = run_clip_gradient}},
    .layouts = LayoutRule::same,
    .in_place = true,
};

}  // namespace marvin
