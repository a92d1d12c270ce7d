// Ops that work element by element on one operand: y[i] = f(x[i]).
#include <cmath>
#include <limits>

#include "runtime/kernels/parallel.h"
#include "runtime/ops/list.h"
#include "runtime/ops/types.h"

namespace marvin {
namespace {

constexpr int64_t kBlock = 1 << 13;

// ivdep: y may be x, but never a shifted part of it.
template <class F, class T, class R>
MARVIN_CLONES void map_run(F f, const T* x, R* y, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) y[i] = f(x[i]);
}

template <class F, class T>
MARVIN_CLONES void map_run(F f, const T* dy, const T* x, T* dx, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) dx[i] = f(dy[i], x[i]);
}

template <class F, class T, class R>
void map_all(F f, const T* x, R* y, int64_t count) {
  parallel_blocks(count, kBlock, [&](int64_t begin, int64_t end) { map_run(f, x + begin, y + begin, end - begin); });
}

template <class F, class T>
void map_all(F f, const T* dy, const T* x, T* dx, int64_t count) {
  parallel_blocks(count, kBlock, [&](int64_t begin, int64_t end) {
    map_run(f, dy + begin, x + begin, dx + begin, end - begin);
  });
}

// F is made from the attributes where it has parameters, and takes and returns any number.
template <class F>
F functor(const Attrs& attrs) {
  if constexpr (std::is_constructible_v<F, const Attrs&>) return F(attrs);
  else return F();
}

template <class F>
void run_numeric(const KernelArgs& args) {
  visit_numeric(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    map_all(functor<F>(args.attrs()), args.input<T>(0), args.output<T>(), args.out_type().elements());
  });
}

template <class F>
void run_float(const KernelArgs& args) {
  visit_float(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    map_all(functor<F>(args.attrs()), args.input<T>(0), args.output<T>(), args.out_type().elements());
  });
}

// dx = f(dy, x) or f(dy, y): operands of one shape.
template <class F>
void run_float_gradient(const KernelArgs& args) {
  visit_float(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    map_all(F{}, args.input<T>(0), args.input<T>(1), args.output<T>(), args.out_type().elements());
  });
}

std::vector<Type> infer_float_gradient(const InferContext& context) {
  require_float(context, 0);
  if (context.type(0) != context.type(1)) {
    throw Error("takes two operands of one type, not ", text_of(context.type(0)), " and ", text_of(context.type(1)));
  }
  return {context.type(0)};
}

// -- Short spellings for gradient rules.

ValueId add(GradContext& c, ValueId a, double b) { return c.build("Add", {a, c.scalar_like(a, b)}); }
ValueId mul(GradContext& c, ValueId a, double b) { return c.build("Mul", {a, c.scalar_like(a, b)}); }
ValueId mul(GradContext& c, ValueId a, ValueId b) { return c.build("Mul", {a, b}); }
ValueId compare(GradContext& c, std::string_view op, ValueId a, double b) {
  return c.build(op, {a, c.scalar_like(a, b)});
}

// ---- Functions ------------------------------------------------------------------------------------------------------

struct Absolute {
  template <class T>
  T operator()(T x) const {
    if constexpr (std::is_integral_v<T>) return x < 0 ? static_cast<T>(0 - static_cast<uint64_t>(x)) : x;
    else return std::abs(x);
  }
};

struct Negative {
  template <class T>
  T operator()(T x) const {
    if constexpr (std::is_integral_v<T>) return static_cast<T>(0 - static_cast<uint64_t>(x));
    else return -x;
  }
};

struct Signum {
  template <class T>
  T operator()(T x) const {
    return x > 0 ? T{1} : x < 0 ? static_cast<T>(-1) : x;  // x: 0, or NaN
  }
};

