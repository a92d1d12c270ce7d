// Ops that take parts of arrays and put parts together.
#include <algorithm>
#include <numeric>

#include "runtime/kernels/copy.h"
#include "runtime/ops/list.h"
#include "runtime/ops/types.h"

namespace marvin {
namespace {

template <class T>
void fill_zero(T* y, int64_t count) {
  parallel_blocks(count, 1 << 13, [&](int64_t begin, int64_t end) { std::fill(y + begin, y + end, T{}); });
}

// ---- Slice ----------------------------------------------------------------------------------------------------------

// Which elements of every axis a slice takes: `count` of them, `step` apart, from `start`.
struct Section {
  int64_t start = 0;
  int64_t step = 1;
  int64_t count = 0;
};
using Sections = std::array<Section, kMaxRank>;

Section section(int64_t extent, int64_t start, int64_t end, int64_t step) {
  const auto bounded = [extent](int64_t i, int64_t low, int64_t high) {
    return std::clamp(i < 0 ? i + extent : i, low, high);
  };
  if (step > 0) {
    const int64_t first = bounded(start, 0, extent), last = bounded(end, first, extent);
    return {first, step, (last - first) / step + ((last - first) % step != 0)};
  }
  const int64_t first = bounded(start, -1, extent - 1), last = bounded(end, -1, first);
  return {first, step, (last - first) / step + ((last - first) % step != 0)};
}

// ONNX's operands: empty axes stand for the first ones, empty steps for ones.
Sections sections(const Shape& shape, std::span<const int64_t> starts, std::span<const int64_t> ends,
                  std::span<const int64_t> axes, std::span<const int64_t> steps) {
  Sections result;
  for (size_t i = 0; i < shape.size(); ++i) result[i].count = shape[i];
  for (size_t i = 0; i < starts.size(); ++i) {
    const int64_t named = axes.empty() ? static_cast<int64_t>(i) : axes[i];
    const size_t axis = static_cast<size_t>(normalized_axis(named, static_cast<int64_t>(shape.size())));
    result[axis] = section(shape[axis], starts[i], ends[i], steps.empty() ? 1 : steps[i]);
  }
  return result;
}

// Throws Error unless the operands from `first` on (starts, ends, axes, steps) describe a slice of `shape`.
Sections infer_sections(const InferContext& context, const Shape& shape, size_t first) {
  std::array<std::vector<int64_t>, 4> lists;
  constexpr std::array<std::string_view, 4> kNames = {"starts", "ends", "axes", "steps"};
  for (size_t i = 0; i < 4; ++i)
    if (i < 2 || context.has(first + i)) lists[i] = context.integers(first + i, kNames[i]);
  const auto& [starts, ends, axes, steps] = lists;
  for (size_t i = 1; i < 4; ++i) {
    if (lists[i].size() == starts.size() || (i >= 2 && !context.has(first + i))) continue;
    throw Error(starts.size(), " starts but ", lists[i].size(), " ", kNames[i]);
  }
  if (starts.size() > shape.size()) throw Error(starts.size(), " starts for the axes of [", text_of(shape), "]");
  if (std::count(steps.begin(), steps.end(), 0)) throw Error("a step of 0");
  return sections(shape, starts, ends, axes, steps);
}

// The same from a kernel's operands, which are i32 or i64.
Sections sections_of(const KernelArgs& args, const Shape& shape, size_t first) {
  std::array<std::array<int64_t, kMaxRank>, 4> storage;
  std::array<std::span<const int64_t>, 4> lists;
  for (size_t i = 0; i < 4; ++i) {
    if (first + i >= args.in.size() || !args.in[first + i]) continue;
    const Type& type = args.in_type(first + i);
    const int64_t count = type.elements();
    if (type.dtype == DType::i64)
      std::copy_n(args.input<int64_t>(first + i), count, storage[i].begin());
    else
      std::copy_n(args.input<int32_t>(first + i), count, storage[i].begin());
    lists[i] = {storage[i].data(), static_cast<size_t>(count)};
  }
  return sections(shape, lists[0], lists[1], lists[2], lists[3]);
}

// Copies the slice of `whole` to `part`, or the part into the whole.
template <class T>
void copy_slice(const T* from, T* to, const Shape& whole, const Shape& part, const Sections& sections, bool take) {
  const auto whole_strides = row_major_strides(whole), part_strides = row_major_strides(part);
  int64_t offset = 0;
  StridedLoop<2> loop;
  for (size_t i = 0; i < whole.size(); ++i) {
    const int64_t in_whole = sections[i].step * whole_strides[i], in_part = part_strides[i];
    offset += sections[i].start * whole_strides[i];
    loop.add_axis(sections[i].count, {take ? in_whole : in_part, take ? in_part : in_whole});
  }
  if (loop.count() > 0) copy_strided(take ? from + offset : from, take ? to : to + offset, loop);
}

std::vector<Type> infer_slice(const InferContext& context) {
  const Type& in = context.type(0);
  const Sections taken = infer_sections(context, in.shape, 1);
  Shape shape;
  for (size_t i = 0; i < in.shape.size(); ++i) shape.push_back(taken[i].count);
  return {Type{in.dtype, shape}};
}

void run_slice(const KernelArgs& args) {
  const Shape &whole = args.in_type(0).shape, &part = args.out_type().shape;
  const Sections taken = sections_of(args, whole, 1);
  visit(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    copy_slice(args.input<T>(0), args.output<T>(), whole, part, taken, true);
  });
}

std::vector<Type> infer_slice_gradient(const InferContext& context) {
  const Type whole{context.type(0).dtype, int64_operand(context, 1, "the shape")};
  const Sections taken = infer_sections(context, whole.shape, 2);
  for (size_t i = 0; i < whole.shape.size(); ++i) {
    if (context.type(0).rank() == whole.rank() && context.shape(0)[i] == taken[i].count) continue;
    throw Error(text_of(context.type(0)), " is not such a slice of [", text_of(whole.shape), "]");
  }
  return {whole};
}

void run_slice_gradient(const KernelArgs& args) {
  const Shape &whole = args.out_type().shape, &part = args.in_type(0).shape;
  const Sections taken = sections_of(args, whole, 2);
  visit(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    fill_zero(args.output<T>(), args.out_type().elements());
    copy_slice(args.input<T>(0), args.output<T>(), whole, part, taken, false);
  });
}

