// Pooling of regions of images.
#include "runtime/kernels/roi.h"

#include <limits>

#include "runtime/ops/op.h"

namespace marvin {
namespace {

// The sizes of an op whose attributes hold the height and width of its output.
RoiShape shape_of(const Type& x, const Type& rois, int64_t columns, int64_t out_h, int64_t out_w, float scale) {
  if (x.dtype != DType::f32 || x.rank() != 4) throw Error("takes f32 [n,c,h,w], not ", text_of(x));
  if (rois.dtype != DType::f32 || rois.rank() != 2 || rois.shape[1] != columns)
    throw Error("the regions must be f32 [regions,", columns, "], not ", text_of(rois));
  if (out_h < 1 || out_w < 1) throw Error("the output must have height and width, not ", out_h, " by ", out_w);
  if (x.shape[2] * x.shape[3] == 0 || x.shape[2] * x.shape[3] > std::numeric_limits<int32_t>::max())
    throw Error("planes of ", text_of(x), " are empty or too large");
  return {.n = x.shape[0],
          .c = x.shape[1],
          .h = x.shape[2],
          .w = x.shape[3],
          .regions = rois.shape[0],
          .out_h = out_h,
          .out_w = out_w,
          .scale = scale};
}

Type output_of(const RoiShape& shape) { return {DType::f32, {shape.regions, shape.c, shape.out_h, shape.out_w}}; }

void require_gradient(const InferContext& context, const RoiShape& shape) {
  if (context.type(0) == output_of(shape)) return;
  throw Error("the gradient must be ", text_of(output_of(shape)), ", not ", text_of(context.type(0)));
}

// ---- RoiAlign -------------------------------------------------------------------------------------------------------

const Attrs kAlignDefaults = {{"coordinate_transformation_mode", std::string("half_pixel")},
                              {"mode", std::string("avg")},
                              {"output_height", int64_t{1}},
                              {"output_width", int64_t{1}},
                              {"sampling_ratio", int64_t{0}},
                              {"spatial_scale", 1.0f}};

RoiAlignShape align_shape(const Type& x, const Type& rois, const Attrs& attrs) {
  return {
      shape_of(x, rois, 4, attrs.integer("output_height"), attrs.integer("output_width"), attrs.real("spatial_scale")),
      attrs.integer("sampling_ratio"), attrs.string("coordinate_transformation_mode") == "half_pixel",
      attrs.string("mode") == "max"};
}

RoiAlignShape checked_align_shape(const InferContext& context, size_t x) {
  const RoiAlignShape shape = align_shape(context.type(x), context.type(x + 1), context.attrs);
  const std::string &mode = context.attrs.string("mode"),
                    &coordinates = context.attrs.string("coordinate_transformation_mode");
  if (mode != "avg" && mode != "max") throw Error("the mode '", mode, "' is not one of avg and max");
  if (coordinates != "half_pixel" && coordinates != "output_half_pixel")
    throw Error("the coordinate_transformation_mode '", coordinates, "' is not half_pixel or output_half_pixel");
  if (shape.sampling_ratio < 0 || shape.sampling_ratio > 1024)
    throw Error("sampling_ratio must be between 0 and 1024, not ", shape.sampling_ratio);
  if (context.type(x + 2) != Type{DType::i64, {shape.regions}})
    throw Error("batch_indices must be i64[", shape.regions, "], not ", text_of(context.type(x + 2)));
  return shape;
}

// Regions are data: only now is it known whether they are of images that exist.
RoiAlignShape align_shape_at_run(const KernelArgs& args, size_t x) {
  const RoiAlignShape shape = align_shape(args.in_type(x), args.in_type(x + 1), args.attrs());
  const int64_t bad = first_bad_region(shape, args.input<float>(x + 1));
  if (bad >= 0) throw Error("RoiAlign: region ", bad, " is not finite or too large");
  for (int64_t i = 0; i < shape.regions; ++i) {
    const int64_t image = args.input<int64_t>(x + 2)[i];
    if (image < 0 || image >= shape.n)
      throw Error("RoiAlign: image ", image, " is out of the range of ", shape.n, " images");
  }
  return shape;
}

// ---- MaxRoiPool -----------------------------------------------------------------------------------------------------

RoiShape pool_shape(const Type& x, const Type& rois, const Attrs& attrs) {
  const std::vector<int64_t>& pooled = attrs.integers("pooled_shape");
  if (pooled.size() != 2) throw Error("pooled_shape must be height and width, not [", text_of(pooled), "]");
  return shape_of(x, rois, 5, pooled[0], pooled[1], attrs.real("spatial_scale"));
}

RoiShape pool_shape_at_run(const KernelArgs& args, const Type& x, size_t rois) {
  const RoiShape shape = pool_shape(x, args.in_type(rois), args.attrs());
  for (int64_t i = 0; i < shape.regions; ++i) {
    const float image = args.input<float>(rois)[i * 5];
    if (!(image >= 0 && image < static_cast<float>(shape.n)))
      throw Error("MaxRoiPool: image ", image, " is out of the range of ", shape.n, " images");
  }
  return shape;
}

Type recorded_input(const Attrs& attrs) { return {DType::f32, attrs.integers("input_shape")}; }

}  // namespace

extern const OpDef kRoiAlign = {
    .name = "RoiAlign",
    .doc =
        "y[region,c,h,w] = the mean (or largest) of bilinear samples of every bin of a region of x[n,c,h,w]; operands "
        "x, rois[region, x1 y1 x2 y2], batch_indices[region]",
    .min_inputs = 3,
    .max_inputs = 3,
    .defaults = kAlignDefaults,
    .infer = [](const InferContext& context) -> std::vector<Type> {
      return {output_of(checked_align_shape(context, 0))};
    },
    .gradient = [](GradContext& context) -> std::vector<ValueId> {
      return {context.build("RoiAlignGrad", {context.grad(), context.in(0), context.in(1), context.in(2)},
                            context.attrs())};
    },
    .kernels = {{.name = "roi_align_f32",
                 .run =
                     [](const KernelArgs& args) {
                       roi_align(align_shape_at_run(args, 0), args.input<float>(0), args.input<float>(1),
                                 args.input<int64_t>(2), args.output<float>());
                     }}},
};

extern const OpDef kRoiAlignGrad = {
    .name = "RoiAlignGrad",
    .doc = "dx of RoiAlign from dy, x, rois and batch_indices",
    .min_inputs = 4,
    .max_inputs = 4,
    .defaults = kAlignDefaults,
    .infer = [](const InferContext& context) -> std::vector<Type> {
      require_gradient(context, checked_align_shape(context, 1));
      return {context.type(1)};
    },
    .kernels = {{.name = "roi_align_grad_f32",
                 .run =
                     [](const KernelArgs& args) {
                       roi_align_grad(align_shape_at_run(args, 1), args.input<float>(0), args.input<float>(1),
                                      args.input<float>(2), args.input<int64_t>(3), args.output<float>());
                     }}},
};

extern const OpDef kMaxRoiPool = {
    .name = "MaxRoiPool",
    .doc =
        "y[region,c,h,w] = the largest element of every bin of a region of x[n,c,h,w]; operands x, rois[region, image "
        "x1 y1 x2 y2]. marvin's own second output, taps (i32), says where in its plane each one is",
    .min_inputs = 2,
    .max_inputs = 2,
    .max_outputs = 2,
    .defaults = {{"spatial_scale", 1.0f}},
    .required = {"pooled_shape"},
    .infer = [](const InferContext& context) -> std::vector<Type> {
      const Type y = output_of(pool_shape(context.type(0), context.type(1), context.attrs));
      return {y, Type{DType::i32, y.shape}};
    },
    .gradient = [](GradContext& context) -> std::vector<ValueId> {
      if (!context.grad().valid()) return {};
      Attrs attrs = context.attrs();
      attrs.set("input_shape", context.shape(context.in(0)));
      return {context.build("MaxRoiPoolGrad", {context.grad(), context.in(1), context.require_out(1)}, attrs)};
    },
    .kernels = {{.name = "max_roi_pool_f32",
                 .run =
                     [](const KernelArgs& args) {
                       max_roi_pool(pool_shape_at_run(args, args.in_type(0), 1), args.input<float>(0),
                                    args.input<float>(1), args.output<float>(0), args.output<int32_t>(1));
                     }}},
};

extern const OpDef kMaxRoiPoolGrad = {
    .name = "MaxRoiPoolGrad",
    .doc = "dx = every element of dy added where MaxRoiPool took it from: operands dy, rois, taps",
    .min_inputs = 3,
    .max_inputs = 3,
    .defaults = {{"spatial_scale", 1.0f}},
    .required = {"pooled_shape", "input_shape"},
    .infer = [](const InferContext& context) -> std::vector<Type> {
      const Type x = recorded_input(context.attrs);
      require_gradient(context, pool_shape(x, context.type(1), context.attrs));
      if (context.type(2) != Type{DType::i32, context.shape(0)}) throw Error("taps are ", text_of(context.type(2)));
      return {x};
    },
    .kernels = {{.name = "max_roi_pool_grad_f32",
                 .run =
                     [](const KernelArgs& args) {
                       max_roi_pool_grad(pool_shape_at_run(args, args.out_type(), 1), args.input<float>(0),
                                         args.input<float>(1), args.input<int32_t>(2), args.output<float>());
                     }}},
};

}  // namespace marvin
