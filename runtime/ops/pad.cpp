// Pad and its gradient, and CenterCropPad.
#include <algorithm>
#include <numeric>

#include "runtime/kernels/parallel.h"
#include "runtime/kernels/strided.h"
#include "runtime/ops/types.h"

namespace marvin {
namespace {

enum class PadMode { constant, reflect, edge, wrap };

PadMode mode_of(const Attrs& attrs) {
  const std::string& mode = attrs.string("mode");
  if (mode == "constant") return PadMode::constant;
  if (mode == "reflect") return PadMode::reflect;
  if (mode == "edge") return PadMode::edge;
  if (mode == "wrap") return PadMode::wrap;
  throw Error("the mode '", mode, "' is not one of constant, reflect, edge and wrap");
}

// How an axis is padded: what negative pads leave of it is [low, high), and then it is extended.
struct PaddedAxis {
  int64_t inner = 1, outer = 1;  // the extents without and with it
  int64_t begin = 0;
  int64_t low = 0, high = 1;

  // The element that stands `i` elements after the first one of the padded axis; -1 where a constant does.
  int64_t source(int64_t i, PadMode mode) const {
    const int64_t at = i - begin, extent = high - low;
    if (at >= low && at < high) return at;
    if (mode == PadMode::constant) return -1;
    if (mode == PadMode::edge) return at < low ? low : high - 1;
    if (mode == PadMode::wrap) return low + modulo(at - low, extent);
    if (extent == 1) return low;
    const int64_t period = 2 * (extent - 1);  // the axis back and forth, its ends once
    const int64_t phase = modulo(at - low, period);
    return low + (phase < extent ? phase : period - phase);
  }
  static int64_t modulo(int64_t i, int64_t n) { return (i % n + n) % n; }
};

struct Padding {
  std::array<PaddedAxis, kMaxRank> axes;  // a scalar has one of extent 1
  size_t rank = 1;
  PadMode mode;

