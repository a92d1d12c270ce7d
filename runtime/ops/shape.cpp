// Ops about shapes: the same bytes under another shape, shapes as data, and arrays made from a shape alone.
#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/ops/types.h"

namespace marvin {
namespace {

std::vector<ValueId> reshape_back(GradContext& context) {
  return {context.reshape(context.grad(), context.shape(context.in(0)))};
}

// ---- Views ----------------------------------------------------------------------------------------------------------

std::vector<Type> infer_reshape(const InferContext& context) {
  const Type& in = context.type(0);
  Shape shape = context.integers(1, "the shape");
  std::optional<size_t> free_axis;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0 && context.attrs.integer("allowzero") == 0) {
      if (i >= in.shape.size())
        throw Error("extent 0 of axis ", i, " has nothing to copy in [", text_of(in.shape), "]");
      shape[i] = in.shape[i];
    }
    if (shape[i] == -1) {
      if (free_axis) throw Error("the shape [", text_of(shape), "] leaves two axes open");
      free_axis = i;
    } else if (shape[i] < 0) {
      throw Error("the shape [", text_of(shape), "] has a negative extent");
    }
  }
  const int64_t count = in.elements();
  if (free_axis) {
    shape[*free_axis] = 1;
    const int64_t known = elements(shape);
    shape[*free_axis] = known == 0 ? 0 : count / known;
  }
  if (elements(shape) != count) throw Error("[", text_of(in.shape), "] cannot take the shape [", text_of(shape), "]");
  return {Type{in.dtype, shape}};
}

std::vector<Type> infer_flatten(const InferContext& context) {
  const Type& in = context.type(0);
  int64_t axis = context.attrs.integer("axis");
  if (axis < -in.rank() || axis > in.rank()) throw Error("axis ", axis, " is out of range");
  if (axis < 0) axis += in.rank();
  const auto middle = in.shape.begin() + axis;
  return {Type{in.dtype, {elements(Shape(in.shape.begin(), middle)), elements(Shape(middle, in.shape.end()))}}};
}

std::vector<Type> infer_squeeze(const InferContext& context) {
  const Type& in = context.type(0);
  const std::vector<bool> axes = listed_axes(context.has(1) ? context.integers(1, "the axes") : Shape{}, in.rank());
  Shape shape;
  for (size_t i = 0; i < in.shape.size(); ++i) {
    if (context.has(1) && axes[i] && in.shape[i] != 1) throw Error("axis ", i, " has extent ", in.shape[i], ", not 1");
    if (!(context.has(1) ? axes[i] : in.shape[i] == 1)) shape.push_back(in.shape[i]);
  }
  return {Type{in.dtype, shape}};
}

std::vector<Type> infer_unsqueeze(const InferContext& context) {
  const Type& in = context.type(0);
  const std::vector<int64_t> axes = context.integers(1, "the axes");
  const std::vector<bool> inserted = listed_axes(axes, in.rank() + static_cast<int64_t>(axes.size()));
  Shape shape;
  size_t next = 0;
  for (const bool one : inserted) shape.push_back(one ? 1 : in.shape[next++]);
  return {Type{in.dtype, shape}};
}

// ---- Shapes as data -------------------------------------------------------------------------------------------------

// The axes [first, last) that Shape's attributes name, cut to the rank.
std::pair<int64_t, int64_t> shape_range(const Attrs& attrs, int64_t rank) {
  const auto bounded = [rank](int64_t axis) { return std::clamp<int64_t>(axis < 0 ? axis + rank : axis, 0, rank); };
  const int64_t first = bounded(attrs.integer("start"));
  return {first, std::max(first, bounded(attrs.integer("end")))};
}

// ---- From a shape alone ---------------------------------------------------------------------------------------------

std::vector<Type> infer_constant_of_shape(const InferContext& context) {
  return {Type{dtype_of_onnx(context.attrs.integer("to")), context.integers(0, "the shape")}};
}

void run_constant_of_shape(const KernelArgs& args) {
  visit(args.out_type().dtype, [&](auto zero) {
    using T = decltype(zero);
    std::fill_n(args.output<T>(), args.out_type().elements(), static_cast<T>(args.attrs().real("value")));
  });
}

// How often `delta` goes into what is between the numbers, rounded up; of integers exactly, as far as anybody counts.
template <class T>
double steps_between(T start, T limit, T delta) {
  if (delta == T{}) throw Error("the range has a step of 0");
  if constexpr (std::is_floating_point_v<T>) {
    return std::ceil((static_cast<double>(limit) - static_cast<double>(start)) / static_cast<double>(delta));
  } else {
    using Wide = __int128;
    const Wide distance = delta > 0 ? Wide{limit} - start : Wide{start} - limit;
    const Wide step = delta > 0 ? Wide{delta} : -Wide{delta};
    const Wide steps = (distance + step - 1) / step;
    return static_cast<double>(steps);
  }
}