struct LogisticSigmoid {
  template <class T>
  T operator()(T x) const {
    return T{1} / (T{1} + std::exp(-x));
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

struct ExponentialLinear {
  explicit ExponentialLinear(const Attrs& attrs) : alpha(attrs.real("alpha")) {}
  template <class T>
  T operator()(T x) const {
    return x < 0 ? static_cast<T>(alpha) * std::expm1(x) : x;
  }
  float alpha;
};

// ln(exp(x) + 1) without overflow.
struct SoftRectified {
  template <class T>
  T operator()(T x) const {
    return (x > 0 ? x : T{0}) + std::log1p(std::exp(-std::abs(x)));
  }
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

// ---- Clip, Cast -----------------------------------------------------------------------------------------------------

std::vector<Type> infer_clip(const InferContext& context) {
  require_numeric(context, 0);
  for (const size_t i : {1, 2}) {
    if (!context.has(i)) continue;
    require_same_dtype(context, 0, i);
    if (context.type(i).elements() != 1) throw Error("the bound ", i, " must be a scalar, not ", text_of(context.type(i)));
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
    map_all([bounds](T x) { return clamped(x, bounds.low, bounds.high); }, args.input<T>(0), args.output<T>(),
            args.out_type().elements());
  });
}

void run_clip_gradient(const KernelArgs& args) {
  visit_float(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    const Bounds<T> bounds(args.input<T>(2), args.input<T>(3));
    map_all([bounds](T dy, T x) { return x >= bounds.low && x <= bounds.high ? dy : T{0}; }, args.input<T>(0),
            args.input<T>(1), args.output<T>(), args.out_type().elements());
  });
}

// Floats beyond an integer's range become the nearest integer of the range, NaN becomes 0.
template <class To, class From>
To converted(From x) {
  if constexpr (std::is_same_v<To, bool>) {
    return x != From{};
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    // Both limits are exact in double, or the upper one rounds up to the first number beyond.
    constexpr double kLow = static_cast<double>(std::numeric_limits<To>::lowest());
    constexpr double kHigh = static_cast<double>(std::numeric_limits<To>::max());
    const double wide = static_cast<double>(x);
    if (wide <= kLow) return std::numeric_limits<To>::lowest();
    if (wide >= kHigh) return std::numeric_limits<To>::max();
    return wide != wide ? To{0} : static_cast<To>(wide);
  } else {
    return static_cast<To>(x);
  }
}

void run_cast(const KernelArgs& args) {
  visit(args.in_type(0).dtype, [&](auto from) {
    visit(args.out_type().dtype, [&](auto to) {
      using From = decltype(from);
      using To = decltype(to);
      map_all([](From x) { return converted<To>(x); }, args.input<From>(0), args.output<To>(),
              args.out_type().elements());
    });
  });
}

}  // namespace

// ---- Arithmetic -----------------------------------------------------------------------------------------------------

const OpDef kAbs = {
    .name = "Abs",
    .doc = "y = |x|; the gradient at 0 is 0",
    .infer = same_numeric_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      return {mul(c, c.grad(), c.build("Sign", {c.in(0)}))};
    },
    .kernels = {{.name = "abs", .run = run_numeric<Absolute>}},
    .in_place = true,
};

const OpDef kNeg = {
    .name = "Neg",
    .doc = "y = -x",
    .infer = same_numeric_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> { return {c.build("Neg", {c.grad()})}; },
    .kernels = {{.name = "neg", .run = run_numeric<Negative>}},
    .in_place = true,
};

const OpDef kSign = {
    .name = "Sign",
    .doc = "y = 1, 0 or -1 as x is above, at or below 0",
    .infer = same_numeric_type,
    .gradient = no_gradient,
    .kernels = {{.name = "sign", .run = run_numeric<Signum>}},
    .in_place = true,
};

const OpDef kReciprocal = {
    .name = "Reciprocal",
    .doc = "y = 1 / x",
    .infer = same_float_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      return {c.build("Neg", {mul(c, mul(c, c.grad(), c.out(0)), c.out(0))})};
    },
    .kernels = {{.name = "reciprocal", .run = run_float<decltype([](auto x) { return decltype(x){1} / x; })>}},
    .in_place = true,
};

const OpDef kSqrt = {
    .name = "Sqrt",
    .doc = "y = the square root of x",
    .infer = same_float_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      return {c.build("Div", {c.grad(), mul(c, c.out(0), 2)})};
    },
    .kernels = {{.name = "sqrt", .run = run_float<decltype([](auto x) { return std::sqrt(x); })>}},
    .in_place = true,
};

const OpDef kExp = {
    .name = "Exp",
    .doc = "y = e^x",
    .infer = same_float_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> { return {mul(c, c.grad(), c.out(0))}; },
    .kernels = {{.name = "exp", .run = run_float<decltype([](auto x) { return std::exp(x); })>}},
    .in_place = true,
};