  // Rows lie along the last axis.
  const PaddedAxis& row() const { return axes[rank - 1]; }
  int64_t rows() const {
    int64_t count = 1;
    for (size_t i = 0; i + 1 < rank; ++i) count *= axes[i].outer;
    return count;
  }
  // The offset in the inner array of the row that the outer array's row `at` shows; -1 where a constant does.
  int64_t row_source(int64_t at) const {
    int64_t offset = 0, stride = row().inner;
    for (size_t axis = rank - 1; axis-- > 0;) {
      const int64_t from = axes[axis].source(at % axes[axis].outer, mode);
      if (from < 0) return -1;
      offset += from * stride;
      at /= axes[axis].outer;
      stride *= axes[axis].inner;
    }
    return offset;
  }
};

constexpr int64_t kMostPad = int64_t{1} << 48;

// pads: the begins of the listed axes, then their ends. No axes: all of them.
Padding make_padding(const Shape& inner, std::span<const int64_t> pads, std::span<const int64_t> axes, PadMode mode) {
  Padding result{.rank = std::max<size_t>(1, inner.size()), .mode = mode};
  for (size_t i = 0; i < inner.size(); ++i)
    result.axes[i] = {.inner = inner[i], .outer = inner[i], .low = 0, .high = inner[i]};
  for (size_t i = 0; i < pads.size() / 2; ++i) {
    const int64_t named = axes.empty() ? static_cast<int64_t>(i) : axes[i];
    PaddedAxis& axis = result.axes[static_cast<size_t>(normalized_axis(named, std::ssize(inner)))];
    const int64_t end = pads[pads.size() / 2 + i];
    axis.begin = pads[i];
    axis.outer += axis.begin + end;
    axis.low -= std::min<int64_t>(axis.begin, 0);
    axis.high += std::min<int64_t>(end, 0);
  }
  return result;
}

Padding make_padding(const Shape& inner, const KernelArgs& args, size_t pads, size_t axes) {
  return make_padding(inner, SmallIntegers(args, pads).values(), SmallIntegers(args, axes).values(),
                      mode_of(args.attrs()));
}

template <class T>
void pad_row(const T* x, T* y, T constant, const Padding& padding) {
  const PaddedAxis& row = padding.row();
  const auto shown = [&](int64_t i) {
    const int64_t from = row.source(i, padding.mode);
    return from < 0 ? constant : x[from];
  };
  const int64_t left = std::clamp<int64_t>(row.begin + row.low, 0, row.outer);
  const int64_t right = std::clamp(row.begin + row.high, left, row.outer);
  for (int64_t i = 0; i < left; ++i) y[i] = shown(i);
  for (int64_t i = left; i < right; ++i) y[i] = x[i - row.begin];
  for (int64_t i = right; i < row.outer; ++i) y[i] = shown(i);
}

template <class T>
void pad(const T* x, T* y, T constant, const Padding& padding) {
  const int64_t width = padding.row().outer, rows = width ? padding.rows() : 0;
#pragma omp parallel for schedule(static) if (rows * width >= kParallelElements)
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t from = padding.row_source(row);
    if (from < 0)
      std::fill_n(y + row * width, width, constant);
    else
      pad_row(x + from, y + row * width, constant, padding);
  }
}

// Adds every element of dy to the one that it shows. Rows under different indices of an unpadded first axis show
// different elements, so threads may share them.
template <class T>
void add_padded(const T* dy, T* dx, const Padding& padding) {
  const PaddedAxis& first = padding.axes[0];
  const int64_t width = padding.row().outer, rows = width ? padding.rows() : 0;
  const bool apart = padding.rank > 1 && first.begin == 0 && first.inner == first.outer;
  const int64_t groups = apart ? first.outer : 1;
#pragma omp parallel for schedule(static) if (rows * width >= kParallelElements && groups > 1)
  for (int64_t group = 0; group < groups; ++group) {
    for (int64_t row = rows / groups * group; row < rows / groups * (group + 1); ++row) {
      const int64_t to = padding.row_source(row);
      if (to < 0) continue;
      for (int64_t i = 0; i < width; ++i) {
        const int64_t k = padding.row().source(i, padding.mode);
        if (k >= 0) dx[to + k] += dy[row * width + i];
      }
    }
  }
}

// The shape with the pads of operand `pads` around, at the axes of the operand behind that. Throws Error where there is
// none.
Shape padded_shape(const InferContext& context, const Shape& shape, size_t pads_at, size_t axes_at) {
  const std::vector<int64_t> pads = int64_operand(context, pads_at, "pads");
  std::vector<int64_t> axes(shape.size());
  std::iota(axes.begin(), axes.end(), 0);
  if (context.has(axes_at)) axes = context.integers(axes_at, "the axes");
  if (pads.size() != 2 * axes.size()) throw Error(pads.size(), " pads for ", axes.size(), " axes");
  listed_axes(axes, std::ssize(shape));
  for (const int64_t pad : pads)
    if (pad < -kMostPad || pad > kMostPad) throw Error("a pad of ", pad);
  const Padding padding = make_padding(shape, pads, axes, mode_of(context.attrs));
  Shape result;
  for (size_t i = 0; i < shape.size(); ++i) {
    const PaddedAxis& axis = padding.axes[i];
    if (axis.outer < 0) throw Error("the pads take away more than axis ", i, " of [", text_of(shape), "] has");
    if (axis.low >= axis.high && axis.outer > 0 && padding.mode != PadMode::constant) {
      throw Error("the pads leave nothing to show of axis ", i, " of [", text_of(shape), "]");
    }
    result.push_back(axis.outer);
  }
  return result;
}

std::vector<Type> infer_pad(const InferContext& context) {
  const Type& in = context.type(0);
  if (context.has(2)) {
    require_same_dtype(context, 0, 2);
    if (context.type(2).elements() != 1) throw Error("the constant must be a scalar, not ", text_of(context.type(2)));
  }
  return {Type{in.dtype, padded_shape(context, in.shape, 1, 3)}};
}

void run_pad(const KernelArgs& args) {
  const Padding padding = make_padding(args.in_type(0).shape, args, 1, 3);
  visit_unsigned(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* constant = args.input<T>(2);
    pad(args.input<T>(0), args.output<T>(), constant ? *constant : T{}, padding);
  });
}

