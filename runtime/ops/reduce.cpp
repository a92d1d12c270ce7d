// Ops that reduce axes to extent 1: sums, means, extremes, norms, and where the extreme is.
#include <bitset>
#include <cmath>
#include <limits>

#include "runtime/kernels/parallel.h"
#include "runtime/kernels/strided.h"
#include "runtime/ops/list.h"
#include "runtime/ops/types.h"

namespace marvin {
namespace {

// ---- Axes -----------------------------------------------------------------------------------------------------------

using AxisSet = std::bitset<kMaxRank>;

// No axes stand for all of them, or for none when `noop`.
AxisSet axis_set(std::span<const int64_t> axes, int64_t rank, bool noop) {
  AxisSet set;
  for (const int64_t axis : axes) set.set(static_cast<size_t>(normalized_axis(axis, rank)));
  if (axes.empty() && !noop)
    for (int64_t axis = 0; axis < rank; ++axis) set.set(static_cast<size_t>(axis));
  return set;
}

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

// ReduceSum takes its axes as an operand, the other reductions as an attribute.
bool has_axes_operand(const Attrs& attrs) { return !attrs.has("axes"); }

AxisSet axes_of(const Attrs& attrs, std::span<const int64_t> operand, int64_t rank) {
  if (!has_axes_operand(attrs)) return axis_set(attrs.integers("axes"), rank, false);
  return axis_set(operand, rank, attrs.integer("noop_with_empty_axes") != 0);
}

std::vector<Type> infer_reduction(const InferContext& context) {
  require_numeric(context, 0);
  const Type& in = context.type(0);
  const std::vector<int64_t> operand = context.has(1) ? int64_operand(context, 1, "axes") : std::vector<int64_t>{};
  const AxisSet axes = axes_of(context.attrs, operand, in.rank());
  return {Type{in.dtype, reduced_shape(in.shape, axes, context.attrs.integer("keepdims") != 0)}};
}

// ---- Kernels --------------------------------------------------------------------------------------------------------

// Floats are summed up in double, so that the order of the terms hardly matters; integers wrap.
template <class T>
struct Sum {
  using Acc = std::conditional_t<std::is_integral_v<T>, uint64_t, double>;
  static Acc start() { return 0; }
  static Acc add(Acc sum, T x) { return sum + static_cast<Acc>(x); }
  static Acc merge(Acc a, Acc b) { return a + b; }
  static T finish(Acc sum, int64_t) { return static_cast<T>(sum); }
};

template <class T>
struct Mean : Sum<T> {
  static T finish(typename Sum<T>::Acc sum, int64_t count) {
    if constexpr (std::is_integral_v<T>) return static_cast<T>(count ? static_cast<int64_t>(sum) / count : 0);
    return static_cast<T>(sum / static_cast<typename Sum<T>::Acc>(count));
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

// A NaN among the elements is the result.
template <class T>
struct Greatest {
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

constexpr int64_t kLanes = 16;

// Reduces consecutive elements into lanes, element i into lane i % kLanes.
template <class R, class T, class Acc>
MARVIN_CLONES void reduce_run(const T* x, int64_t n, Acc* lanes) {
  Acc local[kLanes];
  for (int64_t k = 0; k < kLanes; ++k) local[k] = lanes[k];
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int64_t k = 0; k < kLanes; ++k) local[k] = R::add(local[k], x[i + k]);
  for (int64_t k = 0; i + k < n; ++k) local[k] = R::add(local[k], x[i + k]);
  for (int64_t k = 0; k < kLanes; ++k) lanes[k] = local[k];
}

// Reduces rows of n elements, `stride` apart, into n accumulators.
template <class R, class T, class Acc>
MARVIN_CLONES void reduce_rows(const T* x, int64_t rows, int64_t stride, int64_t n, Acc* accumulators) {
  for (int64_t row = 0; row < rows; ++row, x += stride)
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) accumulators[i] = R::add(accumulators[i], x[i]);
}

constexpr int64_t kChunk = 512;            // outputs of a task, at most
constexpr int64_t kRowsPerBlock = 1024;    // reduced positions of a task when outputs lie side by side
constexpr int64_t kRunPerBlock = 1 << 14;  // the same when reduced elements do

// The outputs are cut into chunks and the positions that each is reduced over into blocks, by the shapes alone: blocks
// are reduced in parallel and merged in order, so the result does not depend on the number of threads.
template <class R, class T>
class Reduction {
 public:
  using Acc = typename R::Acc;

