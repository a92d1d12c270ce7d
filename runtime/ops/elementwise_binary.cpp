// Ops of two or more operands that broadcast against each other: y[i] = f(a[i], b[i]).
#include <cmath>

#include "runtime/kernels/parallel.h"
#include "runtime/kernels/strided.h"
#include "runtime/ops/list.h"
#include "runtime/ops/types.h"

namespace marvin {
namespace {

constexpr int64_t kBlock = 1 << 13;

// ---- Arithmetic -----------------------------------------------------------------------------------------------------

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

// ---- Loops ----------------------------------------------------------------------------------------------------------

// One run; an operand that does not step is one number. ivdep: y may be a or b, but never part of them shifted.
template <class F, class T, class R>
MARVIN_CLONES void map_run(F f, const T* a, bool a_steps, const T* b, bool b_steps, R* y, int64_t n) {
  if (a_steps && b_steps) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) y[i] = f(a[i], b[i]);
  } else if (a_steps) {
    const T right = *b;
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) y[i] = f(a[i], right);
  } else {
    const T left = *a;
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) y[i] = f(left, b[i]);
  }
}

template <class F, class T, class R>
void map_broadcast(F f, const T* a, const Shape& a_shape, const T* b, const Shape& b_shape, R* y, const Shape& shape) {
  const StridedLoop<2> loop = broadcast_loop<2>(shape, {a_shape, b_shape});
  parallel_blocks(loop.count(), kBlock, [&](int64_t begin, int64_t end) {
    loop.walk(begin, end, [&](int64_t i, const auto& at, int64_t n) {
      map_run(f, a + at[0], loop.step(0) != 0, b + at[1], loop.step(1) != 0, y + i, n);
    });
  });
}

template <class F>
void run_arithmetic(const KernelArgs& args) {
  visit_numeric(args.out_type().dtype, [&](auto zero) {
    using T = decltype(zero);
    map_broadcast(F{}, args.input<T>(0), args.in_type(0).shape, args.input<T>(1), args.in_type(1).shape,
                  args.output<T>(), args.out_type().shape);
  });
}

std::vector<Type> infer_arithmetic(const InferContext& context) {
  require_numeric(context, 0);
  require_same_dtype(context, 0, 1);
  return {Type{context.type(0).dtype, broadcast(context.shape(0), context.shape(1))}};
}

ValueId sum_to_input(GradContext& context, size_t i, ValueId value) {
  return context.sum_to(value, context.shape(context.in(i)));
}

}  // namespace

const OpDef kAdd = {
    .name = "Add",
    .doc = "y = a + b, broadcast; integers wrap",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer_arithmetic,
    .gradient = [](GradContext& context) -> std::vector<ValueId> {
      std::vector<ValueId> gradients(2);
      for (const size_t i : {0, 1})
        if (context.wants(i)) gradients[i] = sum_to_input(context, i, context.grad());
      return gradients;
    },
    .kernels = {{.name = "add", .run = run_arithmetic<Plus>}},
    .in_place = true,
};

const OpDef kSub = {
    .name = "Sub",
    .doc = "y = a - b, broadcast; integers wrap",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer_arithmetic,
    .gradient = [](GradContext& context) -> std::vector<ValueId> {
      std::vector<ValueId> gradients(2);
      if (context.wants(0)) gradients[0] = sum_to_input(context, 0, context.grad());
      if (context.wants(1)) gradients[1] = context.build("Neg", {sum_to_input(context, 1, context.grad())});
      return gradients;
    },
    .kernels = {{.name = "sub", .run = run_arithmetic<Minus>}},
    .in_place = true,
};

const OpDef kMul = {
    .name = "Mul",
    .doc = "y = a * b, broadcast; integers wrap",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer_arithmetic,
    .gradient = [](GradContext& context) -> std::vector<ValueId> {
      std::vector<ValueId> gradients(2);
      for (const size_t i : {0, 1})
        if (context.wants(i)) {
          gradients[i] = sum_to_input(context, i, context.build("Mul", {context.grad(), context.in(1 - i)}));
        }
      return gradients;
    },
    .kernels = {{.name = "mul", .run = run_arithmetic<Times>}},
    .in_place = true,
};

const OpDef kDiv = {
    .name = "Div",
    .doc = "y = a / b, broadcast; integers truncate towards zero, and x / 0 is 0 for them",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer_arithmetic,
    .gradient = [](GradContext& context) -> std::vector<ValueId> {
      std::vector<ValueId> gradients(2);
      const ValueId quotient = context.build("Div", {context.grad(), context.in(1)});
      if (context.wants(0)) gradients[0] = sum_to_input(context, 0, quotient);
      if (context.wants(1)) {
        const ValueId product = context.build("Mul", {quotient, context.out(0)});
        gradients[1] = context.build("Neg", {sum_to_input(context, 1, product)});
      }
      return gradients;
    },
    .kernels = {{.name = "div", .run = run_arithmetic<Over>}},
    .in_place = true,
};

}  // namespace marvin
