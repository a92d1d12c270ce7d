// Arithmetic on two or more operands that broadcast against each other: y[i] = f(a[i], b[i]).
#include <cmath>

#include "runtime/ops/elementwise.h"
#include "runtime/ops/list.h"

namespace marvin {
namespace {

// ---- Functions ------------------------------------------------------------------------------------------------------

// Integers wrap around, as two's complement does, without C++'s undefined overflow.
template <class T, class F>
T wrapping(T a, T b, F f) {
  if constexpr (std::is_integral_v<T>) {
    using U = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<U>(f(uint64_t{static_cast<U>(a)}, uint64_t{static_cast<U>(b)})));
  } else {
    return f(a, b);
  }
}

struct Plus {
  template <class T>
  T operator()(T a, T b) const {
    return wrapping(a, b, [](auto x, auto y) { return x + y; });
  }
};

struct Minus {
  template <class T>
  T operator()(T a, T b) const {
    return wrapping(a, b, [](auto x, auto y) { return x - y; });
  }
};

struct Times {
  template <class T>
  T operator()(T a, T b) const {
    return wrapping(a, b, [](auto x, auto y) { return x * y; });
  }
};

// Integers truncate towards zero; x / 0 is 0 for them, and the lowest integer by -1 wraps to itself.
struct Over {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_integral_v<T>) {
      if (b == 0) return 0;
      if (std::is_signed_v<T> && b == static_cast<T>(-1)) return Minus{}(T{0}, a);
    }
    return static_cast<T>(a / b);
  }
};

// A NaN among the operands is the result.
struct Greatest {
  template <class T>
  T operator()(T a, T b) const {
    return a > b || a != a ? a : b;
  }
};

struct Least {
  template <class T>
  T operator()(T a, T b) const {
    return a < b || a != a ? a : b;
  }
};

// ---- Two operands ---------------------------------------------------------------------------------------------------

std::vector<Type> infer_arithmetic(const InferContext& context) {
  require_numeric(context, 0);
  require_same_dtype(context, 0, 1);
  return {Type{context.type(0).dtype, broadcast(context.shape(0), context.shape(1))}};
}

template <class F>
void run_arithmetic(const KernelArgs& args) {
  visit_numeric(args.out_type().dtype, [&](auto zero) {
    using T = decltype(zero);
    map_broadcast(F{}, args.input<T>(0), args.input<T>(1), args.output<T>(), broadcast_loop(args));
  });
}

// By repeated squaring; a negative exponent gives the reciprocal cut off towards zero.
template <class T>
T integer_power(T base, int64_t exponent) {
  if (exponent < 0) {
    if (base == static_cast<T>(-1)) return static_cast<T>(exponent % 2 == 0 ? 1 : -1);
    return base == 1 ? T{1} : T{0};
  }
  T result = 1;
  for (; exponent > 0; exponent /= 2) {
    if (exponent % 2 == 1) result = Times{}(result, base);
    base = Times{}(base, base);
  }
  return result;
}

template <class A, class B>
A power(A a, B b) {
  if constexpr (std::is_integral_v<A> && std::is_integral_v<B>)
    return integer_power(a, static_cast<int64_t>(b));
  else if constexpr (std::is_same_v<A, float> && std::is_same_v<B, float>)
    return std::pow(a, b);
  else
    return static_cast<A>(std::pow(static_cast<double>(a), static_cast<double>(b)));
}

std::vector<Type> infer_pow(const InferContext& context) {
  require_numeric(context, 0);
  require_numeric(context, 1);
  return {Type{context.type(0).dtype, broadcast(context.shape(0), context.shape(1))}};
}

// Squares, the powers that models are full of, go at the speed of memory.
template <class A, class B>
void run_power(const A* a, const B* b, bool squares, A* y, const StridedLoop<2>& loop) {
  parallel_blocks(loop.count(), kElementwiseBlock, [&](int64_t begin, int64_t end) {
    loop.walk(begin, end, [&](int64_t i, const auto& at, int64_t n) {
      if (squares) return map_run(Times{}, a + at[0], true, a + at[0], true, y + i, n);
      for (int64_t k = 0; k < n; ++k) y[i + k] = power(a[at[0] + k * loop.step(0)], b[at[1] + k * loop.step(1)]);
    });
  });
}

void run_pow(const KernelArgs& args) {
  visit_numeric(args.in_type(0).dtype, [&](auto base) {
    visit_numeric(args.in_type(1).dtype, [&](auto exponent) {
      using A = decltype(base);
      using B = decltype(exponent);
      const B* b = args.input<B>(1);
      const bool squares = args.in_type(1).elements() == 1 && *b == B{2};
      run_power(args.input<A>(0), b, squares, args.output<A>(), broadcast_loop(args));
    });
  });
}

// ---- Any number of operands -----------------------------------------------------------------------------------------

std::vector<Type> infer_variadic(const InferContext& context) {
  require_numeric(context, 0);
  Shape shape = context.shape(0);
  for (size_t i = 1; i < context.operands.size(); ++i) {
    require_same_dtype(context, 0, i);
    shape = broadcast(shape, context.shape(i));
  }
  return {Type{context.type(0).dtype, shape}};
}

std::vector<Type> infer_float_variadic(const InferContext& context) {
  require_float(context, 0);
  return infer_variadic(context);
}

// y = x0, then y = f(y, xi) for the others.
template <class F, class T>
void accumulate(const KernelArgs& args) {
  const Shape &shape = args.out_type().shape, &first = args.in_type(0).shape;
  const T* x = args.input<T>(0);
  T* y = args.output<T>();
  map_broadcast([](T a, T) { return a; }, x, x, y, broadcast_loop<2>(shape, {first, first}));
  for (size_t i = 1; i < args.in.size(); ++i) {
    const StridedLoop<2> loop = broadcast_loop<2>(shape, {shape, args.in_type(i).shape});
    map_broadcast(F{}, static_cast<const T*>(y), args.input<T>(i), y, loop);
  }
}