  Reduction(const Shape& shape, const AxisSet& axes) {
    const auto strides = row_major_strides(shape);
    for (size_t i = 0; i < shape.size(); ++i) (axes.test(i) ? reduced_ : kept_).add_axis(shape[i], {strides[i]});
    rows_ = reduced_.step(0) != 1;
    const int64_t length = reduced_.count();
    block_ = rows_ ? kRowsPerBlock : kRunPerBlock;
    blocks_ = std::max<int64_t>(1, (length + block_ - 1) / block_);
    chunk_ = rows_ ? kChunk : std::clamp<int64_t>(kRunPerBlock / std::max<int64_t>(1, length), 1, kChunk);
  }

  // The scratch that `run` needs for `outputs` reductions of `length` elements, whichever their axes are.
  static int64_t scratch_bytes(int64_t outputs, int64_t length) {
    const int64_t blocks = (length + kRowsPerBlock - 1) / kRowsPerBlock;
    return blocks > 1 ? outputs * blocks * static_cast<int64_t>(sizeof(Acc)) : 0;
  }

  void run(const T* x, T* y, Acc* scratch) const {
    const int64_t outputs = kept_.count(), length = reduced_.count();
    const int64_t tasks = (outputs + chunk_ - 1) / chunk_ * blocks_;
#pragma omp parallel for schedule(static) if (outputs * length >= kParallelElements && tasks > 1)
    for (int64_t task = 0; task < tasks; ++task) {
      const int64_t first = task / blocks_ * chunk_, last = std::min(first + chunk_, outputs);
      const int64_t block = task % blocks_, begin = block * block_, end = std::min(begin + block_, length);
      Acc accumulators[kChunk];
      fill(x, first, last, begin, end, accumulators);
      for (int64_t i = first; i < last; ++i) {
        if (blocks_ == 1)
          y[i] = R::finish(accumulators[i - first], length);
        else
          scratch[block * outputs + i] = accumulators[i - first];
      }
    }
    if (blocks_ > 1) merge(scratch, y);
  }

 private:
  // Reduces outputs [first, last) over the reduced positions [begin, end).
  void fill(const T* x, int64_t first, int64_t last, int64_t begin, int64_t end, Acc* accumulators) const {
    kept_.walk(first, last, [&](int64_t output, const auto& at, int64_t n) {
      Acc* to = accumulators + (output - first);
      if (rows_) {
        std::fill_n(to, n, R::start());
        reduced_.walk(begin, end, [&](int64_t, const auto& row, int64_t rows) {
          reduce_rows<R>(x + at[0] + row[0], rows, reduced_.step(0), n, to);
        });
      } else {
        for (int64_t i = 0; i < n; ++i) to[i] = reduce_one(x + at[0] + i * kept_.step(0), begin, end);
      }
    });
  }

  Acc reduce_one(const T* x, int64_t begin, int64_t end) const {
    if (reduced_.rank() == 1 && end - begin <= kLanes) {
      Acc result = R::start();
      for (int64_t k = begin; k < end; ++k) result = R::add(result, x[k]);
      return result;
    }
    Acc lanes[kLanes];
    std::fill_n(lanes, kLanes, R::start());
    reduced_.walk(begin, end, [&](int64_t, const auto& at, int64_t n) {
      if (n >= kLanes) return reduce_run<R>(x + at[0], n, lanes);
      for (int64_t k = 0; k < n; ++k) lanes[k] = R::add(lanes[k], x[at[0] + k]);
    });
    Acc result = lanes[0];
    for (int64_t k = 1; k < kLanes; ++k) result = R::merge(result, lanes[k]);
    return result;
  }

  void merge(const Acc* scratch, T* y) const {
    const int64_t outputs = kept_.count(), length = reduced_.count();
    parallel_blocks(outputs, 1 << 10, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        Acc result = scratch[i];
        for (int64_t block = 1; block < blocks_; ++block) result = R::merge(result, scratch[block * outputs + i]);
        y[i] = R::finish(result, length);
      }
    });
  }

