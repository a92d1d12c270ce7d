// Arithmetic on two operands that broadcast against each other: y[i] = f(a[i], b[i]).
#include <cmath>
#include <limits>

#include "runtime/kernels/convert.h"
#include "runtime/ops/elementwise.h"

namespace marvin {
namespace {

// ---- Functions ------------------------------------------------------------------------------------------------------

struct Plus {
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>(a + b);
  }
};

struct Minus {
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>(a - b);
  }
};

struct Times {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_integral_v<T>)
      return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));  // not int, which overflows
    else
      return a * b;
  }
};

// Integers truncate towards zero; x / 0 is 0 for them, and the lowest integer by -1 wraps to itself.
struct Over {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_integral_v<T>) {
      if (b == 0) return 0;
      if (std::is_signed_v<T> && b == static_cast<T>(-1)) return static_cast<T>(0 - static_cast<uint64_t>(a));
    }
    return static_cast<T>(a / b);
  }
};

// With the dividend's sign.
struct TruncatedRemainder {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_floating_point_v<T>) {
      return std::fmod(a, b);
    } else {
      if (b == 0 || (std::is_signed_v<T> && b == static_cast<T>(-1))) return 0;
      return static_cast<T>(a % b);
    }
  }
};

// Of integers, with the divisor's sign.
struct FlooredRemainder {
  template <class T>
  T operator()(T a, T b) const {
    const T rest = TruncatedRemainder{}(a, b);
    return rest != 0 && (rest < 0) != (b < 0) ? static_cast<T>(rest + b) : rest;
  }
};

// ---- Two operands ---------------------------------------------------------------------------------------------------

std::vector<Type> infer_arithmetic(const InferContext& context) {
  require_numeric(context, 0);
  require_same_dtype(context, 0, 1);
  return {Type{context.type(0).dtype, broadcast(context.shape(0), context.shape(1))}};
}

template <class F, class T>
void apply(const KernelArgs& args) {
  map_broadcast(F{}, args.input<T>(0), args.input<T>(1), args.output<T>(), broadcast_loop(args));
}

// For functions that depend on the sign of integers.
template <class F>
void run_arithmetic(const KernelArgs& args) {
  visit_numeric(args.out_type().dtype, [&](auto zero) { apply<F, decltype(zero)>(args); });
}

// For functions of their bits.
template <class F>
void run_modular_arithmetic(const KernelArgs& args) {
  visit_modular(args.out_type().dtype, [&](auto zero) { apply<F, decltype(zero)>(args); });
}

// ---- Mod ------------------------------------------------------------------------------------------------------------

std::vector<Type> infer_mod(const InferContext& context) {
  const std::vector<Type> types = infer_arithmetic(context);
  if (is_float(types[0].dtype) && context.attrs.integer("fmod") == 0) throw Error("takes floats with fmod=1 alone");
  return types;
}

void run_mod(const KernelArgs& args) {
  if (args.attrs().integer("fmod") != 0) return run_arithmetic<TruncatedRemainder>(args);
  visit_integer(args.out_type().dtype, [&](auto zero) { apply<FlooredRemainder, decltype(zero)>(args); });
}

// ---- Pow ------------------------------------------------------------------------------------------------------------

// By repeated squaring; a negative exponent gives the reciprocal cut off towards zero.
template <class A, class B>
A integer_power(A base, B exponent) {
  if (exponent < 0) {
    if (base == -1) return exponent % 2 == 0 ? 1 : -1;
    return base == 1 ? 1 : 0;
  }
  uint64_t result = 1, square = static_cast<uint64_t>(base);
  for (uint64_t rest = static_cast<uint64_t>(exponent); rest > 0; rest /= 2, square *= square)
    if (rest % 2 == 1) result *= square;
  return static_cast<A>(result);
}

struct Itself {
  template <class T>
  T operator()(T x) const {
    return x;
  }
};

struct Square {
  template <class T>
  T operator()(T x) const {
    return Times{}(x, x);
  }
};

struct Cube {
  template <class T>
  T operator()(T x) const {
    return Times{}(Times{}(x, x), x);
  }
};

struct SquareRoot {
  template <class T>
  T operator()(T x) const {
    return std::sqrt(x);
  }
};

struct Inverse {
  template <class T>
  T operator()(T x) const {
    return T{1} / x;
  }
};

struct InverseSquareRoot {
  template <class T>
  T operator()(T x) const {
    return T{1} / std::sqrt(x);
  }
};