// ---- Concat, Split --------------------------------------------------------------------------------------------------

size_t axis_of(const Attrs& attrs, const Type& type) {
  return static_cast<size_t>(normalized_axis(attrs.integer("axis"), type.rank()));
}

// The loop over a part of `extent` along the axis, in the part (0) and in the whole (1), or the other way round.
StridedLoop<2> part_loop(const Shape& whole, size_t axis, int64_t extent, bool from_part) {
  int64_t outer = 1;
  for (size_t i = 0; i < axis; ++i) outer *= whole[i];
  const int64_t inner = row_major_strides(whole)[axis];
  const int64_t in_part = extent * inner, in_whole = whole[axis] * inner;
  StridedLoop<2> loop;
  loop.add_axis(outer, {from_part ? in_part : in_whole, from_part ? in_whole : in_part});
  loop.add_axis(extent * inner, {1, 1});
  return loop;
}

std::vector<Type> infer_concat(const InferContext& context) {
  Type result = context.type(0);
  const size_t axis = axis_of(context.attrs, result);
  for (size_t i = 1; i < context.operands.size(); ++i) {
    require_same_dtype(context, 0, i);
    Shape shape = context.shape(i), others = result.shape;
    if (shape.size() == others.size()) shape[axis] = others[axis] = 0;
    if (shape != others) {
      throw Error(text_of(context.type(0)), " and ", text_of(context.type(i)), " differ beyond axis ", axis);
    }
    result.shape[axis] += context.shape(i)[axis];
  }
  return {result};
}

void run_concat(const KernelArgs& args) {
  const Shape& shape = args.out_type().shape;
  const size_t axis = axis_of(args.attrs(), args.out_type());
  visit(args.out_type().dtype, [&](auto zero) {
    using T = decltype(zero);
    T* y = args.output<T>();
    for (size_t i = 0; i < args.in.size(); ++i) {
      const int64_t extent = args.in_type(i).shape[axis];
      copy_strided(args.input<T>(i), y, part_loop(shape, axis, extent, true));
      y += extent * row_major_strides(shape)[axis];
    }
  });
}

std::vector<ValueId> concat_gradient(GradContext& context) {
  const size_t axis = axis_of(context.attrs(), context.type(context.out(0)));
  std::vector<int64_t> extents;
  std::vector<bool> wanted;
  for (size_t i = 0; i < context.input_count(); ++i) {
    extents.push_back(context.shape(context.in(i))[axis]);
    wanted.push_back(context.wants(i));
  }
  return context.build_many("Split", {context.grad(), context.constant_shape(extents)},
                            {{"axis", static_cast<int64_t>(axis)}}, wanted);
}

