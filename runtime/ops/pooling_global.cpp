// Pooling of whole planes, which may have any number of axes.
#include <algorithm>

#include "runtime/ops/pooling.h"

namespace marvin {
namespace {

Shape global_shape(const Shape& in) {
  Shape shape(in.size(), 1);
  std::copy_n(in.begin(), 2, shape.begin());
  return shape;
}

int64_t plane_elements(const Shape& in) { return elements(Shape(in.begin() + 2, in.end())); }

void require_planes(const Type& type) {
  if (type.rank() < 2 || plane_elements(type.shape) == 0) throw Error("takes [n,c,...], not ", text_of(type));
}

std::vector<Type> infer_global(const InferContext& context) {
  const Type& x = context.type(0);
  if (x.dtype != DType::f32) throw Error("takes f32, not ", text_of(x));
  require_planes(x);
  const Shape shape = global_shape(x.shape);
  return {Type{DType::f32, shape}, Type{tap_type(plane_elements(x.shape)), shape}};
}

// A plane is one window of a sequence.
std::vector<ValueId> global_max_pool_gradient(GradContext& context) {
  if (!context.grad().valid()) return {};
  const Shape in = context.shape(context.in(0)), one = {in[0], in[1], 1}, flat = {in[0], in[1], plane_elements(in)};
  const ValueId dy = context.reshape(context.grad(), one), taps = context.reshape(context.require_out(1), one);
  const ValueId dx =
      context.build("MaxPoolGrad", {dy, taps}, {{"kernel_shape", Shape{flat[2]}}, {"input_shape", flat}});
  return {context.reshape(dx, in)};
}

std::vector<ValueId> expand_global_lp_pool(ExpandContext& context) {
  const Type x = context.type(context.in(0));
  require_planes(x);
  const Shape flat = {x.shape[0], x.shape[1], plane_elements(x.shape)};
  const ValueId y = context.build("LpPool", {context.reshape(context.in(0), flat)},
                                  {{"kernel_shape", Shape{flat[2]}}, {"p", context.attrs().integer("p")}});
  return {context.reshape(y, global_shape(x.shape))};
}

}  // namespace

extern const OpDef kGlobalMaxPool = {
    .name = "GlobalMaxPool",
    .doc =
        "y[n,c,1,...] = the largest element of every plane of x[n,c,...]. marvin's own second output, taps, says "
        "which element of its plane each one is (u8, i32 for large planes)",
    .max_outputs = 2,
    .infer = infer_global,
    .gradient = global_max_pool_gradient,
    .kernels = {{.name = "global_max_pool_f32",
                 .run =
                     [](const KernelArgs& args) {
                       const int64_t count = args.out_type().elements();
                       const int64_t plane = args.in_type(0).elements() / std::max<int64_t>(1, count);
                       const float* x = args.input<float>(0);
                       float* y = args.output<float>();
                       if (tap_type(plane) == DType::u8)
                         return global_max_pool(count, plane, x, y, args.output<uint8_t>(1));
                       global_max_pool(count, plane, x, y, args.output<int32_t>(1));
                     }}},
};

extern const OpDef kGlobalAveragePool = {
    .name = "GlobalAveragePool",
    .doc = "y[n,c,1,...] = the mean of every plane of x[n,c,...]",
    .infer = [](const InferContext& context) -> std::vector<Type> { return {infer_global(context)[0]}; },
    .gradient = [](GradContext& context) -> std::vector<ValueId> {
      return {
          context.build("GlobalAveragePoolGrad", {context.grad()}, {{"input_shape", context.shape(context.in(0))}})};
    },
    .kernels = {{.name = "global_average_pool_f32",
                 .run =
                     [](const KernelArgs& args) {
                       const int64_t count = args.out_type().elements();
                       const int64_t plane = args.in_type(0).elements() / std::max<int64_t>(1, count);
                       global_average_pool(count, plane, args.input<float>(0), args.output<float>());
                     }}},
};

extern const OpDef kGlobalAveragePoolGrad = {
    .name = "GlobalAveragePoolGrad",
    .doc = "dx = every element of dy divided evenly over its plane; input_shape is the shape of dx",
    .required = {"input_shape"},
    .infer = [](const InferContext& context) -> std::vector<Type> {
      const Type input{DType::f32, context.attrs.integers("input_shape")};
      require_planes(input);
      if (context.type(0) != Type{DType::f32, global_shape(input.shape)})
        throw Error("the gradient is ", text_of(context.type(0)), ", not one f32 per plane of ", text_of(input));
      return {input};
    },
    .kernels = {{.name = "global_average_pool_grad_f32",
                 .run =
                     [](const KernelArgs& args) {
                       const int64_t count = args.in_type(0).elements();
                       const int64_t plane = args.out_type().elements() / std::max<int64_t>(1, count);
                       global_average_pool_grad(count, plane, args.input<float>(0), args.output<float>());
                     }}},
};

extern const OpDef kGlobalLpPool = {
    .name = "GlobalLpPool",
    .doc = "y[n,c,1,...] = (sum |x|^p)^(1/p) of every plane of x[n,c,...]",
    .defaults = {{"p", int64_t{2}}},
    .expand = expand_global_lp_pool,
};

}  // namespace marvin
