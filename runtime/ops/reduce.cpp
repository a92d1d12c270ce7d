// Sums, means, norms and products over the axes that an operand lists.
#include <cmath>
#include <utility>

#include "runtime/kernels/channel_sum.h"
#include "runtime/ops/elementwise.h"
#include "runtime/ops/reduction.h"

namespace marvin {
namespace {

// ---- How elements are accumulated -----------------------------------------------------------------------------------

// Floats are summed up in double, so that the order of the terms hardly matters; integers wrap.
template <class T>
struct Sum {
  static constexpr bool kAdmits = std::is_arithmetic_v<T> && sizeof(T) >= 4;
  using Acc = std::conditional_t<std::is_integral_v<T>, uint64_t, double>;
  static Acc start() { return 0; }
  static Acc add(Acc sum, T x) { return sum + static_cast<Acc>(x); }
  static Acc merge(Acc a, Acc b) { return a + b; }
  static T finish(Acc sum, int64_t) { return static_cast<T>(sum); }
};

template <class T>
struct Mean : Sum<T> {
  static T finish(typename Sum<T>::Acc sum, int64_t count) {
    if constexpr (std::is_floating_point_v<T>)
      return static_cast<T>(sum / static_cast<double>(count));
    else if constexpr (std::is_signed_v<T>)
      return static_cast<T>(count ? static_cast<int64_t>(sum) / count : 0);
    else
      return static_cast<T>(count ? sum / static_cast<uint64_t>(count) : 0);
  }
};

template <class T>
struct SumSquare : Sum<T> {
  using Acc = typename Sum<T>::Acc;
  static Acc add(Acc sum, T x) { return sum + static_cast<Acc>(x) * static_cast<Acc>(x); }
};

template <class T>
struct Norm : SumSquare<T> {
  static T finish(typename Sum<T>::Acc sum, int64_t) { return static_cast<T>(std::sqrt(static_cast<double>(sum))); }
};

template <class T>
struct Product : Sum<T> {
  using Acc = typename Sum<T>::Acc;
  static Acc start() { return 1; }
  static Acc add(Acc product, T x) { return product * static_cast<Acc>(x); }
  static Acc merge(Acc a, Acc b) { return a * b; }
};

// The sum of e^x as e^greatest * sum, so that nothing overflows.
template <class T>
struct LogSumExp {
  static constexpr bool kAdmits = std::is_floating_point_v<T>;
  struct Acc {
    double greatest, sum;
  };
  static Acc start() { return {-std::numeric_limits<double>::infinity(), 0}; }
  static Acc add(Acc acc, T x) { return merge(acc, {static_cast<double>(x), 1}); }
  static Acc merge(Acc a, Acc b) {
    if (a.greatest < b.greatest) std::swap(a, b);
    return {a.greatest, a.sum + (a.greatest == b.greatest ? b.sum : b.sum * std::exp(b.greatest - a.greatest))};
  }
  static T finish(Acc acc, int64_t) { return static_cast<T>(acc.greatest + std::log(acc.sum)); }
};

// ---- Gradients ------------------------------------------------------------------------------------------------------

ValueId expanded(GradContext& c, ValueId value) {
  return c.build("Expand", {with_reduced_axes(c, value), c.constant_shape(c.shape(c.in(0)))});
}

std::vector<ValueId> sum_gradient(GradContext& c) { return {expanded(c, c.grad())}; }

std::vector<ValueId> mean_gradient(GradContext& c) {
  const double count = static_cast<double>(c.type(c.in(0)).elements()) /
                       static_cast<double>(std::max<int64_t>(1, c.type(c.out(0)).elements()));
  return {expanded(c, c.build("Div", {c.grad(), c.scalar_like(c.grad(), count)}))};
}

std::vector<ValueId> sum_square_gradient(GradContext& c) {
  return {mul(c, c.in(0), with_reduced_axes(c, mul(c, c.grad(), 2)))};
}

// x / |x|, and zero where the norm is.
std::vector<ValueId> norm_gradient(GradContext& c) {
  const ValueId zero = c.scalar_like(c.grad(), 0);
  const ValueId is_zero = c.build("Equal", {c.out(0), zero});
  const ValueId scale = c.build("Where", {is_zero, zero, c.build("Div", {c.grad(), c.out(0)})});
  return {mul(c, c.in(0), with_reduced_axes(c, scale))};
}

// The product of all other elements: of those that are not zero, divided by x; zero where another element is.
std::vector<ValueId> product_gradient(GradContext& c) {
  const Attrs keep = {{"keepdims", int64_t{1}}, {"noop_with_empty_axes", c.attrs().integer("noop_with_empty_axes")}};
  const ValueId x = c.in(0), zero = c.scalar_like(x, 0), is_zero = compare(c, "Equal", x, 0);
  const ValueId not_zero = c.build("Where", {is_zero, c.scalar_like(x, 1), x});
  const ValueId product = c.build("ReduceProd", {not_zero, c.in(1)}, keep);
  const ValueId zero_here = c.cast(is_zero, c.type(x).dtype);
  const ValueId zeros = c.build("ReduceSum", {zero_here, c.in(1)}, keep);
  const ValueId others = c.build("Div", {product, not_zero});
  const ValueId slope = c.build("Where", {c.build("Equal", {zeros, zero_here}), others, zero});
  return {mul(c, slope, with_reduced_axes(c, c.grad()))};
}

// Each element's share of the sum of exponentials.
std::vector<ValueId> log_sum_exp_gradient(GradContext& c) {
  const ValueId share = c.build("Exp", {c.build("Sub", {c.in(0), with_reduced_axes(c, c.out(0))})});
  return {mul(c, share, with_reduced_axes(c, c.grad()))};
}

// ---- Sums of rows ---------------------------------------------------------------------------------------------------

// Whether all axes but the last are summed, and stay as ones: gradients of biases.
bool sums_rows(const KernelQuery& query) {
  constexpr int64_t kFewestColumns = 16;
  const Type &in = *query.in[0], &out = *query.out[0];
  if (in.dtype != DType::f32 || in.rank() < 2 || in.rank() != out.rank() || in.elements() == 0) return false;
  const int64_t columns = in.shape.back();
  return columns >= kFewestColumns && out.shape.back() == columns && out.elements() == columns;
}

int64_t rows_of(const Type& in, const Type& out) { return in.elements() / out.elements(); }

const Kernel kSumRows = {
    .name = "reduce_sum_rows_f32",
    .admits = sums_rows,
    .prepare = [](const KernelQuery& query) -> Prepared {
      const Type& out = *query.out[0];
      return {nullptr, channel_sum_scratch_bytes(rows_of(*query.in[0], out), out.elements())};
    },
    .run =
        [](const KernelArgs& args) {
          const int64_t columns = args.out_type().elements();
          channel_sum_rows(args.input<float>(0), rows_of(args.in_type(0), args.out_type()), columns, args.scratch,
                           args.first / columns);
        },
    .finish =
        [](const KernelArgs& args) {
          channel_sum_total(rows_of(args.in_type(0), args.out_type()), args.out_type().elements(), args.scratch,
                            args.output<float>());
        },
    .tiling = [](const KernelQuery& query) -> std::optional<Tiling> {
      return Tiling{.elements = query.in[0]->elements(), .in = 1, .grain = kChannelSumRows * query.out[0]->elements()};
    }};

}  // namespace

extern const OpDef kReduceSum = {
    .name = "ReduceSum",
    .doc = "The sum over the axes (i64 vector; left out or empty: over all, or over none if noop_with_empty_axes)",
    .min_inputs = 1,
    .max_inputs = 2,
    .defaults = reduction_attrs(),
    .infer = infer_reduction<Sum>,
    .gradient = sum_gradient,
    .kernels = {kSumRows, {.name = "reduce_sum", .prepare = prepare_reduction<Sum>, .run = run_reduction<Sum>}},
};

extern const OpDef kReduceMean = {
    .name = "ReduceMean",
    .doc = "The mean over the axes; left out or empty: as for ReduceSum",
    .min_inputs = 1,
    .max_inputs = 2,
    .defaults = reduction_attrs(),
    .infer = infer_reduction<Mean>,
    .gradient = mean_gradient,
    .kernels = {{.name = "reduce_mean", .prepare = prepare_reduction<Mean>, .run = run_reduction<Mean>}},
};

extern const OpDef kReduceSumSquare = {
    .name = "ReduceSumSquare",
    .doc = "The sum of squares over the axes; left out or empty: as for ReduceSum",
    .min_inputs = 1,
    .max_inputs = 2,
    .defaults = reduction_attrs(),
    .infer = infer_reduction<SumSquare>,
    .gradient = sum_square_gradient,
    .kernels = {{.name = "reduce_sum_square",
                 .prepare = prepare_reduction<SumSquare>,
                 .run = run_reduction<SumSquare>}},
};

extern const OpDef kReduceL1 = {
    .name = "ReduceL1",
    .doc = "The sum of magnitudes over the axes; left out or empty: as for ReduceSum",
    .min_inputs = 1,
    .max_inputs = 2,
    .defaults = reduction_attrs(),
    .expand = [](ExpandContext& c) -> std::vector<ValueId> {
      return {c.build("ReduceSum", {c.build("Abs", {c.in(0)}), c.in(1)}, c.attrs())};
    },
};

extern const OpDef kReduceL2 = {
    .name = "ReduceL2",
    .doc = "The square root of the sum of squares over the axes; left out or empty: as for ReduceSum",
    .min_inputs = 1,
    .max_inputs = 2,
    .defaults = reduction_attrs(),
    .infer = infer_reduction<Norm>,
    .gradient = norm_gradient,
    .kernels = {{.name = "reduce_l2", .prepare = prepare_reduction<Norm>, .run = run_reduction<Norm>}},
};

extern const OpDef kReduceLogSum = {
    .name = "ReduceLogSum",
    .doc = "The logarithm of the sum over the axes; left out or empty: as for ReduceSum",
    .min_inputs = 1,
    .max_inputs = 2,
    .defaults = reduction_attrs(),
    .expand = [](ExpandContext& c) -> std::vector<ValueId> {
      return {c.build("Log", {c.build("ReduceSum", {c.in(0), c.in(1)}, c.attrs())})};
    },
};

extern const OpDef kReduceLogSumExp = {
    .name = "ReduceLogSumExp",
    .doc = "The logarithm of the sum of e^x over the axes, without overflow; left out or empty: as for ReduceSum",
    .min_inputs = 1,
    .max_inputs = 2,
    .defaults = reduction_attrs(),
    .infer = infer_reduction<LogSumExp>,
    .gradient = log_sum_exp_gradient,
    .kernels = {{.name = "reduce_log_sum_exp",
                 .prepare = prepare_reduction<LogSumExp>,
                 .run = run_reduction<LogSumExp>}},
};

extern const OpDef kReduceProd = {
    .name = "ReduceProd",
    .doc = "The product over the axes; left out or empty: as for ReduceSum",
    .min_inputs = 1,
    .max_inputs = 2,
    .defaults = reduction_attrs(),
    .infer = infer_reduction<Product>,
    .gradient = product_gradient,
    .kernels = {{.name = "reduce_prod", .prepare = prepare_reduction<Product>, .run = run_reduction<Product>}},
};

}  // namespace marvin
