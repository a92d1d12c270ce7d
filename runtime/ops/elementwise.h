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

template <class F>
void run_float(const KernelArgs& args) {
  visit_float(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    map(functor<F>(args.attrs()), args.input<T>(0), args.output<T>(), args.out_type().elements());
  });
}

// The loop over the output beside operands that broadcast to it.
inline StridedLoop<2> broadcast_loop(const KernelArgs& args) {
  return broadcast_loop<2>(args.out_type().shape, {args.in_type(0).shape, args.in_type(1).shape});
}

// a + b, a * b, and `op` of a and b, where b is a number of a's element type.
inline ValueId add(GradContext& context, ValueId a, double b) {
  return context.build("Add", {a, context.scalar_like(a, b)});
}
inline ValueId mul(GradContext& context, ValueId a, double b) {
  return context.build("Mul", {a, context.scalar_like(a, b)});
}
inline ValueId mul(GradContext& context, ValueId a, ValueId b) { return context.build("Mul", {a, b}); }
inline ValueId compare(GradContext& context, std::string_view op, ValueId a, double b) {
  return context.build(op, {a, context.scalar_like(a, b)});
}

}  // namespace marvin