std::vector<Type> infer_split(const InferContext& context) {
  const Type& in = context.type(0);
  const size_t axis = axis_of(context.attrs, in);
  const int64_t whole = in.shape[axis], parts = static_cast<int64_t>(context.output_count);
  std::vector<int64_t> extents(context.output_count, whole / parts);
  if (context.has(1)) extents = int64_operand(context, 1, "split");
  if (static_cast<int64_t>(extents.size()) != parts) throw Error(extents.size(), " parts but ", parts, " outputs");
  if (std::accumulate(extents.begin(), extents.end(), int64_t{0}) != whole ||
      std::count_if(extents.begin(), extents.end(), [](int64_t extent) { return extent < 0; })) {
    throw Error("parts of [", text_of(extents), "] do not make up the extent ", whole, " of axis ", axis);
  }
  std::vector<Type> types(extents.size(), in);
  for (size_t i = 0; i < extents.size(); ++i) types[i].shape[axis] = extents[i];
  return types;
}

void run_split(const KernelArgs& args) {
  const Shape& shape = args.in_type(0).shape;
  const size_t axis = axis_of(args.attrs(), args.in_type(0));
  const int64_t* extents = args.input<int64_t>(1);
  const int64_t inner = row_major_strides(shape)[axis];
  visit(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* x = args.input<T>(0);
    for (size_t i = 0; i < args.out.size(); ++i) {
      const int64_t extent = extents ? extents[i] : shape[axis] / static_cast<int64_t>(args.out.size());
      if (args.out[i]) copy_strided(x, args.output<T>(i), part_loop(shape, axis, extent, false));
      x += extent * inner;
    }
  });
}

// The parts' gradients joined, zeros for those that nothing depends on.
std::vector<ValueId> split_gradient(GradContext& context) {
  const Type& in = context.type(context.in(0));
  const size_t axis = axis_of(context.attrs(), in);
  const int64_t dtype = onnx_number_of(in.dtype);
  std::vector<int64_t> extents(context.output_count(), in.shape[axis] / static_cast<int64_t>(context.output_count()));
  if (context.in(1).valid()) extents = to_int64(*context.constant(context.in(1)));
  std::vector<ValueId> parts;
  for (size_t i = 0; i < context.output_count(); ++i) {
    Shape shape = in.shape;
    shape[axis] = extents[i];
    const bool reached = context.grad(i).valid();
    parts.push_back(reached ? context.grad(i)
                            : context.build("ConstantOfShape", {context.constant_shape(shape)}, {{"to", dtype}}));
  }
  return {context.build("Concat", parts, {{"axis", static_cast<int64_t>(axis)}})};
}

// ---- Gather ---------------------------------------------------------------------------------------------------------

std::vector<Type> infer_gather(const InferContext& context) {
  const Type &in = context.type(0), &indices = context.type(1);
  if (indices.dtype != DType::i32 && indices.dtype != DType::i64) {
    throw Error("indices must be i32 or i64, not ", text_of(indices));
  }
  const auto axis = in.shape.begin() + static_cast<int64_t>(axis_of(context.attrs, in));
  Shape shape(in.shape.begin(), axis);
  shape.insert(shape.end(), indices.shape.begin(), indices.shape.end());
  shape.insert(shape.end(), axis + 1, in.shape.end());
  return {Type{in.dtype, shape}};
}

// The operands of Gather around its axis: x is [outer, extent, inner], y [outer, count, inner].
template <class Index>
struct Picks {
  Picks(const KernelArgs& args, const Type& x) : indices(args.input<Index>(1)), count(args.in_type(1).elements()) {
    const size_t axis = axis_of(args.attrs(), x);
    for (size_t i = 0; i < axis; ++i) outer *= x.shape[i];
    extent = x.shape[axis];
    inner = row_major_strides(x.shape)[axis];
    // Indices are data: only now is it known whether they are in range.
    for (int64_t i = 0; i < count; ++i) {
      if (indices[i] < -extent || indices[i] >= extent) {
        throw Error("Gather: index ", int64_t{indices[i]}, " is out of the range of ", extent, " elements");
      }
    }
  }
  int64_t at(int64_t i) const { return indices[i] < 0 ? indices[i] + extent : indices[i]; }
  const Index* indices;
  int64_t count, outer = 1, extent, inner;
};

template <class Body>
void visit_index(DType dtype, Body&& body) {
  if (dtype == DType::i32)
    body(int32_t{});
  else
    body(int64_t{});
}

template <class T, class Index>
void gather(const T* x, T* y, const Picks<Index>& picks) {
  const int64_t inner = picks.inner, rows = picks.outer * picks.count;
#pragma omp parallel for schedule(static) if (rows * inner >= kParallelElements)
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t from = row / picks.count * picks.extent + picks.at(row % picks.count);
    std::copy_n(x + from * inner, inner, y + row * inner);
  }
}