std::vector<Type> infer_range(const InferContext& context) {
  require_numeric(context, 0);
  for (const size_t i : {1, 2}) require_same_dtype(context, 0, i);
  for (const size_t i : {0, 1, 2}) {
    if (context.type(i).elements() != 1)
      throw Error("operand ", i, " must be a scalar, not ", text_of(context.type(i)));
    if (!context.operands[i].constant)
      throw Error("the range depends on data; only values known before the run are supported");
  }
  double steps = 0;
  visit_numeric(context.type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto number = [&](size_t i) { return context.operands[i].constant->as<T>()[0]; };
    steps = steps_between(number(0), number(1), number(2));
    if (!(steps < 0x1p48)) throw Error("the range from ", +number(0), " to ", +number(1), " is too long");
  });
  const int64_t count = steps > 0 ? static_cast<int64_t>(steps) : 0;
  return {Type{context.type(0).dtype, {count}}};
}

void run_range(const KernelArgs& args) {
  visit_numeric(args.out_type().dtype, [&](auto zero) {
    using T = decltype(zero);
    const T start = *args.input<T>(0), delta = *args.input<T>(2);
    T* y = args.output<T>();
    for (int64_t i = 0; i < args.out_type().elements(); ++i) y[i] = static_cast<T>(start + static_cast<T>(i) * delta);
  });
}

}  // namespace

extern const OpDef kIdentity = {
    .name = "Identity",
    .doc = "y = x",
    .infer = same_type,
    .gradient = [](GradContext& context) -> std::vector<ValueId> { return {context.grad()}; },
    .view = true,
};

extern const OpDef kReshape = {
    .name = "Reshape",
    .doc = "x under the given shape (i64 vector); -1 is computed, 0 copies x's extent unless allowzero",
    .min_inputs = 2,
    .max_inputs = 2,
    .defaults = {{"allowzero", int64_t{0}}},
    .infer = infer_reshape,
    .gradient = reshape_back,
    .view = true,
};

extern const OpDef kFlatten = {
    .name = "Flatten",
    .doc = "x as a matrix: the axes before `axis` are rows, the others columns",
    .defaults = {{"axis", int64_t{1}}},
    .infer = infer_flatten,
    .gradient = reshape_back,
    .view = true,
};

extern const OpDef kSqueeze = {
    .name = "Squeeze",
    .doc = "x without the axes listed (i64 vector), which have extent 1; left out: without any such axis",
    .min_inputs = 1,
    .max_inputs = 2,
    .infer = infer_squeeze,
    .gradient = reshape_back,
    .view = true,
};

extern const OpDef kUnsqueeze = {
    .name = "Unsqueeze",
    .doc = "x with axes of extent 1 inserted, which the output has at the axes listed (i64 vector)",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer_unsqueeze,
    .gradient = reshape_back,
    .view = true,
};

extern const OpDef kShape = {
    .name = "Shape",
    .doc = "The extents of x's axes [start, end) as an i64 vector; negative ones count from the end",
    .defaults = {{"end", std::numeric_limits<int64_t>::max()}, {"start", int64_t{0}}},
    .infer = [](const InferContext& context) -> std::vector<Type> {
      const auto [first, last] = shape_range(context.attrs, context.type(0).rank());
      return {Type{DType::i64, {last - first}}};
    },
    .gradient = no_gradient,
    .kernels = {{.name = "shape",
                 .run =
                     [](const KernelArgs& args) {
                       const auto [first, last] = shape_range(args.attrs(), args.in_type(0).rank());
                       std::copy_n(args.in_type(0).shape.begin() + first, last - first, args.output<int64_t>());
                     }}},
    .types_only = true,
};

extern const OpDef kSize = {
    .name = "Size",
    .doc = "The number of x's elements as an i64 scalar",
    .infer = [](const InferContext&) -> std::vector<Type> {
      return {Type{DType::i64, {}}};
    },
    .gradient = no_gradient,
    .kernels = {{.name = "size",
                 .run = [](const KernelArgs& args) { *args.output<int64_t>() = args.in_type(0).elements(); }}},
    .types_only = true,
};

extern const OpDef kConstantOfShape = {
    .name = "ConstantOfShape",
    .doc =
        "An array of the given shape (i64 vector) whose elements are all `value`, as the type `to` (a number of "
        "onnx.TensorProto.DataType). ONNX's attribute, a tensor of one element, is split in these two",
    .defaults = {{"to", int64_t{1}}, {"value", 0.0f}},
    .infer = infer_constant_of_shape,
    .gradient = no_gradient,
    .kernels = {{.name = "constant_of_shape", .run = run_constant_of_shape}},
};

extern const OpDef kRange = {
    .name = "Range",
    .doc = "The vector start, start + delta ... before limit: three constant scalars of one type",
    .min_inputs = 3,
    .max_inputs = 3,
    .infer = infer_range,
    .gradient = no_gradient,
    .kernels = {{.name = "range", .run = run_range}},
};

}  // namespace marvin
