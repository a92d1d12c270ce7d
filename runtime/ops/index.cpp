// Ops that take ranges of arrays and put arrays together.
#include <algorithm>
#include <numeric>

#include "runtime/kernels/copy.h"
#include "runtime/ops/types.h"

namespace marvin {
namespace {

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
  const int64_t first = step > 0 ? bounded(start, 0, extent) : bounded(start, -1, extent - 1);
  const int64_t last = step > 0 ? bounded(end, first, extent) : bounded(end, -1, first);
  const int64_t count = (last - first) / step + ((last - first) % step != 0);
  return {first, count > 1 ? step : 1, count};
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

// The same from a kernel's operands.
Sections sections_of(const KernelArgs& args, const Shape& shape, size_t first) {
  const SmallIntegers starts(args, first), ends(args, first + 1), axes(args, first + 2), steps(args, first + 3);
  return sections(shape, starts.values(), ends.values(), axes.values(), steps.values());
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
  visit_unsigned(args.in_type(0).dtype, [&](auto zero) {
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
  visit_unsigned(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    fill(args.output<T>(), args.out_type().elements(), T{});
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
  visit_unsigned(args.out_type().dtype, [&](auto zero) {
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

// The extent of part i of so many parts of an axis: equal ones, but for the last when they do not come out even.
int64_t part_extent(int64_t whole, int64_t parts, int64_t i) {
  const int64_t extent = (whole + parts - 1) / parts;
  return i + 1 < parts ? extent : whole - i * extent;
}

// Of the given parts, or of equal ones.
std::vector<int64_t> part_extents(const std::vector<int64_t>* given, int64_t whole, size_t parts) {
  if (given) return *given;
  std::vector<int64_t> extents;
  for (size_t i = 0; i < parts; ++i)
    extents.push_back(part_extent(whole, static_cast<int64_t>(parts), static_cast<int64_t>(i)));
  return extents;
}

std::vector<Type> infer_split(const InferContext& context) {
  const Type& in = context.type(0);
  const size_t axis = axis_of(context.attrs, in), parts = context.output_count;
  const int64_t whole = in.shape[axis], num_outputs = context.attrs.integer("num_outputs");
  if (parts == 0) throw Error("lists no outputs");
  if (num_outputs != 0 && context.has(1)) throw Error("num_outputs and the extents of the parts exclude each other");
  if (num_outputs != 0 && num_outputs != static_cast<int64_t>(parts)) {
    throw Error("num_outputs is ", num_outputs, " but there are ", parts, " outputs");
  }
  std::vector<int64_t> given;
  if (context.has(1)) given = int64_operand(context, 1, "split");
  const std::vector<int64_t> extents = part_extents(context.has(1) ? &given : nullptr, whole, parts);
  if (extents.size() != parts) throw Error(extents.size(), " parts but ", parts, " outputs");
  const bool uneven = !context.has(1) && num_outputs == 0 && whole % static_cast<int64_t>(parts) != 0;
  const auto fits = [&](int64_t extent) { return extent >= 0 && extent <= whole; };
  if (uneven || !std::all_of(extents.begin(), extents.end(), fits) ||
      std::accumulate(extents.begin(), extents.end(), int64_t{0}) != whole) {
    throw Error("parts of [", text_of(extents), "] do not make up the extent ", whole, " of axis ", axis);
  }
  std::vector<Type> types(parts, in);
  for (size_t i = 0; i < parts; ++i) types[i].shape[axis] = extents[i];
  return types;
}

void run_split(const KernelArgs& args) {
  const Shape& shape = args.in_type(0).shape;
  const size_t axis = axis_of(args.attrs(), args.in_type(0));
  const int64_t* extents = args.input<int64_t>(1);
  const int64_t inner = row_major_strides(shape)[axis], parts = static_cast<int64_t>(args.out.size());
  visit_unsigned(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* x = args.input<T>(0);
    for (int64_t i = 0; i < parts; ++i) {
      const size_t out = static_cast<size_t>(i);
      const int64_t extent = extents ? extents[i] : part_extent(shape[axis], parts, i);
      if (args.out[out]) copy_strided(x, args.output<T>(out), part_loop(shape, axis, extent, false));
      x += extent * inner;
    }
  });
}

// The parts' gradients joined, zeros for those that nothing depends on.
std::vector<ValueId> split_gradient(GradContext& context) {
  const Type& in = context.type(context.in(0));
  const size_t axis = axis_of(context.attrs(), in);
  const int64_t dtype = onnx_number_of(in.dtype);
  std::vector<int64_t> given;
  if (context.in(1).valid()) given = to_int64(*context.constant(context.in(1)));
  const std::vector<int64_t> extents =
      part_extents(context.in(1).valid() ? &given : nullptr, in.shape[axis], context.output_count());
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

}  // namespace

extern const OpDef kSlice = {
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

extern const OpDef kSliceGrad = {
    .name = "SliceGrad",
    .doc =
        "Zeros of the given shape with dy where Slice takes from: operands dy, shape (i64 vector), starts, ends, axes, "
        "steps",
    .min_inputs = 4,
    .max_inputs = 6,
    .infer = infer_slice_gradient,
    .kernels = {{.name = "slice_grad", .run = run_slice_gradient}},
};

extern const OpDef kConcat = {
    .name = "Concat",
    .doc = "The operands one after the other along `axis`",
    .max_inputs = kVariadic,
    .required = {"axis"},
    .infer = infer_concat,
    .gradient = concat_gradient,
    .kernels = {{.name = "concat", .run = run_concat}},
};

extern const OpDef kSplit = {
    .name = "Split",
    .doc =
        "Consecutive parts of x along `axis`, as long as the second operand (i64 vector) says, or equal ones; where "
        "`num_outputs` says how many they are, the last may be shorter",
    .min_inputs = 1,
    .max_inputs = 2,
    .max_outputs = kVariadic,
    .defaults = {{"axis", int64_t{0}}, {"num_outputs", int64_t{0}}},
    .infer = infer_split,
    .gradient = split_gradient,
    .kernels = {{.name = "split", .run = run_split}},
};

}  // namespace marvin
