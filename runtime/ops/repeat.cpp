// Ops that lay out the elements of one operand again, permuted or repeated.
#include <algorithm>
#include <numeric>

#include "runtime/kernels/copy.h"
#include "runtime/ops/types.h"

namespace marvin {
namespace {

using Strides = std::array<int64_t, StridedLoop<1>::kMaxAxes>;

void copy_elements(const KernelArgs& args, const StridedLoop<2>& loop) {
  visit_unsigned(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    copy_strided(args.input<T>(0), args.output<T>(), loop);
  });
}

// ---- Transpose ------------------------------------------------------------------------------------------------------

// The axis of x that is axis i of the output: perm, or the axes reversed when it is empty.
int64_t source_axis(const Attrs& attrs, int64_t rank, int64_t i) {
  const std::vector<int64_t>& perm = attrs.integers("perm");
  return perm.empty() ? rank - 1 - i : perm[static_cast<size_t>(i)];
}

std::vector<Type> infer_transpose(const InferContext& context) {
  const Type& in = context.type(0);
  std::vector<int64_t> sorted = context.attrs.integers("perm");
  std::sort(sorted.begin(), sorted.end());
  std::vector<int64_t> all(in.shape.size());
  std::iota(all.begin(), all.end(), 0);
  if (!sorted.empty() && sorted != all) {
    throw Error("perm [", text_of(context.attrs.integers("perm")), "] does not permute ", in.rank(), " axes");
  }
  Shape shape;
  for (int64_t i = 0; i < in.rank(); ++i)
    shape.push_back(in.shape[static_cast<size_t>(source_axis(context.attrs, in.rank(), i))]);
  return {Type{in.dtype, shape}};
}

void run_transpose(const KernelArgs& args) {
  const Shape& shape = args.out_type().shape;
  const Strides from = row_major_strides(args.in_type(0).shape), to = row_major_strides(shape);
  StridedLoop<2> loop;
  for (int64_t i = 0; i < args.out_type().rank(); ++i) {
    const size_t axis = static_cast<size_t>(source_axis(args.attrs(), args.in_type(0).rank(), i));
    loop.add_axis(shape[static_cast<size_t>(i)], {from[axis], to[static_cast<size_t>(i)]});
  }
  copy_elements(args, loop);
}

std::vector<ValueId> transpose_gradient(GradContext& context) {
  const int64_t rank = context.type(context.in(0)).rank();
  std::vector<int64_t> inverse(static_cast<size_t>(rank));
  for (int64_t i = 0; i < rank; ++i) inverse[static_cast<size_t>(source_axis(context.attrs(), rank, i))] = i;
  return {context.build("Transpose", {context.grad()}, {{"perm", inverse}})};
}

// ---- Expand, Tile ---------------------------------------------------------------------------------------------------

std::vector<Type> infer_expand(const InferContext& context) {
  return {Type{context.type(0).dtype, broadcast(context.shape(0), context.integers(1, "the shape"))}};
}

void run_expand(const KernelArgs& args) {
  copy_elements(args, broadcast_loop<2>(args.out_type().shape, {args.in_type(0).shape, args.out_type().shape}));
}

std::vector<Type> infer_tile(const InferContext& context) {
  const Type& in = context.type(0);
  const std::vector<int64_t> repeats = int64_operand(context, 1, "repeats");
  if (repeats.size() != in.shape.size()) throw Error(repeats.size(), " repeats for the axes of ", text_of(in));
  Shape shape = in.shape;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (repeats[i] < 0) throw Error("axis ", i, " is repeated ", repeats[i], " times");
    shape[i] = elements({shape[i], repeats[i]});
  }
  return {Type{in.dtype, shape}};
}

void run_tile(const KernelArgs& args) {
  const Shape& shape = args.in_type(0).shape;
  const int64_t* repeats = args.input<int64_t>(1);
  const Strides from = row_major_strides(shape), to = row_major_strides(args.out_type().shape);
  StridedLoop<2> loop;
  for (size_t i = 0; i < shape.size(); ++i) {
    loop.add_axis(repeats[i], {0, to[i] * shape[i]});
    loop.add_axis(shape[i], {from[i], to[i]});
  }
  copy_elements(args, loop);
}

// Every repeated axis becomes two, repeats outside extents, and the repeats are summed up.
std::vector<ValueId> tile_gradient(GradContext& context) {
  const Shape& shape = context.shape(context.in(0));
  const std::vector<int64_t> repeats = to_int64(*context.constant(context.in(1)));
  Shape split;
  std::vector<int64_t> axes;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (repeats[i] != 1) {
      axes.push_back(static_cast<int64_t>(split.size()));
      split.push_back(repeats[i]);
    }
    split.push_back(shape[i]);
  }
  if (axes.empty()) return {context.grad()};
  return {context.build("ReduceSum", {context.reshape(context.grad(), split), context.constant_shape(axes)},
                        {{"keepdims", int64_t{0}}})};
}

}  // namespace

extern const OpDef kTranspose = {
    .name = "Transpose",
    .doc = "x with its axes permuted: axis i of the output is x's axis perm[i]; no perm: reversed",
    .defaults = {{"perm", std::vector<int64_t>{}}},
    .infer = infer_transpose,
    .gradient = transpose_gradient,
    .kernels = {{.name = "transpose", .run = run_transpose}},
};

extern const OpDef kExpand = {
    .name = "Expand",
    .doc = "x broadcast against the given shape (i64 vector)",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer_expand,
    .gradient = [](GradContext& context) -> std::vector<ValueId> {
      return {context.sum_to(context.grad(), context.shape(context.in(0)))};
    },
    .kernels = {{.name = "expand", .run = run_expand}},
};

extern const OpDef kTile = {
    .name = "Tile",
    .doc = "x repeated along every axis as often as the second operand (i64 vector) says",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer_tile,
    .gradient = tile_gradient,
    .kernels = {{.name = "tile", .run = run_tile}},
};

}  // namespace marvin
