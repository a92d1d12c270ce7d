// Average pooling, and what all pooling over windows shares: windows slide over the one to three axes behind batch and
// channels and are reduced to one element each.
#include "runtime/ops/pooling.h"

#include <limits>

#include "runtime/ops/windows.h"

namespace marvin {

void require_image(const Type& type) {
  if (type.rank() < 3 || type.rank() > 5) throw Error("takes [n,c] and one to three axes, not ", text_of(type));
}

void require_f32_image(const Type& type) {
  if (type.dtype != DType::f32) throw Error("takes f32, not ", text_of(type));
  require_image(type);
}

Pool pool_over(const Shape& in, const Attrs& attrs) {
  const std::vector<Window> windows = windows_over(std::span(in).subspan(2), attrs.integers("kernel_shape"), attrs);
  Pool pool{.planes = in[0] * in[1]};
  if (elements(attrs.integers("kernel_shape")) > std::numeric_limits<int32_t>::max())
    throw Error("the window is too large");
  for (size_t i = 0; i < windows.size(); ++i) {
    const Window& window = windows[i];
    if (window.pad_end < 0) throw Error("pads must be at least 0, not ", window.pad_end);
    pool.axes[3 - windows.size() + i] = {.in = window.in,
                                         .out = window.out,
                                         .kernel = window.kernel,
                                         .stride = window.stride,
                                         .dilation = window.dilation,
                                         .pad_begin = window.pad_begin,
                                         .pad_end = window.pad_end};
  }
  return pool;
}

Shape pooled_shape(const Shape& in, const Pool& pool) {
  Shape shape = in;
  for (size_t i = 2; i < in.size(); ++i) shape[i] = pool.axes[3 - in.size() + i].out;
  return shape;
}

DType tap_type(int64_t window_elements) { return window_elements <= 255 ? DType::u8 : DType::i32; }

Type recorded_input(const InferContext& context) {
  const Type type{DType::f32, context.attrs.integers("input_shape")};
  require_f32_image(type);
  return type;
}

void require_gradient_shape(const InferContext& context, const Shape& shape) {
  require_f32_image(context.type(0));
  if (context.shape(0) != shape)
    throw Error("the gradient is [", text_of(context.shape(0)), "], not [", text_of(shape), "]");
}

Attrs attrs_of_pool_gradient(GradContext& context) {
  Attrs attrs = context.attrs();
  attrs.erase("storage_order");
  attrs.set("input_shape", context.shape(context.in(0)));
  return attrs;
}

Prepared prepare_pool(const KernelQuery& query) {
  return {std::make_shared<Pool>(pool_over(query.in[0]->shape, query.attrs)), 0};
}

Prepared prepare_pool_gradient(const KernelQuery& query) {
  return {std::make_shared<Pool>(pool_over(query.attrs.integers("input_shape"), query.attrs)), 0};
}

extern const OpDef kAveragePool = {
    .name = "AveragePool",
    .doc =
        "y[n,c,...] = the mean of every window of x[n,c,...], over the elements that exist, or padding as well "
        "(count_include_pad)",
    .defaults = {{"auto_pad", std::string("NOTSET")},
                 {"ceil_mode", int64_t{0}},
                 {"count_include_pad", int64_t{0}},
                 {"dilations", std::vector<int64_t>{}},
                 {"pads", std::vector<int64_t>{}},
                 {"strides", std::vector<int64_t>{}}},
    .required = {"kernel_shape"},
    .infer = [](const InferContext& context) -> std::vector<Type> {
      require_f32_image(context.type(0));
      return {Type{DType::f32, pooled_shape(context.shape(0), pool_over(context.shape(0), context.attrs))}};
    },
    .gradient = [](GradContext& context) -> std::vector<ValueId> {
      return {context.build("AveragePoolGrad", {context.grad()}, attrs_of_pool_gradient(context))};
    },
    .kernels = {{.name = "average_pool_f32",
                 .prepare = prepare_pool,
                 .run =
                     [](const KernelArgs& args) {
                       const bool count_padding = args.attrs().integer("count_include_pad") != 0;
                       average_pool(pool_of(args), count_padding, args.input<float>(0), args.output<float>());
                     }}},
};

extern const OpDef kAveragePoolGrad = {
    .name = "AveragePoolGrad",
    .doc = "dx = every element of dy divided among the elements of its window; input_shape is the shape of dx",
    .defaults = {{"auto_pad", std::string("NOTSET")},
                 {"ceil_mode", int64_t{0}},
                 {"count_include_pad", int64_t{0}},
                 {"dilations", std::vector<int64_t>{}},
                 {"pads", std::vector<int64_t>{}},
                 {"strides", std::vector<int64_t>{}}},
    .required = {"kernel_shape", "input_shape"},
    .infer = [](const InferContext& context) -> std::vector<Type> {
      const Type input = recorded_input(context);
      require_gradient_shape(context, pooled_shape(input.shape, pool_over(input.shape, context.attrs)));
      return {input};
    },
    .kernels = {{.name = "average_pool_grad_f32",
                 .prepare = prepare_pool_gradient,
                 .run =
                     [](const KernelArgs& args) {
                       const bool count_padding = args.attrs().integer("count_include_pad") != 0;
                       average_pool_grad(pool_of(args), count_padding, args.input<float>(0), args.output<float>());
                     }}},
};

}  // namespace marvin
