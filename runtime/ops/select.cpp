// Ops whose output is as long as what is found in the operands: these must be known before the run.
#include <algorithm>
#include <limits>
#include <numeric>

#include "runtime/kernels/picked_rows.h"
#include "runtime/kernels/strided.h"
#include "runtime/ops/order_keys.h"
#include "runtime/ops/types.h"

namespace marvin {
namespace {

const Tensor& known(const InferContext& context, size_t operand) {
  context.type(operand);
  if (const Tensor* constant = context.operands[operand].constant) return *constant;
  throw Error("the output's shape depends on the elements of operand ", operand,
              "; only elements known before the run are supported");
}

// ---- One axis, or none ----------------------------------------------------------------------------------------------

// The default of an `axis`: x is taken for a vector.
constexpr int64_t kNoAxis = std::numeric_limits<int64_t>::min();

// x around the axis: outer times extent times inner elements.
struct AxisView {
  int64_t outer = 1, extent = 1, inner = 1;
};

AxisView axis_view(const Shape& shape, int64_t axis) {
  if (axis == kNoAxis) return {.extent = elements(shape)};
  const size_t at = static_cast<size_t>(normalized_axis(axis, std::ssize(shape)));
  AxisView view{.extent = shape[at], .inner = row_major_strides(shape)[at]};
  for (size_t i = 0; i < at; ++i) view.outer *= shape[i];
  return view;
}

// The shape with `extent` along the axis.
Shape with_extent(Shape shape, int64_t axis, int64_t extent) {
  if (axis == kNoAxis) return {extent};
  shape[static_cast<size_t>(normalized_axis(axis, std::ssize(shape)))] = extent;
  return shape;
}

// The slices of x that begin at `offsets`, in elements of each of the outer parts.
void copy_slices(const KernelArgs& args, const AxisView& view, const int64_t* offsets, int64_t count) {
  const PickedRows rows{.offsets = offsets,
                        .count = count,
                        .width = view.inner,
                        .groups = view.outer,
                        .group_elements = view.extent * view.inner};
  visit_unsigned(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    gather_rows(args.input<T>(0), args.output<T>(), rows);
  });
}

// ---- Compress -------------------------------------------------------------------------------------------------------

std::vector<Type> infer_compress(const InferContext& context) {
  const Type& in = context.type(0);
  const int64_t axis = context.attrs.integer("axis");
  const Tensor& condition = known(context, 1);
  const AxisView view = axis_view(in.shape, axis);
  if (condition.type().dtype != DType::boolean || condition.type().rank() != 1 ||
      condition.type().elements() > view.extent) {
    throw Error("the condition must be at most ", view.extent, " bools, not ", text_of(condition.type()));
  }
  const std::span<const bool> chosen = condition.as<bool>();
  return {Type{in.dtype, with_extent(in.shape, axis, std::count(chosen.begin(), chosen.end(), true))}};
}

void run_compress(const KernelArgs& args) {
  const AxisView view = axis_view(args.in_type(0).shape, args.attrs().integer("axis"));
  int64_t* offsets = reinterpret_cast<int64_t*>(args.scratch);
  int64_t count = 0;
  for (int64_t i = 0; i < args.in_type(1).elements(); ++i)
    if (args.input<bool>(1)[i]) offsets[count++] = i * view.inner;
  copy_slices(args, view, offsets, count);
}

std::vector<ValueId> compress_gradient(GradContext& context) {
  const Shape shape = context.shape(context.in(0));
  const int64_t axis = context.attrs().integer("axis");
  const std::span<const bool> chosen = context.constant(context.in(1))->as<bool>();
  std::vector<int64_t> indices;
  for (size_t i = 0; i < chosen.size(); ++i)
    if (chosen[i]) indices.push_back(static_cast<int64_t>(i));
  const Shape whole = axis == kNoAxis ? Shape{elements(shape)} : shape;
  const ValueId dx =
      context.build("GatherGrad", {context.grad(), context.constant_shape(indices), context.constant_shape(whole)},
                    {{"axis", axis == kNoAxis ? int64_t{0} : axis}});
  return {context.reshape(dx, shape)};
}

// ---- NonZero --------------------------------------------------------------------------------------------------------

// Calls body(i) for every element i that is not zero; a float's sign does not matter.
template <class Body>
void each_nonzero(DType dtype, const void* x, int64_t count, Body&& body) {
  const int sign_bits = is_float(dtype) || is_half(dtype) ? 1 : 0;
  visit_unsigned(dtype, [&](auto zero) {
    using Bits = decltype(zero);
    const Bits* elements = static_cast<const Bits*>(x);
    for (int64_t i = 0; i < count; ++i)
      if (static_cast<Bits>(elements[i] << sign_bits) != 0) body(i);
  });
}

// A scalar counts as a vector.
std::vector<Type> infer_non_zero(const InferContext& context) {
  const Tensor& x = known(context, 0);
  int64_t count = 0;
  each_nonzero(x.type().dtype, x.data(), x.type().elements(), [&](int64_t) { ++count; });
  return {Type{DType::i64, {std::max<int64_t>(1, x.type().rank()), count}}};
}

void run_non_zero(const KernelArgs& args) {
  const Type& in = args.in_type(0);
  const auto strides = row_major_strides(in.shape);
  const int64_t count = args.out_type().shape[1];
  int64_t* y = args.output<int64_t>();
  int64_t at = 0;
  each_nonzero(in.dtype, args.in[0], in.elements(), [&](int64_t element) {
    for (size_t axis = 0; axis < in.shape.size(); ++axis)
      y[static_cast<int64_t>(axis) * count + at] = element / strides[axis] % in.shape[axis];
    if (in.shape.empty()) y[at] = 0;
    ++at;
  });
}

// ---- Unique ---------------------------------------------------------------------------------------------------------

// Tells apart the slices of x along an axis, or its elements.
class UniqueSlices {
 public:
  static int64_t scratch_numbers(const Type& type, const AxisView& view) { return type.elements() + 2 * view.extent; }