// Every thread adds to columns of its own, in the order of the indices.
template <class T, class Index>
void scatter_add(const T* dy, T* dx, const Picks<Index>& picks) {
  constexpr int64_t kColumns = 32;
  const int64_t inner = picks.inner, stripes = (inner + kColumns - 1) / kColumns;
#pragma omp parallel for schedule(static) if (picks.outer * picks.count * inner >= kParallelElements)
  for (int64_t task = 0; task < picks.outer * stripes; ++task) {
    const int64_t outer = task / stripes, first = task % stripes * kColumns;
    const int64_t last = std::min(first + kColumns, inner);
    for (int64_t i = 0; i < picks.count; ++i) {
      const T* from = dy + (outer * picks.count + i) * inner;
      T* to = dx + (outer * picks.extent + picks.at(i)) * inner;
      for (int64_t k = first; k < last; ++k) to[k] += from[k];
    }
  }
}

void run_gather(const KernelArgs& args) {
  visit_index(args.in_type(1).dtype, [&](auto index) {
    const Picks<decltype(index)> picks(args, args.in_type(0));
    visit(args.out_type().dtype, [&](auto zero) {
      using T = decltype(zero);
      gather(args.input<T>(0), args.output<T>(), picks);
    });
  });
}

void run_gather_gradient(const KernelArgs& args) {
  visit_index(args.in_type(1).dtype, [&](auto index) {
    const Picks<decltype(index)> picks(args, args.out_type());
    visit_float(args.out_type().dtype, [&](auto zero) {
      using T = decltype(zero);
      fill_zero(args.output<T>(), args.out_type().elements());
      scatter_add(args.input<T>(0), args.output<T>(), picks);
    });
  });
}

std::vector<ValueId> gather_gradient(GradContext& context) {
  const ValueId shape = context.constant_shape(context.shape(context.in(0)));
  return {
      context.build("GatherGrad", {context.grad(), context.in(1), shape}, {{"axis", context.attrs().integer("axis")}})};
}

}  // namespace

const OpDef kSlice = {
    .name = "Slice",
    .doc =
        "x[start:end:step] along the axes listed: operands x, starts, ends, axes, steps, the last two may be left out",
    .min_inputs = 3,
    .max_inputs = 5,
    .infer = infer_slice,
    .gradient = [](GradContext& context) -> std::vector<ValueId> {
      const ValueId shape = context.constant_shape(context.shape(context.in(0)));
      return {context.build("SliceGrad",
                            {context.grad(), shape, context.in(1), context.in(2), context.in(3), context.in(4)})};
    },
    .kernels = {{.name = "slice", .run = run_slice}},
};

const OpDef kSliceGrad = {
    .name = "SliceGrad",
    .doc =
        "Zeros of the given shape with dy where Slice takes from: operands dy, shape (i64 vector), starts, ends, axes, "
        "steps",
    .min_inputs = 4,
    .max_inputs = 6,
    .infer = infer_slice_gradient,
    .kernels = {{.name = "slice_grad", .run = run_slice_gradient}},
};

const OpDef kConcat = {
    .name = "Concat",
    .doc = "The operands one after the other along `axis`",
    .max_inputs = kVariadic,
    .required = {"axis"},
    .infer = infer_concat,
    .gradient = concat_gradient,
    .kernels = {{.name = "concat", .run = run_concat}},
};

const OpDef kSplit = {
    .name = "Split",
    .doc = "Consecutive parts of x along `axis`, as long as the second operand (i64 vector) says, or equal ones",
    .min_inputs = 1,
    .max_inputs = 2,
    .max_outputs = kVariadic,
    .defaults = {{"axis", int64_t{0}}},
    .infer = infer_split,
    .gradient = split_gradient,
    .kernels = {{.name = "split", .run = run_split}},
};

const OpDef kGather = {
    .name = "Gather",
    .doc = "The slices of x along `axis` at the indices (i32 or i64 of any shape; negative ones count from the end)",
    .min_inputs = 2,
    .max_inputs = 2,
    .defaults = {{"axis", int64_t{0}}},
    .infer = infer_gather,
    .gradient = gather_gradient,
    .kernels = {{.name = "gather", .run = run_gather}},
};

const OpDef kGatherGrad = {
    .name = "GatherGrad",
    .doc = "Zeros of the given shape with dy added where Gather takes from: operands dy, indices, shape (i64 vector)",
    .min_inputs = 3,
    .max_inputs = 3,
    .defaults = {{"axis", int64_t{0}}},
    .infer = [](const InferContext& context) -> std::vector<Type> {
      require_float(context, 0);
      return {Type{context.type(0).dtype, int64_operand(context, 2, "the shape")}};
    },
    .kernels = {{.name = "gather_grad", .run = run_gather_gradient}},
};

}  // namespace marvin