const OpDef kLog = {
    .name = "Log",
    .doc = "y = the natural logarithm of x",
    .infer = same_float_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> { return {c.build("Div", {c.grad(), c.in(0)})}; },
    .kernels = {{.name = "log", .run = run_float<decltype([](auto x) { return std::log(x); })>}},
    .in_place = true,
};

const OpDef kErf = {
    .name = "Erf",
    .doc = "y = the Gauss error function of x",
    .infer = same_float_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      const ValueId bell = c.build("Exp", {c.build("Neg", {mul(c, c.in(0), c.in(0))})});
      return {mul(c, c.grad(), mul(c, bell, 2 / std::sqrt(std::acos(-1.0))))};
    },
    .kernels = {{.name = "erf", .run = run_float<decltype([](auto x) { return std::erf(x); })>}},
    .in_place = true,
};

// ---- Rounding, logic, types -----------------------------------------------------------------------------------------

const OpDef kFloor = {
    .name = "Floor",
    .doc = "y = the greatest integer that is not above x; no gradient passes",
    .infer = same_float_type,
    .gradient = no_gradient,
    .kernels = {{.name = "floor", .run = run_float<decltype([](auto x) { return std::floor(x); })>}},
    .in_place = true,
};

const OpDef kCeil = {
    .name = "Ceil",
    .doc = "y = the least integer that is not below x; no gradient passes",
    .infer = same_float_type,
    .gradient = no_gradient,
    .kernels = {{.name = "ceil", .run = run_float<decltype([](auto x) { return std::ceil(x); })>}},
    .in_place = true,
};

const OpDef kRound = {
    .name = "Round",
    .doc = "y = the integer nearest to x, of two the even one; no gradient passes",
    .infer = same_float_type,
    .gradient = no_gradient,
    .kernels = {{.name = "round", .run = run_float<decltype([](auto x) { return std::nearbyint(x); })>}},
    .in_place = true,
};

const OpDef kNot = {
    .name = "Not",
    .doc = "y = not x, for bools",
    .infer = same_bool_type,
    .gradient = no_gradient,
    .kernels = {{.name = "not",
                 .run =
                     [](const KernelArgs& args) {
                       map_all([](bool x) { return !x; }, args.input<bool>(0), args.output<bool>(),
                               args.out_type().elements());
                     }}},
    .in_place = true,
};

const OpDef kCast = {
    .name = "Cast",
    .doc = "x as elements of the type `to` (a number of onnx.TensorProto.DataType). Floats are cut off towards zero, and "
           "saturate at the integers' range; NaN becomes 0. Integers keep their low bits",
    .defaults = {},
    .required = {"to"},
    .infer = [](const InferContext& context) -> std::vector<Type> {
      return {Type{dtype_of_onnx(context.attrs.integer("to")), context.shape(0)}};
    },
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      return {c.build("Cast", {c.grad()}, {{"to", onnx_number_of(c.type(c.in(0)).dtype)}})};
    },
    .kernels = {{.name = "cast", .run = run_cast}},
    .in_place = true,
};

// ---- Activations ----------------------------------------------------------------------------------------------------

const OpDef kRelu = {
    .name = "Relu",
    .doc = "y = max(x, 0)",
    .infer = same_numeric_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> { return {c.build("ReluGrad", {c.grad(), c.out(0)})}; },
    .kernels = {{.name = "relu", .run = run_numeric<Rectified>}},
    .in_place = true,
};

const OpDef kReluGrad = {
    .name = "ReluGrad",
    .doc = "dx = dy where y > 0, else 0; y is Relu's output",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer_float_gradient,
    .kernels = {{.name = "relu_grad", .run = run_float_gradient<RectifiedSlope>}},
    .in_place = true,
};

const OpDef kLeakyRelu = {
    .name = "LeakyRelu",
    .doc = "y = x where x >= 0, else alpha x",
    .defaults = {{"alpha", 0.01f}},
    .infer = same_float_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      const ValueId positive = compare(c, "Greater", c.in(0), 0);
      return {c.build("Where", {positive, c.grad(), mul(c, c.grad(), c.attrs().real("alpha"))})};
    },
    .kernels = {{.name = "leaky_relu", .run = run_float<Leaky>}},
    .in_place = true,
};

