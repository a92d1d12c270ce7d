// Sampling of images at the places of a grid, and the grids of affine maps.
#include "runtime/kernels/grid_sample.h"

#include <algorithm>

#include "runtime/ops/op.h"

namespace marvin {
namespace {

// ---- GridSample -----------------------------------------------------------------------------------------------------

const Attrs kDefaults = {
    {"align_corners", int64_t{0}}, {"mode", std::string("linear")}, {"padding_mode", std::string("zeros")}};

Sampling sampling_of(const Attrs& attrs) {
  const std::string& mode = attrs.string("mode");
  if (mode == "nearest") return Sampling::nearest;
  if (mode == "linear") return Sampling::linear;
  if (mode == "cubic") return Sampling::cubic;
  throw Error("the mode '", mode, "' is not one of nearest, linear and cubic");
}

Outside outside_of(const Attrs& attrs) {
  const std::string& mode = attrs.string("padding_mode");
  if (mode == "zeros") return Outside::zeros;
  if (mode == "border") return Outside::border;
  if (mode == "reflection") return Outside::reflection;
  throw Error("the padding_mode '", mode, "' is not one of zeros, border and reflection");
}

GridSampling sampling_of(const Type& x, const Type& grid, const Attrs& attrs) {
  if (x.dtype != DType::f32 || x.rank() < 3 || x.rank() > 5)
    throw Error("takes f32 [n,c] and one to three axes, not ", text_of(x));
  GridSampling shape{.n = x.shape[0], .c = x.shape[1], .axes = x.rank() - 2};
  if (grid.dtype != DType::f32 || grid.rank() != x.rank() || grid.shape[0] != shape.n ||
      grid.shape.back() != shape.axes) {
    throw Error("the grid for ", text_of(x), " must be f32 [n,...,", shape.axes, "], not ", text_of(grid));
  }
  for (size_t i = 1; i + 1 < grid.shape.size(); ++i) shape.points *= grid.shape[i];
  std::copy(x.shape.begin() + 2, x.shape.end(), shape.extents.end() - shape.axes);
  if (shape.plane() == 0 && shape.points > 0) throw Error("cannot sample ", text_of(x), ", which is empty");
  shape.sampling = sampling_of(attrs);
  shape.outside = outside_of(attrs);
  shape.align_corners = attrs.integer("align_corners") != 0;
  return shape;
}

Type sampled_type(const Type& x, const Type& grid, const Attrs& attrs) {
  sampling_of(x, grid, attrs);
  Type y = x;
  std::copy(grid.shape.begin() + 1, grid.shape.end() - 1, y.shape.begin() + 2);
  return y;
}

// ---- AffineGrid -----------------------------------------------------------------------------------------------------

// The place of element i of so many, from -1 to 1.
float place_of(int64_t i, int64_t extent, bool align_corners) {
  const double n = static_cast<double>(extent), at = static_cast<double>(i);
  if (!align_corners) return static_cast<float>((2 * at + 1) / n - 1);
  return extent == 1 ? 0.0f : static_cast<float>(2 * at / (n - 1) - 1);
}

// [1, points, 1, axes + 1]: the places of all elements, width first, and 1.
Tensor places(const Shape& extents, bool align_corners) {
  const int64_t axes = static_cast<int64_t>(extents.size()), points = elements(extents);
  Tensor result(Type{DType::f32, {1, points, 1, axes + 1}});
  float* to = result.as<float>().data();
  for (int64_t point = 0; point < points; ++point) {
    int64_t rest = point;
    for (size_t axis = extents.size(); axis-- > 0; rest /= extents[axis])
      *to++ = place_of(rest % extents[axis], extents[axis], align_corners);
    *to++ = 1;
  }
  return result;
}

// theta[n, axes, axes + 1] times every place, as a sum of products: coordinates stay in f32 where products are
// quantized.
std::vector<ValueId> expand_affine_grid(ExpandContext& context) {
  const Type theta = context.type(context.in(0));
  const std::vector<int64_t> size = context.integers(context.in(1), "the size");
  const int64_t axes = static_cast<int64_t>(size.size()) - 2;
  if (axes < 2 || axes > 3) throw Error("the size must be [n,c,h,w] or [n,c,d,h,w], not [", text_of(size), "]");
  if (theta != Type{DType::f32, {size[0], axes, axes + 1}})
    throw Error("theta must be f32[", text_of(Shape{size[0], axes, axes + 1}), "], not ", text_of(theta));
  const Shape extents(size.begin() + 2, size.end());
  if (std::ranges::any_of(size, [](int64_t extent) { return extent < 1; })) throw Error("the size must not be empty");
  const ValueId rows = context.reshape(context.in(0), {size[0], 1, axes, axes + 1});
  const ValueId base = context.constant(places(extents, context.attrs().integer("align_corners") != 0));
  const ValueId grid = context.build("ReduceSum", {context.build("Mul", {rows, base}), context.constant_shape({-1})},
                                     {{"keepdims", int64_t{0}}});
  Shape shape = {size[0]};
  shape.insert(shape.end(), extents.begin(), extents.end());
  shape.push_back(axes);
  return {context.reshape(grid, shape)};
}

}  // namespace

extern const OpDef kGridSample = {
    .name = "GridSample",
    .doc =
        "y[n,c,...] = x[n,c,...] interpolated at the places grid[n,...,axes], each from -1 to 1 along every axis of an "
        "image, the last axis first",
    .min_inputs = 2,
    .max_inputs = 2,
    .defaults = kDefaults,
    .infer = [](const InferContext& context) -> std::vector<Type> {
      return {sampled_type(context.type(0), context.type(1), context.attrs)};
    },
    .gradient = [](GradContext& context) -> std::vector<ValueId> {
      return context.build_many("GridSampleGrad", {context.grad(), context.in(0), context.in(1)}, context.attrs(),
                                {context.wants(0), context.wants(1)});
    },
    .kernels = {{.name = "grid_sample_f32",
                 .run =
                     [](const KernelArgs& args) {
                       grid_sample(sampling_of(args.in_type(0), args.in_type(1), args.attrs()), args.input<float>(0),
                                   args.input<float>(1), args.output<float>());
                     }}},
};

extern const OpDef kGridSampleGrad = {
    .name = "GridSampleGrad",
    .doc = "dx and dgrid of GridSample from dy, x and grid",
    .min_inputs = 3,
    .max_inputs = 3,
    .max_outputs = 2,
    .defaults = kDefaults,
    .infer = [](const InferContext& context) -> std::vector<Type> {
      const Type y = sampled_type(context.type(1), context.type(2), context.attrs);
      if (context.type(0) != y) throw Error("dy must be ", text_of(y), ", not ", text_of(context.type(0)));
      return {context.type(1), context.type(2)};
    },
    .kernels = {{.name = "grid_sample_grad_f32",
                 .run =
                     [](const KernelArgs& args) {
                       grid_sample_grad(sampling_of(args.in_type(1), args.in_type(2), args.attrs()),
                                        args.input<float>(0), args.input<float>(1), args.input<float>(2),
                                        args.output<float>(0), args.output<float>(1));
                     }}},
};

extern const OpDef kAffineGrid = {
    .name = "AffineGrid",
    .doc =
        "The grid for GridSample that maps images of the given size ([n,c,h,w] or [n,c,d,h,w]) by theta[n,axes,axes+1]",
    .min_inputs = 2,
    .max_inputs = 2,
    .defaults = {{"align_corners", int64_t{0}}},
    .expand = expand_affine_grid,
};

}  // namespace marvin
