// Trigonometric and hyperbolic functions and their inverses, element by element.
#include <cmath>

#include "runtime/ops/elementwise.h"

namespace marvin {
namespace {

template <class F>
OpDef function(std::string_view name, std::string_view doc, std::string_view kernel,
               std::vector<ValueId> (*gradient)(GradContext&)) {
  return {
      .name = name,
      .doc = doc,
      .infer = same_float_type,
      .gradient = gradient,
      .kernels = {{.name = kernel, .run = run_float<F>}},
      .in_place = true,
  };
}

// factor * x^2 + offset
ValueId square_plus(GradContext& c, ValueId x, double factor, double offset) {
  const ValueId square = mul(c, x, x);
  return add(c, factor == 1 ? square : mul(c, square, factor), offset);
}

// dy / sqrt(factor * x^2 + offset)
ValueId over_root(GradContext& c, double factor, double offset) {
  return c.build("Div", {c.grad(), c.build("Sqrt", {square_plus(c, c.in(0), factor, offset)})});
}

}  // namespace

extern const OpDef kSin = function<decltype([](auto x) { return std::sin(x); })>(
    "Sin", "y = the sine of x in radians", "sin",
    [](GradContext& c) -> std::vector<ValueId> { return {mul(c, c.grad(), c.build("Cos", {c.in(0)}))}; });

extern const OpDef kCos = function<decltype([](auto x) { return std::cos(x); })>(
    "Cos", "y = the cosine of x in radians", "cos", [](GradContext& c) -> std::vector<ValueId> {
      return {c.build("Neg", {mul(c, c.grad(), c.build("Sin", {c.in(0)}))})};
    });

extern const OpDef kTan = function<decltype([](auto x) { return std::tan(x); })>(
    "Tan", "y = the tangent of x in radians", "tan",
    [](GradContext& c) -> std::vector<ValueId> { return {mul(c, c.grad(), square_plus(c, c.out(0), 1, 1))}; });

extern const OpDef kAsin = function<decltype([](auto x) { return std::asin(x); })>(
    "Asin", "y = the angle in [-pi/2, pi/2] whose sine is x", "asin",
    [](GradContext& c) -> std::vector<ValueId> { return {over_root(c, -1, 1)}; });

extern const OpDef kAcos = function<decltype([](auto x) { return std::acos(x); })>(
    "Acos", "y = the angle in [0, pi] whose cosine is x", "acos",
    [](GradContext& c) -> std::vector<ValueId> { return {c.build("Neg", {over_root(c, -1, 1)})}; });

extern const OpDef kAtan = function<decltype([](auto x) { return std::atan(x); })>(
    "Atan", "y = the angle in [-pi/2, pi/2] whose tangent is x", "atan", [](GradContext& c) -> std::vector<ValueId> {
      return {c.build("Div", {c.grad(), square_plus(c, c.in(0), 1, 1)})};
    });

extern const OpDef kSinh = function<decltype([](auto x) { return std::sinh(x); })>(
    "Sinh", "y = (e^x - e^-x) / 2", "sinh",
    [](GradContext& c) -> std::vector<ValueId> { return {mul(c, c.grad(), c.build("Cosh", {c.in(0)}))}; });

extern const OpDef kCosh = function<decltype([](auto x) { return std::cosh(x); })>(
    "Cosh", "y = (e^x + e^-x) / 2", "cosh",
    [](GradContext& c) -> std::vector<ValueId> { return {mul(c, c.grad(), c.build("Sinh", {c.in(0)}))}; });

extern const OpDef kAsinh = function<decltype([](auto x) { return std::asinh(x); })>(
    "Asinh", "y = the number whose hyperbolic sine is x", "asinh",
    [](GradContext& c) -> std::vector<ValueId> { return {over_root(c, 1, 1)}; });

extern const OpDef kAcosh = function<decltype([](auto x) { return std::acosh(x); })>(
    "Acosh", "y = the number that is not negative whose hyperbolic cosine is x", "acosh",
    [](GradContext& c) -> std::vector<ValueId> { return {over_root(c, 1, -1)}; });

extern const OpDef kAtanh = function<decltype([](auto x) { return std::atanh(x); })>(
    "Atanh", "y = the number whose hyperbolic tangent is x", "atanh", [](GradContext& c) -> std::vector<ValueId> {
      return {c.build("Div", {c.grad(), square_plus(c, c.in(0), -1, 1)})};
    });

}  // namespace marvin