const OpDef kElu = {
    .name = "Elu",
    .doc = "y = x where x >= 0, else alpha (e^x - 1)",
    .defaults = {{"alpha", 1.0f}},
    .infer = same_float_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      const ValueId slope = add(c, c.out(0), c.attrs().real("alpha"));
      return {c.build("Where", {compare(c, "Greater", c.in(0), 0), c.grad(), mul(c, c.grad(), slope)})};
    },
    .kernels = {{.name = "elu", .run = run_float<ExponentialLinear>}},
    .in_place = true,
};

const OpDef kSigmoid = {
    .name = "Sigmoid",
    .doc = "y = 1 / (1 + e^-x)",
    .infer = same_float_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      const ValueId rest = c.build("Sub", {c.scalar_like(c.out(0), 1), c.out(0)});
      return {mul(c, c.grad(), mul(c, c.out(0), rest))};
    },
    .kernels = {{.name = "sigmoid", .run = run_float<LogisticSigmoid>}},
    .in_place = true,
};

const OpDef kTanh = {
    .name = "Tanh",
    .doc = "y = the hyperbolic tangent of x",
    .infer = same_float_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      const ValueId square = mul(c, c.out(0), c.out(0));
      return {mul(c, c.grad(), c.build("Sub", {c.scalar_like(square, 1), square}))};
    },
    .kernels = {{.name = "tanh", .run = run_float<decltype([](auto x) { return std::tanh(x); })>}},
    .in_place = true,
};

const OpDef kSoftplus = {
    .name = "Softplus",
    .doc = "y = ln(e^x + 1)",
    .infer = same_float_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      return {mul(c, c.grad(), c.build("Sigmoid", {c.in(0)}))};
    },
    .kernels = {{.name = "softplus", .run = run_float<SoftRectified>}},
    .in_place = true,
};

const OpDef kHardSigmoid = {
    .name = "HardSigmoid",
    .doc = "y = max(0, min(1, alpha x + beta))",
    .defaults = {{"alpha", 0.2f}, {"beta", 0.5f}},
    .infer = same_float_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      const ValueId inside =
          c.build("And", {compare(c, "Greater", c.out(0), 0), compare(c, "Less", c.out(0), 1)});
      const ValueId scaled = mul(c, c.grad(), c.attrs().real("alpha"));
      return {c.build("Where", {inside, scaled, c.scalar_like(scaled, 0)})};
    },
    .kernels = {{.name = "hard_sigmoid", .run = run_float<PiecewiseSigmoid>}},
    .in_place = true,
};

const OpDef kHardSwish = {
    .name = "HardSwish",
    .doc = "y = x max(0, min(1, x / 6 + 1/2))",
    .infer = same_float_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> { return {c.build("HardSwishGrad", {c.grad(), c.in(0)})}; },
    .kernels = {{.name = "hard_swish", .run = run_float<HardSwishOf>}},
    .in_place = true,
};

const OpDef kHardSwishGrad = {
    .name = "HardSwishGrad",
    .doc = "dx = 0 where x <= -3, dy where x >= 3, else dy (x / 3 + 1/2); x is HardSwish's operand",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer_float_gradient,
    .kernels = {{.name = "hard_swish_grad", .run = run_float_gradient<HardSwishSlope>}},
    .in_place = true,
};

const OpDef kClip = {
    .name = "Clip",
    .doc = "y = min(max(x, min), max); the scalars min and max may be left out",
    .min_inputs = 1,
    .max_inputs = 3,
    .infer = infer_clip,
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      return {c.build("ClipGrad", {c.grad(), c.in(0), c.in(1), c.in(2)})};
    },
    .kernels = {{.name = "clip", .run = run_clip}},
    .in_place = true,
};

const OpDef kClipGrad = {
    .name = "ClipGrad",
    .doc = "dx = dy where min <= x <= max, else 0: operands dy, x and Clip's bounds",
    .min_inputs = 2,
    .max_inputs = 4,
    .infer = infer_float_gradient,
    .kernels = {{.name = "clip_grad", .run = run_clip_gradient}},
    .in_place = true,
};

}  // namespace marvin