// Calls body(f) where x to this power is an f(x) that goes at the speed of memory. Says whether it is. The powers and
// their roundings are those that PyTorch treats so.
template <class A, class Body>
bool visit_easy_power(double exponent, Body&& body) {
  if (exponent == 1) return body(Itself{}), true;
  if (exponent == 2) return body(Square{}), true;
  if (exponent == 3) return body(Cube{}), true;
  if constexpr (std::is_floating_point_v<A>) {
    if (exponent == 0.5) return body(SquareRoot{}), true;
    if (exponent == -0.5) return body(InverseSquareRoot{}), true;
    if (exponent == -1) return body(Inverse{}), true;
  }
  return false;
}

template <class A, class B>
A power(A a, B b) {
  A easy{};
  if (visit_easy_power<A>(static_cast<double>(b), [&](auto f) { easy = f(a); })) return easy;
  if constexpr (std::is_integral_v<A> && std::is_integral_v<B>)
    return integer_power(a, b);
  else if constexpr (std::is_same_v<A, B>)
    return std::pow(a, b);
  else
    return converted<A>(std::pow(static_cast<double>(a), static_cast<double>(b)));
}

// Calls `body(A{})` with the type of Pow's base.
template <class Body>
void visit_base(DType dtype, Body&& body) {
  if (is_float(dtype)) return visit_float(dtype, body);
  dtype == DType::i32 ? body(int32_t{}) : body(int64_t{});
}

std::vector<Type> infer_pow(const InferContext& context) {
  require_numeric(context, 0);
  require_numeric(context, 1);
  const Type& base = context.type(0);
  if (!is_float(base.dtype) && base.dtype != DType::i32 && base.dtype != DType::i64)
    throw Error("the base must be of floats, i32 or i64, not ", text_of(base));
  return {Type{base.dtype, broadcast(context.shape(0), context.shape(1))}};
}

template <class A, class B>
void run_power(const KernelArgs& args) {
  const A* a = args.input<A>(0);
  const B* b = args.input<B>(1);
  A* y = args.output<A>();
  const StridedLoop<2> loop = broadcast_loop(args);
  parallel_blocks(loop.count(), kElementwiseBlock, [&](int64_t begin, int64_t end) {
    loop.walk(begin, end, [&](int64_t i, const auto& at, int64_t n) {
      for (int64_t k = 0; k < n; ++k) y[i + k] = power(a[at[0] + k * loop.step(0)], b[at[1] + k * loop.step(1)]);
    });
  });
}

// The exponent where it is one for all elements; NaN elsewhere.
double common_exponent(const KernelArgs& args) {
  double exponent = std::numeric_limits<double>::quiet_NaN();
  if (args.in_type(1).elements() == 1) {
    visit_numeric(args.in_type(1).dtype,
                  [&](auto zero) { exponent = static_cast<double>(*args.input<decltype(zero)>(1)); });
  }
  return exponent;
}

void run_pow(const KernelArgs& args) {
  bool is_easy = false;
  visit_base(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    is_easy = visit_easy_power<T>(
        common_exponent(args), [&](auto f) { map(f, args.input<T>(0), args.output<T>(), args.out_type().elements()); });
  });
  if (is_easy) return;
  visit_base(args.in_type(0).dtype, [&](auto base) {
    visit_numeric(args.in_type(1).dtype, [&](auto exponent) { run_power<decltype(base), decltype(exponent)>(args); });
  });
}

// ---- Gradients ------------------------------------------------------------------------------------------------------

ValueId sum_to_input(GradContext& context, size_t i, ValueId value) {
  return context.sum_to(value, context.shape(context.in(i)));
}

std::vector<ValueId> add_gradient(GradContext& context) {
  std::vector<ValueId> gradients(2);
  for (const size_t i : {0, 1})
    if (context.wants(i)) gradients[i] = sum_to_input(context, i, context.grad());
  return gradients;
}

std::vector<ValueId> sub_gradient(GradContext& context) {
  std::vector<ValueId> gradients(2);
  if (context.wants(0)) gradients[0] = sum_to_input(context, 0, context.grad());
  if (context.wants(1)) gradients[1] = context.build("Neg", {sum_to_input(context, 1, context.grad())});
  return gradients;
}

std::vector<ValueId> mul_gradient(GradContext& context) {
  std::vector<ValueId> gradients(2);
  for (const size_t i : {0, 1})
    if (context.wants(i)) gradients[i] = sum_to_input(context, i, mul(context, context.grad(), context.in(1 - i)));
  return gradients;
}

