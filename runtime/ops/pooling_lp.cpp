// Pooling by the norm of the elements of a window.
#include "runtime/ops/pooling.h"

namespace marvin {
namespace {

void require_p(const Attrs& attrs) {
  if (attrs.integer("p") < 1) throw Error("p must be at least 1, not ", attrs.integer("p"));
}

const Attrs kDefaults = {{"auto_pad", std::string("NOTSET")},   {"ceil_mode", int64_t{0}},
                         {"dilations", std::vector<int64_t>{}}, {"p", int64_t{2}},
                         {"pads", std::vector<int64_t>{}},      {"strides", std::vector<int64_t>{}}};

}  // namespace

extern const OpDef kLpPool = {
    .name = "LpPool",
    .doc = "y[n,c,...] = (sum |x|^p)^(1/p) over every window of x[n,c,...]",
    .defaults = kDefaults,
    .required = {"kernel_shape"},
    .infer = [](const InferContext& context) -> std::vector<Type> {
      require_f32_image(context.type(0));
      require_p(context.attrs);
      return {Type{DType::f32, pooled_shape(context.shape(0), pool_over(context.shape(0), context.attrs))}};
    },
    .gradient = [](GradContext& context) -> std::vector<ValueId> {
      return {context.build("LpPoolGrad", {context.grad(), context.in(0), context.out(0)}, context.attrs())};
    },
    .kernels = {{.name = "lp_pool_f32",
                 .prepare = prepare_pool,
                 .run =
                     [](const KernelArgs& args) {
                       lp_pool(pool_of(args), args.attrs().integer("p"), args.input<float>(0), args.output<float>());
                     }}},
};

extern const OpDef kLpPoolGrad = {
    .name = "LpPoolGrad",
    .doc = "dx of LpPool from dy, x and y; 0 where y is",
    .min_inputs = 3,
    .max_inputs = 3,
    .defaults = kDefaults,
    .required = {"kernel_shape"},
    .infer = [](const InferContext& context) -> std::vector<Type> {
      require_f32_image(context.type(1));
      require_p(context.attrs);
      const Shape& x = context.shape(1);
      require_gradient_shape(context, pooled_shape(x, pool_over(x, context.attrs)));
      if (context.type(2) != context.type(0)) throw Error("y is ", text_of(context.type(2)), ", dy another type");
      return {context.type(1)};
    },
    .kernels = {{.name = "lp_pool_grad_f32",
                 .prepare = [](const KernelQuery& query) -> Prepared {
                   return {std::make_shared<Pool>(pool_over(query.in[1]->shape, query.attrs)), 0};
                 },
                 .run =
                     [](const KernelArgs& args) {
                       lp_pool_grad(pool_of(args), args.attrs().integer("p"), args.input<float>(0),
                                    args.input<float>(1), args.input<float>(2), args.output<float>());
                     }}},
};

}  // namespace marvin
