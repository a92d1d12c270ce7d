// Local response normalization.
#include "runtime/kernels/local_response.h"

#include <algorithm>

#include "runtime/ops/op.h"

namespace marvin {
namespace {

const Attrs kDefaults = {{"alpha", 1e-4f}, {"beta", 0.75f}, {"bias", 1.0f}};

void check(const InferContext& context, size_t x) {
  const Type& type = context.type(x);
  if (type.dtype != DType::f32 || type.rank() < 2) throw Error("takes f32 [n,c,...], not ", text_of(type));
  if (context.attrs.integer("size") < 1) throw Error("size must be at least 1, not ", context.attrs.integer("size"));
}

LocalResponse norm_of(const Type& x, const Attrs& attrs) {
  const int64_t size = std::min(attrs.integer("size"), 2 * x.shape[1] + 2);
  return {.shape = {x.shape[0], x.shape[1], elements(Shape(x.shape.begin() + 2, x.shape.end()))},
          .before = (size - 1) / 2,
          .behind = size / 2,
          .alpha = attrs.real("alpha") / static_cast<float>(attrs.integer("size")),
          .beta = attrs.real("beta"),
          .bias = attrs.real("bias")};
}

}  // namespace

extern const OpDef kLRN = {
    .name = "LRN",
    .doc =
        "y = x / (bias + alpha / size * s)^beta where s is the sum of x^2 over `size` neighbouring channels of "
        "x[n,c,...]",
    .defaults = kDefaults,
    .required = {"size"},
    .infer = [](const InferContext& context) -> std::vector<Type> {
      check(context, 0);
      return {context.type(0)};
    },
    .gradient = [](GradContext& context) -> std::vector<ValueId> {
      return {context.build("LRNGrad", {context.grad(), context.in(0)}, context.attrs())};
    },
    .kernels = {{.name = "lrn_f32",
                 .run =
                     [](const KernelArgs& args) {
                       local_response(norm_of(args.in_type(0), args.attrs()), args.input<float>(0),
                                      args.output<float>());
                     }}},
};

extern const OpDef kLRNGrad = {
    .name = "LRNGrad",
    .doc = "dx of LRN from dy and x",
    .min_inputs = 2,
    .max_inputs = 2,
    .defaults = kDefaults,
    .required = {"size"},
    .infer = [](const InferContext& context) -> std::vector<Type> {
      check(context, 1);
      if (context.type(0) != context.type(1)) throw Error("dy is ", text_of(context.type(0)), ", x another type");
      return {context.type(1)};
    },
    .kernels = {{.name = "lrn_grad_f32",
                 .prepare = [](const KernelQuery& query) -> Prepared {
                   return {nullptr, query.in[1]->bytes()};
                 },
                 .run =
                     [](const KernelArgs& args) {
                       local_response_grad(norm_of(args.in_type(1), args.attrs()), args.input<float>(0),
                                           args.input<float>(1), args.output<float>(),
                                           reinterpret_cast<float*>(args.scratch));
                     }}},
};

}  // namespace marvin
