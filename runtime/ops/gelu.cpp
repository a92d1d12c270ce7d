// Activations that multiply x by a smooth gate of x: Gelu, Mish and Swish.
#include <numbers>

#include "runtime/kernels/vector_math.h"
#include "runtime/ops/elementwise.h"

namespace marvin {
namespace {

// ---- Gelu -----------------------------------------------------------------------------------------------------------

struct Gelu {
  template <class T>
  T operator()(T x) const {
    return x * vector_normal(x).below;
  }
};

struct GeluSlope {
  template <class T>
  T operator()(T dy, T x) const {
    constexpr T kDensityAtZero = std::numbers::inv_sqrtpi_v<T> * (std::numbers::sqrt2_v<T> / 2);
    const VectorNormal<T> normal = vector_normal(x);
    return dy * (normal.below + x * kDensityAtZero * normal.bell);
  }
};

// (1 + tanh(u)) / 2 = 1 / (1 + e^(-2 u)) for u = sqrt(2 / pi) (x + 0.044715 x^3), and its slope: Hendrycks and Gimpel,
// "Gaussian Error Linear Units", 2016.
template <class T>
struct TanhGate {
  static constexpr T kTwice = 2 * std::numbers::inv_sqrtpi_v<T> * std::numbers::sqrt2_v<T>, kCubic = T(0.044715);
  explicit TanhGate(T x) : value(T{1} / (T{1} + vector_exp(-kTwice * x * (T{1} + kCubic * x * x)))) {}
  T slope(T x) const { return value * (T{1} - value) * kTwice * (T{1} + 3 * kCubic * x * x); }
  T value;
};

struct GeluByTanh {
  template <class T>
  T operator()(T x) const {
    return x * TanhGate<T>(x).value;
  }
};

struct GeluByTanhSlope {
  template <class T>
  T operator()(T dy, T x) const {
    const TanhGate<T> gate(x);
    return dy * (gate.value + x * gate.slope(x));
  }
};

bool by_tanh(const Attrs& attrs) { return attrs.string("approximate") == "tanh"; }

void check_approximate(const Attrs& attrs) {
  const std::string& name = attrs.string("approximate");
  if (name != "none" && name != "tanh") throw Error("approximate is none or tanh, not ", name);
}

// ---- Mish -----------------------------------------------------------------------------------------------------------

// With e = e^x, tanh(ln(1 + e)) is n / (n + 2) for n = e^2 + 2 e. From 20 on it is 1, and e^2 could overflow.
template <class T>
struct MishGate {
  explicit MishGate(T x) : e(vector_exp(x > 20 ? T{20} : x)), n(e * (e + 2)) {}
  T value() const { return n / (n + 2); }
  T slope() const { return T{4} * e * (T{1} + e) / ((n + 2) * (n + 2)); }
  T e, n;
};

struct Mish {
  template <class T>
  T operator()(T x) const {
    return x * MishGate<T>(x).value();
  }
};

struct MishSlope {
  template <class T>
  T operator()(T dy, T x) const {
    const MishGate<T> gate(x);
    return dy * (gate.value() + x * gate.slope());
  }
};

// ---- Swish ----------------------------------------------------------------------------------------------------------

struct Swish {
  explicit Swish(const Attrs& attrs) : alpha(attrs.real("alpha")) {}
  template <class T>
  T gate(T x) const {
    return T{1} / (T{1} + vector_exp(-static_cast<T>(alpha) * x));
  }
  template <class T>
  T operator()(T x) const {
    return x * gate(x);
  }
  float alpha;
};

struct SwishSlope : Swish {
  using Swish::Swish;
  template <class T>
  T operator()(T dy, T x) const {
    const T s = gate(x);
    return dy * (s + static_cast<T>(alpha) * x * s * (T{1} - s));
  }
};

}  // namespace

extern const OpDef kGelu = {
    .name = "Gelu",
    .doc =
        "y = x P(z < x) for a standard normal z; with approximate=tanh, "
        "y = x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))",
    .defaults = {{"approximate", std::string("none")}},
    .infer = [](const InferContext& context) -> std::vector<Type> {
      check_approximate(context.attrs);
      return same_float_type(context);
    },
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      return {c.build("GeluGrad", {c.grad(), c.in(0)}, c.attrs())};
    },
    .kernels = {{.name = "gelu",
                 .run =
                     [](const KernelArgs& args) {
                       by_tanh(args.attrs()) ? run_float<GeluByTanh>(args) : run_float<Gelu>(args);
                     }}},
    .layouts = LayoutRule::same,
    .in_place = true,
};

extern const OpDef kGeluGrad = {
    .name = "GeluGrad",
    .doc = "dx = dy times the slope of Gelu at x: operands dy and x",
    .min_inputs = 2,
    .max_inputs = 2,
    .defaults = {{"approximate", std::string("none")}},
    .infer = [](const InferContext& context) -> std::vector<Type> {
      check_approximate(context.attrs);
      return infer_float_gradient(context);
    },
    .kernels = {{.name = "gelu_grad",
                 .run =
                     [](const KernelArgs& args) {
                       by_tanh(args.attrs()) ? run_float_gradient<GeluByTanhSlope>(args)
                                             : run_float_gradient<GeluSlope>(args);
                     }}},
    .layouts = LayoutRule::same,
    .in_place = true,
};

extern const OpDef kMish = {
    .name = "Mish",
    .doc = "y = x tanh(ln(1 + e^x))",
    .infer = same_float_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      return {c.build("MishGrad", {c.grad(), c.in(0)})};
    },
    .kernels = {{.name = "mish", .run = run_float<Mish>}},
    .layouts = LayoutRule::same,
    .in_place = true,
};

extern const OpDef kMishGrad = {
    .name = "MishGrad",
    .doc = "dx = dy times the slope of Mish at x: operands dy and x",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer_float_gradient,
    .kernels = {{.name = "mish_grad", .run = run_float_gradient<MishSlope>}},
    .layouts = LayoutRule::same,
    .in_place = true,
};

extern const OpDef kSwish = {
    .name = "Swish",
    .doc = "y = x / (1 + e^(-alpha x))",
    .defaults = {{"alpha", 1.0f}},
    .infer = same_float_type,
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      return {c.build("SwishGrad", {c.grad(), c.in(0)}, c.attrs())};
    },
    .kernels = {{.name = "swish", .run = run_float<Swish>}},
    .layouts = LayoutRule::same,
    .in_place = true,
};

extern const OpDef kSwishGrad = {
    .name = "SwishGrad",
    .doc = "dx = dy times the slope of Swish at x: operands dy and x",
    .min_inputs = 2,
    .max_inputs = 2,
    .defaults = {{"alpha", 1.0f}},
    .infer = infer_float_gradient,
    .kernels = {{.name = "swish_grad", .run = run_float_gradient<SwishSlope>}},
    .layouts = LayoutRule::same,
    .in_place = true,
};

}  // namespace marvin