std::vector<ValueId> pad_gradient(GradContext& context) {
  const ValueId shape = context.constant_shape(context.shape(context.in(0)));
  const Attrs attrs = {{"mode", context.attrs().string("mode")}};
  const ValueId dx = context.build("PadGrad", {context.grad(), shape, context.in(1), context.in(3)}, attrs);
  if (!context.wants(2)) return {dx};
  // What does not go to x goes to the constant.
  const Attrs to_scalar = {{"keepdims", int64_t{0}}};
  const ValueId all = context.build("ReduceSum", {context.grad()}, to_scalar);
  const ValueId rest = context.build("Sub", {all, context.build("ReduceSum", {dx}, to_scalar)});
  return {dx, ValueId{}, context.reshape(rest, context.shape(context.in(2)))};
}

std::vector<Type> infer_pad_gradient(const InferContext& context) {
  require_float(context, 0);
  const Type in{context.type(0).dtype, int64_operand(context, 1, "the shape")};
  if (padded_shape(context, in.shape, 2, 3) != context.shape(0)) {
    throw Error(text_of(context.type(0)), " is not a padded [", text_of(in.shape), "]");
  }
  return {in};
}

void run_pad_gradient(const KernelArgs& args) {
  const Padding padding = make_padding(args.out_type().shape, args, 2, 3);
  visit_float(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    std::fill_n(args.output<T>(), args.out_type().elements(), T{});
    add_padded(args.input<T>(0), args.output<T>(), padding);
  });
}

// ---- CenterCropPad --------------------------------------------------------------------------------------------------

// Half of what is missing comes before, rounded down; of what is too much, half is taken away before.
std::vector<ValueId> expand_center_crop_pad(ExpandContext& context) {
  const Shape shape = context.shape(context.in(0));
  const std::vector<int64_t> wanted = context.integers(context.in(1), "the shape");
  std::vector<int64_t> axes = context.attrs().integers("axes");
  if (axes.empty()) {
    axes.resize(shape.size());
    std::iota(axes.begin(), axes.end(), 0);
  }
  if (wanted.size() != axes.size()) throw Error(wanted.size(), " extents for ", axes.size(), " axes");
  std::vector<int64_t> pads(2 * axes.size());
  for (size_t i = 0; i < axes.size(); ++i) {
    if (wanted[i] < 0 || wanted[i] > kMostPad) throw Error("an extent of ", wanted[i]);
    const int64_t extent = shape[static_cast<size_t>(normalized_axis(axes[i], std::ssize(shape)))];
    const int64_t missing = wanted[i] - extent;
    pads[i] = missing / 2;
    pads[axes.size() + i] = missing - missing / 2;
  }
  return {context.build("Pad", {context.in(0), context.constant_shape(pads), {}, context.constant_shape(axes)})};
}

}  // namespace

extern const OpDef kPad = {
    .name = "Pad",
    .doc =
        "x with pads (i64 vector: before every axis, then after every axis; negative ones take away first) filled with "
        "a constant scalar or 0, mirrored (mode reflect), repeated (mode edge) or continued periodically (mode wrap): "
        "operands x, pads, constant, and the axes that the pads are of; left out: all",
    .min_inputs = 2,
    .max_inputs = 4,
    .defaults = {{"mode", "constant"}},
    .infer = infer_pad,
    .gradient = pad_gradient,
    .kernels = {{.name = "pad", .run = run_pad}},
};

extern const OpDef kPadGrad = {
    .name = "PadGrad",
    .doc =
        "For every element of an array of the given shape, the sum of dy where Pad shows it: operands dy, shape, pads, "
        "axes",
    .min_inputs = 3,
    .max_inputs = 4,
    .defaults = {{"mode", "constant"}},
    .infer = infer_pad_gradient,
    .kernels = {{.name = "pad_grad", .run = run_pad_gradient}},
};

extern const OpDef kCenterCropPad = {
    .name = "CenterCropPad",
    .doc =
        "x cut or padded with zeros to the given extents (constant integers) of the given axes (none: all), its middle "
        "in "
        "the middle",
    .min_inputs = 2,
    .max_inputs = 2,
    .defaults = {{"axes", std::vector<int64_t>{}}},
    .expand = expand_center_crop_pad,
};

}  // namespace marvin
