// Ops that look for extremes: the greatest and least elements over axes, and where they are.
#include "runtime/ops/reduction.h"

namespace marvin {
namespace {

// ---- The extreme ----------------------------------------------------------------------------------------------------

// A NaN among the elements is the result.
template <class T>
struct Greatest {
  static constexpr bool kAdmits = std::is_arithmetic_v<T>;
  using Acc = T;
  using Limits = std::numeric_limits<T>;
  static Acc start() { return Limits::has_infinity ? -Limits::infinity() : Limits::lowest(); }
  static Acc add(Acc best, T x) { return best > x || best != best ? best : x; }
  static Acc merge(Acc a, Acc b) { return add(a, b); }
  static T finish(Acc best, int64_t) { return best; }
};

template <class T>
struct Least : Greatest<T> {
  using Limits = std::numeric_limits<T>;
  static T start() { return Limits::has_infinity ? Limits::infinity() : Limits::max(); }
  static T add(T best, T x) { return best < x || best != best ? best : x; }
  static T merge(T a, T b) { return add(a, b); }
};

// Elements that tie share the gradient evenly.
std::vector<ValueId> extreme_gradient(GradContext& c) {
  const ValueId best = with_reduced_axes(c, c.out(0));
  const ValueId mask = c.cast(c.build("Equal", {c.in(0), best}), c.type(c.in(0)).dtype);
  const ValueId share = c.build("Div", {with_reduced_axes(c, c.grad()), c.sum_to(mask, c.shape(best))});
  return {c.build("Mul", {mask, share})};
}

// ---- Where it is ----------------------------------------------------------------------------------------------------

// The first NaN wins over all numbers. `better(a, b)`: a replaces b.
template <class T, class Better>
int64_t best_index(const T* x, int64_t count, int64_t stride, bool last, Better better) {
  int64_t best = 0;
  for (int64_t i = 1; i < count; ++i) {
    const T now = x[best * stride], next = x[i * stride];
    if (now != now) break;
    if (next != next || better(next, now) || (last && next == now)) best = i;
  }
  return best;
}

// Calls body(first, index) for every row along `axis`: the position of its element 0, and which element is best.
template <class Better, class T, class Body>
void each_best(const T* x, const Shape& shape, int64_t axis, bool last, Body&& body) {
  const size_t at = static_cast<size_t>(normalized_axis(axis, static_cast<int64_t>(shape.size())));
  const int64_t count = shape[at], stride = row_major_strides(shape)[at];
  parallel_blocks(count ? elements(shape) / count : 0, 1 << 8, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t first = row / stride * count * stride + row % stride;
      body(row, first, best_index(x + first, count, stride, last, Better{}));
    }
  });
}

std::vector<Type> infer_arg(const InferContext& context) {
  require_numeric(context, 0);
  const Shape& shape = context.shape(0);
  const int64_t axis = context.attrs.integer("axis"), rank = context.type(0).rank();
  const AxisSet axes = one_axis(axis, rank);
  if (shape[static_cast<size_t>(normalized_axis(axis, rank))] == 0) throw Error("axis ", axis, " is empty");
  return {Type{DType::i64, reduced_shape(shape, axes, context.attrs.integer("keepdims") != 0)}};
}

template <class Better>
void run_arg(const KernelArgs& args) {
  const bool last = args.attrs().integer("select_last_index") != 0;
  int64_t* y = args.output<int64_t>();
  visit_numeric(args.in_type(0).dtype, [&](auto zero) {
    each_best<Better>(args.input<decltype(zero)>(0), args.in_type(0).shape, args.attrs().integer("axis"), last,
                      [y](int64_t row, int64_t, int64_t index) { y[row] = index; });
  });
}

Attrs arg_attrs() { return {{"axis", int64_t{0}}, {"keepdims", int64_t{1}}, {"select_last_index", int64_t{0}}}; }

// ---- Hardmax --------------------------------------------------------------------------------------------------------

std::vector<Type> infer_hardmax(const InferContext& context) {
  require_float(context, 0);
  one_axis(context.attrs.integer("axis"), context.type(0).rank());
  return {context.type(0)};
}

void run_hardmax(const KernelArgs& args) {
  const Shape& shape = args.in_type(0).shape;
  const int64_t axis = args.attrs().integer("axis");
  const int64_t stride = row_major_strides(shape)[static_cast<size_t>(normalized_axis(axis, args.in_type(0).rank()))];
  visit_float(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    T* y = args.output<T>();
    std::fill_n(y, args.out_type().elements(), T{0});
    each_best<std::greater<>>(args.input<T>(0), shape, axis, false,
                              [&](int64_t, int64_t first, int64_t index) { y[first + index * stride] = 1; });
  });
}

}  // namespace

extern const OpDef kReduceMax = {
    .name = "ReduceMax",
    .doc = "The greatest element over the axes; left out or empty: as for ReduceSum. Ties share the gradient evenly",
    .min_inputs = 1,
    .max_inputs = 2,
    .defaults = reduction_attrs(),
    .infer = infer_reduction<Greatest>,
    .gradient = extreme_gradient,
    .kernels = {{.name = "reduce_max", .prepare = prepare_reduction<Greatest>, .run = run_reduction<Greatest>}},
};

extern const OpDef kReduceMin = {
    .name = "ReduceMin",
    .doc = "The least element over the axes; left out or empty: as for ReduceSum. Ties share the gradient evenly",
    .min_inputs = 1,
    .max_inputs = 2,
    .defaults = reduction_attrs(),
    .infer = infer_reduction<Least>,
    .gradient = extreme_gradient,
    .kernels = {{.name = "reduce_min", .prepare = prepare_reduction<Least>, .run = run_reduction<Least>}},
};

extern const OpDef kArgMax = {
    .name = "ArgMax",
    .doc = "i64 index of the greatest element along `axis`; of ties the first, or the last if select_last_index",
    .defaults = arg_attrs(),
    .infer = infer_arg,
    .gradient = no_gradient,
    .kernels = {{.name = "arg_max", .run = run_arg<std::greater<>>}},
};

extern const OpDef kArgMin = {
    .name = "ArgMin",
    .doc = "i64 index of the least element along `axis`; of ties the first, or the last if select_last_index",
    .defaults = arg_attrs(),
    .infer = infer_arg,
    .gradient = no_gradient,
    .kernels = {{.name = "arg_min", .run = run_arg<std::less<>>}},
};

extern const OpDef kHardmax = {
    .name = "Hardmax",
    .doc = "y = 1 at the first greatest element along `axis`, else 0; no gradient passes",
    .defaults = {{"axis", int64_t{-1}}},
    .infer = infer_hardmax,
    .gradient = no_gradient,
    .kernels = {{.name = "hardmax", .run = run_hardmax}},
};

}  // namespace marvin