  // `scratch` has room for scratch_numbers.
  UniqueSlices(const Type& type, const void* x, const AxisView& view, bool sorted, int64_t* scratch)
      : view_(view),
        order_(scratch),
        groups_(scratch + view.extent),
        keys_(reinterpret_cast<uint64_t*>(scratch + 2 * view.extent)) {
    order_keys(type.dtype, x, 1, keys_, 1, type.elements());
    std::iota(order_, order_ + view_.extent, 0);
    std::sort(order_, order_ + view_.extent, [&](int64_t a, int64_t b) {
      const std::strong_ordering order = compare(a, b);
      return order < 0 || (order == 0 && a < b);
    });
    for (int64_t i = 0; i < view_.extent; ++i) {
      if (i == 0 || compare(order_[i - 1], order_[i]) != 0) ++count_;
      groups_[order_[i]] = count_ - 1;
    }
    if (!sorted) number_by_appearance();
  }

  int64_t count() const { return count_; }
  // Which of the different slices slice i is.
  int64_t group(int64_t i) const { return groups_[i]; }

 private:
  std::strong_ordering compare(int64_t a, int64_t b) const {
    for (int64_t outer = 0; outer < view_.outer; ++outer) {
      const uint64_t* part = keys_ + outer * view_.extent * view_.inner;
      for (int64_t i = 0; i < view_.inner; ++i) {
        const std::strong_ordering order = part[a * view_.inner + i] <=> part[b * view_.inner + i];
        if (order != 0) return order;
      }
    }
    return std::strong_ordering::equal;
  }

  void number_by_appearance() {
    int64_t* numbers = order_;
    std::fill_n(numbers, count_, -1);
    int64_t next = 0;
    for (int64_t i = 0; i < view_.extent; ++i) {
      int64_t& number = numbers[groups_[i]];
      if (number < 0) number = next++;
      groups_[i] = number;
    }
  }

