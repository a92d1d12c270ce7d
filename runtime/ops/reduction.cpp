#include "runtime/ops/reduction.h"

namespace marvin {
namespace {

AxisSet axis_set(std::span<const int64_t> axes, int64_t rank, const Attrs& attrs) {
  AxisSet set;
  for (const int64_t axis : axes) set |= one_axis(axis, rank);
  if (axes.empty() && attrs.integer("noop_with_empty_axes") == 0)
    for (int64_t axis = 0; axis < rank; ++axis) set |= one_axis(axis, rank);
  return set;
}

}  // namespace

Shape reduced_shape(const Shape& shape, const AxisSet& axes, bool keep) {
  Shape result;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (!axes.test(i))
      result.push_back(shape[i]);
    else if (keep)
      result.push_back(1);
  }
  return result;
}

AxisSet one_axis(int64_t axis, int64_t rank) {
  AxisSet set;
  set.set(static_cast<size_t>(normalized_axis(axis, rank)));
  return set;
}

AxisSet reduced_axes(const KernelArgs& args) {
  std::span<const int64_t> axes;
  if (const int64_t* operand = args.input<int64_t>(1))
    axes = {operand, static_cast<size_t>(args.in_type(1).elements())};
  return axis_set(axes, args.in_type(0).rank(), args.attrs());
}

AxisSet reduced_axes(GradContext& context) {
  const Tensor* axes = context.constant(context.in(1));
  return axis_set(axes ? to_int64(*axes) : std::vector<int64_t>{}, context.type(context.in(0)).rank(), context.attrs());
}

Type reduced_type(const InferContext& context) {
  const Type& in = context.type(0);
  const std::vector<int64_t> axes = context.has(1) ? int64_operand(context, 1, "axes") : std::vector<int64_t>{};
  const AxisSet set = axis_set(axes, in.rank(), context.attrs);
  return {in.dtype, reduced_shape(in.shape, set, context.attrs.integer("keepdims") != 0)};
}

ValueId with_reduced_axes(GradContext& context, ValueId value) {
  return context.reshape(value, reduced_shape(context.shape(context.in(0)), reduced_axes(context), true));
}

Attrs reduction_attrs() { return {{"keepdims", int64_t{1}}, {"noop_with_empty_axes", int64_t{0}}}; }

}  // namespace marvin
