// Exponential linear units: x where it is not negative, an exponential that levels off below.
#include "runtime/kernels/vector_math.h"
#include "runtime/ops/elementwise.h"

namespace marvin {
namespace {

struct ExponentialLinear {
  explicit ExponentialLinear(const Attrs& attrs) : alpha(attrs.real("alpha")) {}
  template <class T>
  T operator()(T x) const {
    const T below = vector_expm1(x < 0 ? x : T{0});
    return x < 0 ? static_cast<T>(alpha) * below : x;
  }
  float alpha;
};

struct ContinuousExponentialLinear : ExponentialLinear {
  using ExponentialLinear::ExponentialLinear;
  template <class T>
  T operator()(T x) const {
    const T below = vector_expm1(x < 0 ? x / static_cast<T>(alpha) : T{0});
    return x < 0 ? static_cast<T>(alpha) * below : x;
  }
};

struct ScaledExponentialLinear : ExponentialLinear {
  explicit ScaledExponentialLinear(const Attrs& attrs) : ExponentialLinear(attrs), gamma(attrs.real("gamma")) {}
  template <class T>
  T operator()(T x) const {
    return static_cast<T>(gamma) * ExponentialLinear::operator()(x);
  }
  float gamma;
};

// dy * above where x > 0, else dy (y + offset) * below: the slope of every exponential is its distance from its limit.
std::vector<ValueId> exponential_gradient(GradContext& c, double above, double offset, double below) {
  const auto scaled = [&](ValueId value, double factor) { return factor == 1 ? value : mul(c, value, factor); };
  const ValueId positive = compare(c, "Greater", c.in(0), 0);
  const ValueId slope = scaled(add(c, c.out(0), offset), below);
  return {c.build("Where", {positive, scaled(c.grad(), above), mul(c, c.grad(), slope)})};
}

}  // namespace

extern const OpDef kElu = {
    .name = "Elu",
    .doc = "y = x where x >= 0, else alpha (e^x - 1)",
    .defaults = {{"alpha", 1.0f}},
    .infer = same_float_type,
    .gradient = [](GradContext& c) { return exponential_gradient(c, 1, c.attrs().real("alpha"), 1); },
    .kernels = {{.name = "elu", .run = run_float<ExponentialLinear>}},
    .in_place = true,
};

extern const OpDef kCelu = {
    .name = "Celu",
    .doc = "y = x where x >= 0, else alpha (e^(x / alpha) - 1)",
    .defaults = {{"alpha", 1.0f}},
    .infer = [](const InferContext& context) -> std::vector<Type> {
      if (context.attrs.real("alpha") == 0) throw Error("alpha must not be 0");
      return same_float_type(context);
    },
    .gradient =
        [](GradContext& c) {
          const double alpha = c.attrs().real("alpha");
          return exponential_gradient(c, 1, alpha, 1 / alpha);
        },
    .kernels = {{.name = "celu", .run = run_float<ContinuousExponentialLinear>}},
    .in_place = true,
};

extern const OpDef kSelu = {
    .name = "Selu",
    .doc = "y = gamma x where x >= 0, else gamma alpha (e^x - 1)",
    .defaults = {{"alpha", 1.67326319217681884765625f}, {"gamma", 1.05070102214813232421875f}},
    .infer = same_float_type,
    .gradient =
        [](GradContext& c) {
          const double alpha = c.attrs().real("alpha"), gamma = c.attrs().real("gamma");
          return exponential_gradient(c, gamma, gamma * alpha, 1);
        },
    .kernels = {{.name = "selu", .run = run_float<ScaledExponentialLinear>}},
    .in_place = true,
};

}  // namespace marvin