  AxisView view_;
  int64_t* order_;
  int64_t* groups_;
  uint64_t* keys_;
  int64_t count_ = 0;
};

std::vector<Type> infer_unique(const InferContext& context) {
  const Tensor& x = known(context, 0);
  const int64_t axis = context.attrs.integer("axis");
  const AxisView view = axis_view(x.type().shape, axis);
  std::vector<int64_t> scratch(static_cast<size_t>(UniqueSlices::scratch_numbers(x.type(), view)));
  const int64_t count = UniqueSlices(x.type(), x.data(), view, true, scratch.data()).count();
  const Type counted{DType::i64, {count}};
  return {Type{x.type().dtype, with_extent(x.type().shape, axis, count)}, counted, Type{DType::i64, {view.extent}},
          counted};
}

Prepared prepare_unique(const KernelQuery& query) {
  const AxisView view = axis_view(query.in[0]->shape, query.attrs.integer("axis"));
  const int64_t numbers = view.extent + UniqueSlices::scratch_numbers(*query.in[0], view);
  return {.scratch_bytes = numbers * static_cast<int64_t>(sizeof(int64_t))};
}

void run_unique(const KernelArgs& args) {
  const Type& in = args.in_type(0);
  const AxisView view = axis_view(in.shape, args.attrs().integer("axis"));
  int64_t* first = reinterpret_cast<int64_t*>(args.scratch);
  const UniqueSlices slices(in, args.in[0], view, args.attrs().integer("sorted") != 0, first + view.extent);
  int64_t *indices = args.output<int64_t>(1), *inverse = args.output<int64_t>(2), *counts = args.output<int64_t>(3);
  if (counts) std::fill_n(counts, slices.count(), 0);
  for (int64_t i = view.extent; i-- > 0;) {
    const int64_t group = slices.group(i);
    first[group] = i;
    if (inverse) inverse[i] = group;
    if (counts) ++counts[group];
  }
  if (indices) std::copy_n(first, slices.count(), indices);
  for (int64_t i = 0; i < slices.count(); ++i) first[i] *= view.inner;
  if (args.out[0]) copy_slices(args, view, first, slices.count());
}

}  // namespace

extern const OpDef kCompress = {
    .name = "Compress",
    .doc =
        "The slices of x along `axis` (of x as a vector where there is none) for which the condition holds, a constant "
        "vector of bools: operands x, condition",
    .min_inputs = 2,
    .max_inputs = 2,
    .defaults = {{"axis", kNoAxis}},
    .infer = infer_compress,
    .gradient = compress_gradient,
    .kernels = {{.name = "compress",
                 .prepare = [](const KernelQuery& query) -> Prepared {
                   return {.scratch_bytes = query.in[1]->elements() * static_cast<int64_t>(sizeof(int64_t))};
                 },
                 .run = run_compress}},
};

extern const OpDef kNonZero = {
    .name = "NonZero",
    .doc = "The places of the elements of x, a constant, that are not zero: one i64 column each, in row-major order",
    .infer = infer_non_zero,
    .gradient = no_gradient,
    .kernels = {{.name = "non_zero", .run = run_non_zero}},
};

extern const OpDef kUnique = {
    .name = "Unique",
    .doc =
        "The different slices of x, a constant, along `axis` (its different elements where there is none), ascending "
        "or "
        "with sorted=0 as they appear; as i64 vectors, of each the first index in x, of each slice of x the index "
        "here, "
        "and of each how often it is in x",
    .max_outputs = 4,
    .defaults = {{"axis", kNoAxis}, {"sorted", int64_t{1}}},
    .infer = infer_unique,
    .gradient = no_gradient,
    .kernels = {{.name = "unique", .prepare = prepare_unique, .run = run_unique}},
};

}  // namespace marvin
