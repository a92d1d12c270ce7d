// Softmax and LogSoftmax along one axis.
#include "runtime/kernels/softmax.h"

#include "runtime/ops/types.h"

namespace marvin {
namespace {

SoftmaxShape shape_around(const Type& type, const Attrs& attrs) {
  const size_t axis = static_cast<size_t>(normalized_axis(attrs.integer("axis"), type.rank()));
  SoftmaxShape shape{.axis = type.shape[axis]};
  for (size_t i = 0; i < axis; ++i) shape.outer *= type.shape[i];
  for (size_t i = axis + 1; i < type.shape.size(); ++i) shape.inner *= type.shape[i];
  return shape;
}

std::vector<Type> infer_softmax(const InferContext& context) {
  require_float(context, 0);
  if (context.type(0).rank() == 0) throw Error("takes at least one axis");
  normalized_axis(context.attrs.integer("axis"), context.type(0).rank());
  return {context.type(0)};
}

std::vector<Type> infer_softmax_grad(const InferContext& context) {
  if (context.type(0) != context.type(1)) {
    throw Error("the gradient is ", text_of(context.type(0)), ", y is ", text_of(context.type(1)));
  }
  return infer_softmax(context);
}

std::vector<ValueId> gradient_from_output(GradContext& context, std::string_view op) {
  return {context.build(op, {context.grad(), context.out(0)}, {{"axis", context.attrs().integer("axis")}})};
}

}  // namespace

extern const OpDef kSoftmax = {
    .name = "Softmax",
    .doc = "y = exp(x) / sum exp(x) along `axis`",
    .defaults = {{"axis", int64_t{-1}}},
    .infer = infer_softmax,
    .gradient = [](GradContext& context) { return gradient_from_output(context, "SoftmaxGrad"); },
    .kernels = {{.name = "softmax",
                 .run =
                     [](const KernelArgs& args) {
                       visit_float(args.in_type(0).dtype, [&](auto zero) {
                         using T = decltype(zero);
                         softmax(shape_around(args.in_type(0), args.attrs()), args.input<T>(0), args.output<T>());
                       });
                     }}},
    .in_place = true,
};

extern const OpDef kSoftmaxGrad = {
    .name = "SoftmaxGrad",
    .doc = "dx = y * (dy - sum dy * y) along `axis`; y is Softmax's output",
    .min_inputs = 2,
    .max_inputs = 2,
    .defaults = {{"axis", int64_t{-1}}},
    .infer = infer_softmax_grad,
    .kernels = {{.name = "softmax_grad",
                 .run =
                     [](const KernelArgs& args) {
                       visit_float(args.in_type(0).dtype, [&](auto zero) {
                         using T = decltype(zero);
                         softmax_grad(shape_around(args.in_type(0), args.attrs()), args.input<T>(0), args.input<T>(1),
                                      args.output<T>());
                       });
                     }}},
    .in_place = true,
};

extern const OpDef kLogSoftmax = {
    .name = "LogSoftmax",
    .doc = "y = x - log sum exp(x) along `axis`",
    .defaults = {{"axis", int64_t{-1}}},
    .infer = infer_softmax,
    .gradient = [](GradContext& context) { return gradient_from_output(context, "LogSoftmaxGrad"); },
    .kernels = {{.name = "log_softmax",
                 .run =
                     [](const KernelArgs& args) {
                       visit_float(args.in_type(0).dtype, [&](auto zero) {
                         using T = decltype(zero);
                         log_softmax(shape_around(args.in_type(0), args.attrs()), args.input<T>(0), args.output<T>());
                       });
                     }}},
    .in_place = true,
};

extern const OpDef kLogSoftmaxGrad = {
    .name = "LogSoftmaxGrad",
    .doc = "dx = dy - exp(y) * sum dy along `axis`; y is LogSoftmax's output",
    .min_inputs = 2,
    .max_inputs = 2,
    .defaults = {{"axis", int64_t{-1}}},
    .infer = infer_softmax_grad,
    .kernels = {{.name = "log_softmax_grad",
                 .run =
                     [](const KernelArgs& args) {
                       visit_float(args.in_type(0).dtype, [&](auto zero) {
                         using T = decltype(zero);
                         log_softmax_grad(shape_around(args.in_type(0), args.attrs()), args.input<T>(0),
                                          args.input<T>(1), args.output<T>());
                       });
                     }}},
    .in_place = true,
};

}  // namespace marvin