template <class F>
void run_variadic(const KernelArgs& args) {
  visit_numeric(args.out_type().dtype, [&](auto zero) { accumulate<F, decltype(zero)>(args); });
}

void run_mean(const KernelArgs& args) {
  visit_float(args.out_type().dtype, [&](auto zero) {
    using T = decltype(zero);
    accumulate<Plus, T>(args);
    T* y = args.output<T>();
    const T count = static_cast<T>(args.in.size());
    map([count](T sum) { return sum / count; }, static_cast<const T*>(y), y, args.out_type().elements());
  });
}

// ---- Gradients ------------------------------------------------------------------------------------------------------

ValueId sum_to_input(GradContext& context, size_t i, ValueId value) {
  return context.sum_to(value, context.shape(context.in(i)));
}

// The same gradient for every operand.
std::vector<ValueId> sums_to_inputs(GradContext& context, ValueId gradient) {
  std::vector<ValueId> gradients(context.input_count());
  for (size_t i = 0; i < gradients.size(); ++i)
    if (context.wants(i)) gradients[i] = sum_to_input(context, i, gradient);
  return gradients;
}

std::vector<ValueId> sum_gradient(GradContext& context) { return sums_to_inputs(context, context.grad()); }

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

ValueId cast_like(GradContext& context, ValueId value, ValueId like) {
  if (context.type(value).dtype == context.type(like).dtype) return value;
  return context.build("Cast", {value}, {{"to", onnx_number_of(context.type(like).dtype)}});
}

// d a^b = b a^(b-1) da + a^b ln(a) db. There is no da where b is 0, and no db where a is 0, as in PyTorch.
std::vector<ValueId> pow_gradient(GradContext& context) {
  const ValueId a = context.in(0), b = cast_like(context, context.in(1), a), zero = context.scalar_like(a, 0);
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
    gradients[1] = cast_like(context, sum, context.in(1));
  }
  return gradients;
}

// Operands that tie share the gradient evenly.
std::vector<ValueId> extreme_gradient(GradContext& context) {
  std::vector<ValueId> masks;
  for (size_t i = 0; i < context.input_count(); ++i) {
    masks.push_back(cast_like(context, context.build("Equal", {context.in(i), context.out(0)}), context.out(0)));
  }
  const ValueId share = context.build("Div", {context.grad(), context.build("Sum", masks)});
  std::vector<ValueId> gradients(masks.size());
  for (size_t i = 0; i < masks.size(); ++i)
    if (context.wants(i)) gradients[i] = sum_to_input(context, i, mul(context, masks[i], share));
  return gradients;
}

}  // namespace

const OpDef kAdd = {
    .name = "Add",
    .doc = "y = a + b, broadcast; integers wrap",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer_arithmetic,
    .gradient = sum_gradient,
    .kernels = {{.name = "add", .run = run_arithmetic<Plus>}},
    .in_place = true,
};

const OpDef kSub = {
    .name = "Sub",
    .doc = "y = a - b, broadcast; integers wrap",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer_arithmetic,
    .gradient = sub_gradient,
    .kernels = {{.name = "sub", .run = run_arithmetic<Minus>}},
    .in_place = true,
};

const OpDef kMul = {
    .name = "Mul",
    .doc = "y = a * b, broadcast; integers wrap",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer_arithmetic,
    .gradient = mul_gradient,
    .kernels = {{.name = "mul", .run = run_arithmetic<Times>}},
    .in_place = true,
};

const OpDef kDiv = {
    .name = "Div",
    .doc = "y = a / b, broadcast; integers truncate towards zero, and x / 0 is 0 for them",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer_arithmetic,
    .gradient = div_gradient,
    .kernels = {{.name = "div", .run = run_arithmetic<Over>}},
    .in_place = true,
};

const OpDef kPow = {
    .name = "Pow",
    .doc = "y = a^b in a's element type, broadcast",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer_pow,
    .gradient = pow_gradient,
    .kernels = {{.name = "pow", .run = run_pow}},
    .in_place = true,
};

const OpDef kMax = {
    .name = "Max",
    .doc = "The greatest of all operands, broadcast. Ties share the gradient evenly",
    .max_inputs = kVariadic,
    .infer = infer_variadic,
    .gradient = extreme_gradient,
    .kernels = {{.name = "max", .run = run_variadic<Greatest>}},
};

const OpDef kMin = {
    .name = "Min",
    .doc = "The least of all operands, broadcast. Ties share the gradient evenly",
    .max_inputs = kVariadic,
    .infer = infer_variadic,
    .gradient = extreme_gradient,
    .kernels = {{.name = "min", .run = run_variadic<Least>}},
};

const OpDef kSum = {
    .name = "Sum",
    .doc = "The sum of all operands, broadcast",
    .max_inputs = kVariadic,
    .infer = infer_float_variadic,
    .gradient = sum_gradient,
    .kernels = {{.name = "sum", .run = run_variadic<Plus>}},
};

const OpDef kMean = {
    .name = "Mean",
    .doc = "The mean of all operands, broadcast",
    .max_inputs = kVariadic,
    .infer = infer_float_variadic,
    .gradient = [](GradContext& context) -> std::vector<ValueId> {
      return sums_to_inputs(context, mul(context, context.grad(), 1.0 / static_cast<double>(context.input_count())));
    },
    .kernels = {{.name = "mean", .run = run_mean}},
};

}  // namespace marvin