std::vector<ValueId> div_gradient(GradContext& context) {
  std::vector<ValueId> gradients(2);
  const ValueId quotient = context.build("Div", {context.grad(), context.in(1)});
  if (context.wants(0)) gradients[0] = sum_to_input(context, 0, quotient);
  if (context.wants(1)) {
    gradients[1] = context.build("Neg", {sum_to_input(context, 1, mul(context, quotient, context.out(0)))});
  }
  return gradients;
}

// The quotient cut off towards zero is (a - y) / b, and d y = d a - quotient d b.
std::vector<ValueId> mod_gradient(GradContext& context) {
  std::vector<ValueId> gradients(2);
  if (context.wants(0)) gradients[0] = sum_to_input(context, 0, context.grad());
  if (context.wants(1)) {
    const ValueId multiple = context.build("Sub", {context.in(0), context.out(0)});
    const ValueId quotient = context.build("Round", {context.build("Div", {multiple, context.in(1)})});
    gradients[1] = context.build("Neg", {sum_to_input(context, 1, mul(context, context.grad(), quotient))});
  }
  return gradients;
}

// d a^b = b a^(b-1) da + a^b ln(a) db. There is no da where b is 0, and no db where a is 0, as in PyTorch.
std::vector<ValueId> pow_gradient(GradContext& context) {
  const ValueId a = context.in(0), b = context.cast(context.in(1), context.type(a).dtype),
                zero = context.scalar_like(a, 0);
  std::vector<ValueId> gradients(2);
  if (context.wants(0)) {
    const ValueId slope = mul(context, b, context.build("Pow", {a, add(context, b, -1)}));
    const ValueId finite = context.build("Where", {compare(context, "Equal", b, 0), zero, slope});
    gradients[0] = sum_to_input(context, 0, mul(context, context.grad(), finite));
  }
  if (context.wants(1)) {
    const ValueId slope = mul(context, context.out(0), context.build("Log", {a}));
    const ValueId finite = context.build("Where", {compare(context, "Equal", a, 0), zero, slope});
    const ValueId sum = sum_to_input(context, 1, mul(context, context.grad(), finite));
    gradients[1] = context.cast(sum, context.type(context.in(1)).dtype);
  }
  return gradients;
}

}  // namespace

extern const OpDef kAdd = {
    .name = "Add",
    .doc = "y = a + b, broadcast; integers wrap",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer_arithmetic,
    .gradient = add_gradient,
    .kernels = {{.name = "add", .run = run_modular_arithmetic<Plus>}},
    .layouts = LayoutRule::same,
    .in_place = true,
};

extern const OpDef kSub = {
    .name = "Sub",
    .doc = "y = a - b, broadcast; integers wrap",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer_arithmetic,
    .gradient = sub_gradient,
    .kernels = {{.name = "sub", .run = run_modular_arithmetic<Minus>}},
    .layouts = LayoutRule::same,
    .in_place = true,
};

extern const OpDef kMul = {
    .name = "Mul",
    .doc = "y = a * b, broadcast; integers wrap",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer_arithmetic,
    .gradient = mul_gradient,
    .kernels = {{.name = "mul", .run = run_modular_arithmetic<Times>}},
    .layouts = LayoutRule::same,
    .in_place = true,
};

extern const OpDef kDiv = {
    .name = "Div",
    .doc = "y = a / b, broadcast; integers truncate towards zero, and x / 0 is 0 for them",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer_arithmetic,
    .gradient = div_gradient,
    .kernels = {{.name = "div", .run = run_arithmetic<Over>}},
    .layouts = LayoutRule::same,
    .in_place = true,
};

extern const OpDef kMod = {
    .name = "Mod",
    .doc = "y = the remainder of a / b, broadcast: with b's sign, or with a's if fmod; x mod 0 is 0 for integers",
    .min_inputs = 2,
    .max_inputs = 2,
    .defaults = {{"fmod", int64_t{0}}},
    .infer = infer_mod,
    .gradient = mod_gradient,
    .kernels = {{.name = "mod", .run = run_mod}},
    .in_place = true,
};

extern const OpDef kPow = {
    .name = "Pow",
    .doc = "y = a^b in a's element type, broadcast",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer_pow,
    .gradient = pow_gradient,
    .kernels = {{.name = "pow", .run = run_pow}},
    .layouts = LayoutRule::same,
    .in_place = true,
};

}  // namespace marvin
