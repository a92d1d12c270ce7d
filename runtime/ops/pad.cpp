// Pad and its gradient.
#include <algorithm>

#include "runtime/kernels/parallel.h"
#include "runtime/kernels/strided.h"
#include "runtime/ops/list.h"
#include "runtime/ops/types.h"

namespace marvin {
namespace {

enum class PadMode { constant, reflect, edge };

PadMode mode_of(const Attrs& attrs) {
  const std::string& mode = attrs.string("mode");
  if (mode == "constant") return PadMode::constant;
  if (mode == "reflect") return PadMode::reflect;
  if (mode == "edge") return PadMode::edge;
  throw Error("the mode '", mode, "' is not one of constant, reflect and edge");
}

// The element of an axis of `extent` that stands `i` elements after its first one; -1 where a constant does.
int64_t source(int64_t i, int64_t extent, PadMode mode) {
  if (i >= 0 && i < extent) return i;
  if (mode == PadMode::constant) return -1;
  if (mode == PadMode::edge) return i < 0 ? 0 : extent - 1;
  if (extent == 1) return 0;
  const int64_t period = 2 * (extent - 1);  // the axis back and forth, its ends once
  const int64_t phase = (i % period + period) % period;
  return phase < extent ? phase : period - phase;
}

// The geometry of a padding: `inner` are the extents without, `outer` those with it.
struct Padding {
  const Shape& inner;
  const Shape& outer;
  const int64_t* begins;  // per axis; negative ones take away
  PadMode mode;

  int64_t width() const { return outer.empty() ? 1 : outer.back(); }
  int64_t inner_width() const { return inner.empty() ? 1 : inner.back(); }
  // The begin of the last axis, along which rows lie.
  int64_t begin() const { return inner.empty() ? 0 : begins[inner.size() - 1]; }

  // The offset in the inner array of the row that the outer array's row `row` shows; -1 where a constant does.
  int64_t row_source(int64_t row) const {
    int64_t offset = 0, stride = inner_width();
    for (size_t axis = inner.empty() ? 0 : inner.size() - 1; axis-- > 0;) {
      const int64_t from = source(row % outer[axis] - begins[axis], inner[axis], mode);
      if (from < 0) return -1;
      offset += from * stride;
      row /= outer[axis];
      stride *= inner[axis];
    }
    return offset;
  }
};

template <class T>
void pad_row(const T* x, T* y, T constant, const Padding& padding) {
  const int64_t begin = padding.begin(), extent = padding.inner_width(), width = padding.width();
  const auto shown = [&](int64_t i) {
    const int64_t from = source(i - begin, extent, padding.mode);
    return from < 0 ? constant : x[from];
  };
  const int64_t left = std::clamp<int64_t>(begin, 0, width), right = std::clamp(begin + extent, left, width);
  for (int64_t i = 0; i < left; ++i) y[i] = shown(i);
  for (int64_t i = left; i < right; ++i) y[i] = x[i - begin];
  for (int64_t i = right; i < width; ++i) y[i] = shown(i);
}

template <class T>
void pad(const T* x, T* y, T constant, const Padding& padding) {
  const int64_t width = padding.width();
  const int64_t count = elements(padding.outer), rows = width ? count / width : 0;
#pragma omp parallel for schedule(static) if (count >= kParallelElements)
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
  const int64_t width = padding.width();
  const int64_t count = elements(padding.outer), rows = width ? count / width : 0;
  const bool apart = padding.inner.size() > 1 && padding.begins[0] == 0 && padding.inner[0] == padding.outer[0];
  const int64_t groups = apart ? padding.outer[0] : 1;
#pragma omp parallel for schedule(static) if (count >= kParallelElements && groups > 1)
  for (int64_t group = 0; group < groups; ++group) {
    for (int64_t row = rows / groups * group; row < rows / groups * (group + 1); ++row) {
      const int64_t to = padding.row_source(row);
      if (to < 0) continue;
      for (int64_t i = 0; i < width; ++i) {
        const int64_t k = source(i - padding.begin(), padding.inner_width(), padding.mode);
        if (k >= 0) dx[to + k] += dy[row * width + i];
      }
    }
  }
}

// The shape with pads [begin of every axis, end of every axis] around. Throws Error where there is none.
Shape padded_shape(const Shape& shape, const std::vector<int64_t>& pads, PadMode mode) {
  if (pads.size() != 2 * shape.size()) throw Error(pads.size(), " pads for the axes of [", text_of(shape), "]");
  Shape result = shape;
  for (size_t i = 0; i < shape.size(); ++i) {
    result[i] += pads[i] + pads[shape.size() + i];
    if (result[i] < 0) throw Error("the pads take away more than axis ", i, " of [", text_of(shape), "] has");
    if (shape[i] == 0 && result[i] > 0 && mode != PadMode::constant) throw Error("axis ", i, " is empty");
  }
  return result;
}

std::vector<Type> infer_pad(const InferContext& context) {
  const Type& in = context.type(0);
  if (context.has(2)) {
    require_same_dtype(context, 0, 2);
    if (context.type(2).elements() != 1) throw Error("the constant must be a scalar, not ", text_of(context.type(2)));
  }
  return {Type{in.dtype, padded_shape(in.shape, int64_operand(context, 1, "pads"), mode_of(context.attrs))}};
}

void run_pad(const KernelArgs& args) {
  const Padding padding{args.in_type(0).shape, args.out_type().shape, args.input<int64_t>(1), mode_of(args.attrs())};
  visit(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* constant = args.input<T>(2);
    pad(args.input<T>(0), args.output<T>(), constant ? *constant : T{}, padding);
  });
}

std::vector<ValueId> pad_gradient(GradContext& context) {
  const ValueId shape = context.constant_shape(context.shape(context.in(0)));
  const Attrs attrs = {{"mode", context.attrs().string("mode")}};
  const ValueId dx = context.build("PadGrad", {context.grad(), shape, context.in(1)}, attrs);
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
  if (padded_shape(in.shape, int64_operand(context, 2, "pads"), mode_of(context.attrs)) != context.shape(0)) {
    throw Error(text_of(context.type(0)), " is not a padded [", text_of(in.shape), "]");
  }
  return {in};
}

void run_pad_gradient(const KernelArgs& args) {
  const Padding padding{args.out_type().shape, args.in_type(0).shape, args.input<int64_t>(2), mode_of(args.attrs())};
  visit_float(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    std::fill_n(args.output<T>(), args.out_type().elements(), T{});
    add_padded(args.input<T>(0), args.output<T>(), padding);
  });
}

}  // namespace

const OpDef kPad = {
    .name = "Pad",
    .doc =
        "x with pads (i64 vector: before every axis, then after every axis; negative ones take away) filled with a "
        "constant scalar or 0, mirrored (mode reflect) or repeated (mode edge): operands x, pads, constant",
    .min_inputs = 2,
    .max_inputs = 3,
    .defaults = {{"mode", "constant"}},
    .infer = infer_pad,
    .gradient = pad_gradient,
    .kernels = {{.name = "pad", .run = run_pad}},
};

const OpDef kPadGrad = {
    .name = "PadGrad",
    .doc =
        "For every element of an array of the given shape, the sum of dy where Pad shows it: operands dy, shape, pads",
    .min_inputs = 3,
    .max_inputs = 3,
    .defaults = {{"mode", "constant"}},
    .infer = infer_pad_gradient,
    .kernels = {{.name = "pad_grad", .run = run_pad_gradient}},
};

}  // namespace marvin
