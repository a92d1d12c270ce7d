// What the ops share that reduce axes.
#pragma once

#include <bitset>
#include <limits>

#include "runtime/kernels/reduce.h"
#include "runtime/ops/types.h"

namespace marvin {

using AxisSet = std::bitset<kMaxRank>;

// The shape without the axes, or with ones in their place.
Shape reduced_shape(const Shape& shape, const AxisSet& axes, bool keep);

// One axis of a shape of `rank` axes. Throws Error when it is out of range.
AxisSet one_axis(int64_t axis, int64_t rank);

// The axes that a reduction's operand 1 lists; none stand for all, or for none if noop_with_empty_axes.
AxisSet reduced_axes(const KernelArgs& args);
AxisSet reduced_axes(GradContext& context);

// The output of a reduction: operand 0's type without the reduced axes, or with ones in their place.
Type reduced_type(const InferContext& context);

// A value of the output's shape, with the reduced axes back as ones.
ValueId with_reduced_axes(GradContext& context, ValueId value);

// The attributes of every reduction.
Attrs reduction_attrs();

// Calls `body(T{})` when R<T>::kAdmits says that elements of the type are reduced by R. Says whether it did.
template <template <class> class R, class Body>
bool visit_admitted(DType dtype, Body&& body) {
  bool admitted = false;
  visit_stored(dtype, [&](auto zero) {
    if constexpr (R<decltype(zero)>::kAdmits) {
      body(zero);
      admitted = true;
    }
  });
  return admitted;
}

template <template <class> class R>
std::vector<Type> infer_reduction(const InferContext& context) {
  const Type& in = context.type(0);
  if (!visit_admitted<R>(in.dtype, [](auto) {}))
    throw Error("elements of ", text_of(in), " are not reduced by this op");
  return {reduced_type(context)};
}

template <template <class> class R>
Prepared prepare_reduction(const KernelQuery& query) {
  Prepared prepared;
  visit_admitted<R>(query.in[0]->dtype, [&](auto zero) {
    using T = decltype(zero);
    const int64_t outputs = query.out[0]->elements();
    const int64_t length = query.in[0]->elements() / std::max<int64_t>(1, outputs);
    prepared.scratch_bytes = Reduction<R<T>, T>::scratch_bytes(outputs, length);
  });
  return prepared;
}

template <template <class> class R>
void run_reduction(const KernelArgs& args) {
  const AxisSet axes = reduced_axes(args);
  visit_admitted<R>(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    using Acc = typename R<T>::Acc;
    const Reduction<R<T>, T> reduction(args.in_type(0).shape, axes);
    reduction.run(args.input<T>(0), args.output<T>(), reinterpret_cast<Acc*>(args.scratch));
  });
}

}  // namespace marvin
