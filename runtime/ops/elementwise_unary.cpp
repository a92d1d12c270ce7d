// Ops that work element by element on one operand: y[i] = f(x[i]). Activations are in activation.cpp.
#include <cmath>

#include "runtime/kernels/vector_math.h"
#include "runtime/ops/elementwise.h"

namespace marvin {
namespace {

struct Absolute {
  template <class T>
  T operator()(T x) const {
    if constexpr (std::is_integral_v<T>)
      return x < 0 ? static_cast<T>(0 - static_cast<uint64_t>(x)) : x;
    else
      return std::abs(x);
  }
};

struct Negative {
  template <class T>
  T operator()(T x) const {
    return static_cast<T>(-x);
  }
};

struct Signum {
  template <class T>
  T operator()(T x) const {
    return x > 0 ? T{1} : x < 0 ? static_cast<T>(-1) : x;  // x: 0, or NaN
  }
};

}  // namespace

// ---- Arithmetic -----------------------------------------------------------------------------------------------------

extern const OpDef kAbs = {
    .name = "Abs",
    .doc = "y = |x|; the gradient at 0 is 0",
    .infer = same_numeric_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> { return {mul(c, c.grad(), c.build("Sign", {c.in(0)}))}; },
    .kernels = {{.name = "abs", .run = run_numeric<Absolute>}},
    .layouts = LayoutRule::same,
    .in_place = true,
};

extern const OpDef kNeg = {
    .name = "Neg",
    .doc = "y = -x",
    .infer = same_numeric_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> { return {c.build("Neg", {c.grad()})}; },
    .kernels = {{.name = "neg", .run = run_modular<Negative>}},
    .layouts = LayoutRule::same,
    .in_place = true,
};

extern const OpDef kSign = {
    .name = "Sign",
    .doc = "y = 1, 0 or -1 as x is above, at or below 0",
    .infer = same_numeric_type,
    .gradient = no_gradient,
    .kernels = {{.name = "sign", .run = run_numeric<Signum>}},
    .in_place = true,
};

extern const OpDef kReciprocal = {
    .name = "Reciprocal",
    .doc = "y = 1 / x",
    .infer = same_float_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      return {c.build("Neg", {mul(c, mul(c, c.grad(), c.out(0)), c.out(0))})};
    },
    .kernels = {{.name = "reciprocal", .run = run_float<decltype([](auto x) { return decltype(x){1} / x; })>}},
    .layouts = LayoutRule::same,
    .in_place = true,
};

extern const OpDef kSqrt = {
    .name = "Sqrt",
    .doc = "y = the square root of x",
    .infer = same_float_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      return {c.build("Div", {c.grad(), mul(c, c.out(0), 2)})};
    },
    .kernels = {{.name = "sqrt", .run = run_float<decltype([](auto x) { return std::sqrt(x); })>}},
    .layouts = LayoutRule::same,
    .in_place = true,
};

extern const OpDef kExp = {
    .name = "Exp",
    .doc = "y = e^x",
    .infer = same_float_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> { return {mul(c, c.grad(), c.out(0))}; },
    .kernels = {{.name = "exp", .run = run_float<decltype([](auto x) { return vector_exp(x); })>}},
    .layouts = LayoutRule::same,
    .in_place = true,
};

extern const OpDef kLog = {
    .name = "Log",
    .doc = "y = the natural logarithm of x",
    .infer = same_float_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      return {c.build("Div", {c.grad(), c.in(0)})};
    },
    .kernels = {{.name = "log", .run = run_float<decltype([](auto x) { return vector_log(x); })>}},
    .layouts = LayoutRule::same,
    .in_place = true,
};

extern const OpDef kErf = {
    .name = "Erf",
    .doc = "y = the Gauss error function of x",
    .infer = same_float_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      const ValueId bell = c.build("Exp", {c.build("Neg", {mul(c, c.in(0), c.in(0))})});
      return {mul(c, c.grad(), mul(c, bell, 2 / std::sqrt(std::acos(-1.0))))};
    },
    .kernels = {{.name = "erf", .run = run_float<decltype([](auto x) { return vector_erf(x); })>}},
    .layouts = LayoutRule::same,
    .in_place = true,
};

// ---- Rounding and logic ---------------------------------------------------------------------------------------------

extern const OpDef kFloor = {
    .name = "Floor",
    .doc = "y = the greatest integer that is not above x; no gradient passes",
    .infer = same_float_type,
    .gradient = no_gradient,
    .kernels = {{.name = "floor", .run = run_float<decltype([](auto x) { return std::floor(x); })>}},
    .in_place = true,
};

extern const OpDef kCeil = {
    .name = "Ceil",
    .doc = "y = the least integer that is not below x; no gradient passes",
    .infer = same_float_type,
    .gradient = no_gradient,
    .kernels = {{.name = "ceil", .run = run_float<decltype([](auto x) { return std::ceil(x); })>}},
    .in_place = true,
};

extern const OpDef kRound = {
    .name = "Round",
    .doc = "y = the integer nearest to x, of two the even one; no gradient passes",
    .infer = same_float_type,
    .gradient = no_gradient,
    .kernels = {{.name = "round", .run = run_float<decltype([](auto x) { return std::nearbyint(x); })>}},
    .in_place = true,
};

extern const OpDef kNot = {
    .name = "Not",
    .doc = "y = not x, for bools",
    .infer = same_bool_type,
    .gradient = no_gradient,
    .kernels = {{.name = "not",
                 .run =
                     [](const KernelArgs& args) {
                       map([](bool x) { return !x; }, args.input<bool>(0), args.output<bool>(),
                           args.out_type().elements());
                     }}},
    .in_place = true,
};

}  // namespace marvin
