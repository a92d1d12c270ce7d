// What the element-by-element families share: kernels made of functors, and short spellings for gradient rules.
#pragma once

#include "runtime/kernels/elementwise.h"
#include "runtime/ops/types.h"

namespace marvin {

// F is made from the attributes where it has parameters, and takes and returns any number.
template <class F>
F functor(const Attrs& attrs) {
  if constexpr (std::is_constructible_v<F, const Attrs&>)
    return F(attrs);
  else
    return F();
}

template <class F>
void run_numeric(const KernelArgs& args) {
  visit_numeric(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    map(functor<F>(args.attrs()), args.input<T>(0), args.output<T>(), args.out_type().elements());
  });
}

// For functions of the bits of integers.
template <class F>
void run_modular(const KernelArgs& args) {
  visit_modular(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    map(functor<F>(args.attrs()), args.input<T>(0), args.output<T>(), args.out_type().elements());
  });
}

template <class F>
void run_float(const KernelArgs& args) {
  visit_float(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    map(functor<F>(args.attrs()), args.input<T>(0), args.output<T>(), args.out_type().elements());
  });
}

// dx = f(dy, x) or f(dy, y): operands of one shape.
template <class F>
void run_float_gradient(const KernelArgs& args) {
  visit_float(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    map(functor<F>(args.attrs()), args.input<T>(0), args.input<T>(1), args.output<T>(), args.out_type().elements());
  });
}

inline std::vector<Type> infer_float_gradient(const InferContext& context) {
  require_float(context, 0);
  if (context.type(0) != context.type(1)) {
    throw Error("takes two operands of one type, not ", text_of(context.type(0)), " and ", text_of(context.type(1)));
  }
  return {context.type(0)};
}

// The loop over the output beside operands that broadcast to it.
inline StridedLoop<2> broadcast_loop(const KernelArgs& args) {
  return broadcast_loop<2>(args.out_type().shape, {args.in_type(0).shape, args.in_type(1).shape});
}

// a + b, a * b, and `op` of a and b, where b is a number of a's element type.
inline ValueId add(Builder& context, ValueId a, double b) {
  return context.build("Add", {a, context.scalar_like(a, b)});
}
inline ValueId mul(Builder& context, ValueId a, double b) {
  return context.build("Mul", {a, context.scalar_like(a, b)});
}
inline ValueId mul(Builder& context, ValueId a, ValueId b) { return context.build("Mul", {a, b}); }
inline ValueId compare(Builder& context, std::string_view op, ValueId a, double b) {
  return context.build(op, {a, context.scalar_like(a, b)});
}

}  // namespace marvin