  StridedLoop<1> kept_, reduced_;
  bool rows_ = false;  // outputs lie side by side in x, so whole rows are added; else reduced elements do
  int64_t block_ = 0, blocks_ = 0, chunk_ = 0;
};

template <template <class> class R>
Prepared prepare_reduction(const KernelQuery& query) {
  Prepared prepared;
  visit_numeric(query.in[0]->dtype, [&](auto zero) {
    using T = decltype(zero);
    const int64_t outputs = query.out[0]->elements();
    const int64_t length = query.in[0]->elements() / std::max<int64_t>(1, outputs);
    prepared.scratch_bytes = Reduction<R<T>, T>::scratch_bytes(outputs, length);
  });
  return prepared;
}

template <template <class> class R>
void run_reduction(const KernelArgs& args) {
  std::span<const int64_t> operand;
  if (const int64_t* axes = args.input<int64_t>(1)) operand = {axes, static_cast<size_t>(args.in_type(1).elements())};
  const AxisSet axes = axes_of(args.attrs(), operand, args.in_type(0).rank());
  visit_numeric(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    using Acc = typename R<T>::Acc;
    const Reduction<R<T>, T> reduction(args.in_type(0).shape, axes);
    reduction.run(args.input<T>(0), args.output<T>(), reinterpret_cast<Acc*>(args.scratch));
  });
}

// ---- Gradients ------------------------------------------------------------------------------------------------------

AxisSet axes_of(GradContext& context) {
  const Tensor* axes = context.constant(context.in(1));
  const std::vector<int64_t> operand = axes ? to_int64(*axes) : std::vector<int64_t>{};
  return axes_of(context.attrs(), operand, context.type(context.in(0)).rank());
}

// A value of the output's shape, with the reduced axes back as ones.
ValueId unsqueezed(GradContext& context, ValueId value) {
  return context.reshape(value, reduced_shape(context.shape(context.in(0)), axes_of(context), true));
}

ValueId expanded(GradContext& context, ValueId value) {
  return context.build("Expand", {unsqueezed(context, value), context.constant_shape(context.shape(context.in(0)))});
}

std::vector<ValueId> sum_gradient(GradContext& context) { return {expanded(context, context.grad())}; }

std::vector<ValueId> mean_gradient(GradContext& context) {
  const double count = static_cast<double>(context.type(context.in(0)).elements()) /
                       static_cast<double>(std::max<int64_t>(1, context.type(context.out(0)).elements()));
  return {expanded(context, context.build("Div", {context.grad(), context.scalar_like(context.grad(), count)}))};
}

std::vector<ValueId> sum_square_gradient(GradContext& context) {
  const ValueId twice = context.build("Mul", {context.grad(), context.scalar_like(context.grad(), 2)});
  return {context.build("Mul", {context.in(0), unsqueezed(context, twice)})};
}

// x / |x|, and zero where the norm is.
std::vector<ValueId> norm_gradient(GradContext& context) {
  const ValueId zero = context.scalar_like(context.grad(), 0);
  const ValueId is_zero = context.build("Equal", {context.out(0), zero});
  const ValueId scale = context.build("Where", {is_zero, zero, context.build("Div", {context.grad(), context.out(0)})});
  return {context.build("Mul", {context.in(0), unsqueezed(context, scale)})};
}

// Elements that tie share the gradient evenly.
std::vector<ValueId> extreme_gradient(GradContext& context) {
  const ValueId is_best = context.build("Equal", {context.in(0), unsqueezed(context, context.out(0))});
  const int64_t dtype = onnx_number_of(context.type(context.in(0)).dtype);
  const ValueId mask = context.build("Cast", {is_best}, {{"to", dtype}});
  const ValueId ties = context.sum_to(mask, context.shape(unsqueezed(context, context.out(0))));
  const ValueId share = context.build("Div", {unsqueezed(context, context.grad()), ties});
  return {context.build("Mul", {mask, share})};
}

Attrs axes_attrs() { return {{"axes", std::vector<int64_t>{}}, {"keepdims", int64_t{1}}}; }

// ---- Where the extreme is -------------------------------------------------------------------------------------------

std::vector<Type> infer_arg(const InferContext& context) {
  require_numeric(context, 0);
  const Shape& shape = context.shape(0);
  const int64_t axis = context.attrs.integer("axis");
  const AxisSet axes = axis_set({&axis, 1}, context.type(0).rank(), false);
  if (shape[static_cast<size_t>(normalized_axis(axis, context.type(0).rank()))] == 0)
    throw Error("axis ", axis, " is empty");
  return {Type{DType::i64, reduced_shape(shape, axes, context.attrs.integer("keepdims") != 0)}};
}

// `better(a, b)`: a replaces b. The first NaN wins over all numbers.
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

template <class Better>
void run_arg(const KernelArgs& args) {
  const Shape& shape = args.in_type(0).shape;
  const size_t axis = static_cast<size_t>(normalized_axis(args.attrs().integer("axis"), args.in_type(0).rank()));
  const int64_t count = shape[axis], stride = row_major_strides(shape)[axis];
  const bool last = args.attrs().integer("select_last_index") != 0;
  int64_t* y = args.output<int64_t>();
  visit_numeric(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* x = args.input<T>(0);
    parallel_blocks(args.out_type().elements(), 1 << 8, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        y[i] = best_index(x + i / stride * count * stride + i % stride, count, stride, last, Better{});
      }
    });
  });
}

Attrs arg_attrs() { return {{"axis", int64_t{0}}, {"keepdims", int64_t{1}}, {"select_last_index", int64_t{0}}}; }

}  // namespace

const OpDef kReduceSum = {
    .name = "ReduceSum",
    .doc = "The sum over the axes (i64 vector; left out or empty: over all, or y = x if noop_with_empty_axes)",
    .min_inputs = 1,
    .max_inputs = 2,
    .defaults = {{"keepdims", int64_t{1}}, {"noop_with_empty_axes", int64_t{0}}},
    .infer = infer_reduction,
    .gradient = sum_gradient,
    .kernels = {{.name = "reduce_sum", .prepare = prepare_reduction<Sum>, .run = run_reduction<Sum>}},
};

const OpDef kReduceMean = {
    .name = "ReduceMean",
    .doc = "The mean over the axes; no axes: over all",
    .defaults = axes_attrs(),
    .infer = infer_reduction,
    .gradient = mean_gradient,
    .kernels = {{.name = "reduce_mean", .prepare = prepare_reduction<Mean>, .run = run_reduction<Mean>}},
};

const OpDef kReduceSumSquare = {
    .name = "ReduceSumSquare",
    .doc = "The sum of squares over the axes; no axes: over all",
    .defaults = axes_attrs(),
    .infer = infer_reduction,
    .gradient = sum_square_gradient,
    .kernels = {{.name = "reduce_sum_square",
                 .prepare = prepare_reduction<SumSquare>,
                 .run = run_reduction<SumSquare>}},
};

const OpDef kReduceL2 = {
    .name = "ReduceL2",
    .doc = "The square root of the sum of squares over the axes; no axes: over all",
    .defaults = axes_attrs(),
    .infer = infer_reduction,
    .gradient = norm_gradient,
    .kernels = {{.name = "reduce_l2", .prepare = prepare_reduction<Norm>, .run = run_reduction<Norm>}},
};

const OpDef kReduceMax = {
    .name = "ReduceMax",
    .doc = "The greatest element over the axes; no axes: over all. Ties share the gradient evenly",
    .defaults = axes_attrs(),
    .infer = infer_reduction,
    .gradient = extreme_gradient,
    .kernels = {{.name = "reduce_max", .prepare = prepare_reduction<Greatest>, .run = run_reduction<Greatest>}},
};

const OpDef kReduceMin = {
    .name = "ReduceMin",
    .doc = "The least element over the axes; no axes: over all. Ties share the gradient evenly",
    .defaults = axes_attrs(),
    .infer = infer_reduction,
    .gradient = extreme_gradient,
    .kernels = {{.name = "reduce_min", .prepare = prepare_reduction<Least>, .run = run_reduction<Least>}},
};

const OpDef kArgMax = {
    .name = "ArgMax",
    .doc = "i64 index of the greatest element along `axis`; of ties the first, or the last if select_last_index",
    .defaults = arg_attrs(),
    .infer = infer_arg,
    .gradient = no_gradient,
    .kernels = {{.name = "arg_max", .run = run_arg<std::greater<>>}},
};

const OpDef kArgMin = {
    .name = "ArgMin",
    .doc = "i64 index of the least element along `axis`; of ties the first, or the last if select_last_index",
    .defaults = arg_attrs(),
    .infer = infer_arg,
    .gradient = no_gradient,
    .kernels = {{.name = "arg_min", .run = run_arg<std::less<>>}},
};

}  // namespace marvin
