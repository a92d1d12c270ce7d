// Pooling: windows that slide over the one to three axes behind batch and channels, reduced to one element each.
#include "runtime/kernels/pooling.h"

#include <algorithm>
#include <limits>

#include "runtime/ops/list.h"
#include "runtime/ops/windows.h"

namespace marvin {
namespace {

void require_image(const Type& type) {
  if (type.dtype != DType::f32) throw Error("takes f32, not ", text_of(type));
  if (type.rank() < 3 || type.rank() > 5) throw Error("takes [n,c] and one to three axes, not ", text_of(type));
}

// The windows over an input [n,c,...]. Axes that the input lacks are of extent 1.
Pool pool_over(const Shape& in, const Attrs& attrs) {
  const std::vector<Window> windows = windows_over(std::span(in).subspan(2), attrs.integers("kernel_shape"), attrs);
  Pool pool{.planes = in[0] * in[1]};
  if (elements(attrs.integers("kernel_shape")) > std::numeric_limits<int32_t>::max()) throw Error("the window is too large");
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

Shape global_shape(const Shape& in) {
  Shape shape(in.size(), 1);
  std::copy_n(in.begin(), 2, shape.begin());
  return shape;
}

int64_t plane_elements(const Shape& in) { return elements(Shape(in.begin() + 2, in.end())); }

// Taps of windows of so many elements; u8's last value stands for none.
DType tap_type(int64_t window_elements) { return window_elements <= 255 ? DType::u8 : DType::i32; }

// Calls body with a tensor's taps, typed.
template <class Body>
void visit_taps(DType dtype, const void* taps, Body&& body) {
  if (dtype == DType::u8) return body(static_cast<const uint8_t*>(taps));
  body(static_cast<const int32_t*>(taps));
}

// The type of the gradient of an input whose shape the forward rule recorded.
Type recorded_input(const InferContext& context) {
  const Type type{DType::f32, context.attrs.integers("input_shape")};
  require_image(type);
  return type;
}

void require_gradient_shape(const InferContext& context, const Shape& shape) {
  require_image(context.type(0));
  if (context.shape(0) != shape)
    throw Error("the gradient is [", text_of(context.shape(0)), "], not [", text_of(shape), "]");
}

Attrs attrs_of_gradient(GradContext& context) {
  Attrs attrs = context.attrs();
  attrs.erase("storage_order");
  attrs.set("input_shape", context.shape(context.in(0)));
  return attrs;
}

Prepared prepare_forward(const KernelQuery& query) {
  return {std::make_shared<Pool>(pool_over(query.in[0]->shape, query.attrs)), 0};
}

Prepared prepare_gradient(const KernelQuery& query) {
  return {std::make_shared<Pool>(pool_over(query.attrs.integers("input_shape"), query.attrs)), 0};
}

const Pool& pool_of(const KernelArgs& args) { return *static_cast<const Pool*>(args.state); }

// ---- MaxPool --------------------------------------------------------------------------------------------------------

std::vector<Type> infer_max_pool(const InferContext& context) {
  require_image(context.type(0));
  const Pool pool = pool_over(context.shape(0), context.attrs);
  const Shape shape = pooled_shape(context.shape(0), pool);
  return {Type{DType::f32, shape}, Type{DType::i64, shape}, Type{tap_type(pool.taps()), shape}};
}

// Indices without taps need room for the taps that they are made from.
Prepared prepare_max_pool(const KernelQuery& query) {
  Prepared prepared = prepare_forward(query);
  const bool wants_indices = query.out.size() > 1 && query.out[1];
  const bool wants_taps = query.out.size() > 2 && query.out[2];
  const Pool& pool = *static_cast<const Pool*>(prepared.state.get());
  if (wants_indices && !wants_taps) {
    prepared.scratch_bytes = query.out[0]->elements() * bytes_of(tap_type(pool.taps()));
  }
  return prepared;
}

template <class Tap>
void run_max_pool(const KernelArgs& args) {
  const Pool& pool = pool_of(args);
  int64_t* indices = args.output<int64_t>(1);
  Tap* taps = args.output<Tap>(2);
  if (indices && !taps) taps = reinterpret_cast<Tap*>(args.scratch);
  max_pool(pool, args.input<float>(0), args.output<float>(), taps);
  if (indices) tap_positions(pool, taps, args.attrs().integer("storage_order") != 0, indices);
}

std::vector<ValueId> max_pool_gradient(GradContext& context) {
  if (!context.grad().valid()) return {};
  const ValueId taps = context.require_out(2);
  return {context.build("MaxPoolGrad", {context.grad(), taps}, attrs_of_gradient(context))};
}

std::vector<Type> infer_max_pool_grad(const InferContext& context) {
  const Type input = recorded_input(context);
  const Pool pool = pool_over(input.shape, context.attrs);
  require_gradient_shape(context, pooled_shape(input.shape, pool));
  if (context.type(1) != Type{tap_type(pool.taps()), context.shape(0)}) {
    throw Error("the taps are ", text_of(context.type(1)), ", not those of these windows");
  }
  return {input};
}

// ---- Global ---------------------------------------------------------------------------------------------------------

std::vector<Type> infer_global(const InferContext& context) {
  require_image(context.type(0));
  const Shape shape = global_shape(context.shape(0));
  return {Type{DType::f32, shape}, Type{tap_type(plane_elements(context.shape(0))), shape}};
}

std::vector<ValueId> global_max_pool_gradient(GradContext& context) {
  if (!context.grad().valid()) return {};
  const Shape& in = context.shape(context.in(0));
  const std::vector<int64_t> window(in.begin() + 2, in.end());
  const ValueId taps = context.require_out(1);
  return {context.build("MaxPoolGrad", {context.grad(), taps}, {{"kernel_shape", window}, {"input_shape", in}})};
}

}  // namespace

const OpDef kMaxPool = {
    .name = "MaxPool",
    .doc =
        "y[n,c,...] = the largest element of every window of x[n,c,...]; indices (i64) are their positions in x. "
        "marvin's own third output, taps, says which element of its window each one is (u8, i32 for large "
        "windows)",
    .max_outputs = 3,
    .defaults = {{"auto_pad", std::string("NOTSET")},
                 {"ceil_mode", int64_t{0}},
                 {"dilations", std::vector<int64_t>{}},
                 {"pads", std::vector<int64_t>{}},
                 {"storage_order", int64_t{0}},
                 {"strides", std::vector<int64_t>{}}},
    .required = {"kernel_shape"},
    .infer = infer_max_pool,
    .gradient = max_pool_gradient,
    .kernels = {{.name = "max_pool_f32",
                 .prepare = prepare_max_pool,
                 .run =
                     [](const KernelArgs& args) {
                       if (tap_type(pool_of(args).taps()) == DType::u8) return run_max_pool<uint8_t>(args);
                       run_max_pool<int32_t>(args);
                     }}},
};

const OpDef kMaxPoolGrad = {
    .name = "MaxPoolGrad",
    .doc =
        "dx = every element of dy added where MaxPool took it from: taps is MaxPool's third output, input_shape "
        "the shape of dx",
    .min_inputs = 2,
    .max_inputs = 2,
    .defaults = {{"auto_pad", std::string("NOTSET")},
                 {"ceil_mode", int64_t{0}},
                 {"dilations", std::vector<int64_t>{}},
                 {"pads", std::vector<int64_t>{}},
                 {"strides", std::vector<int64_t>{}}},
    .required = {"kernel_shape", "input_shape"},
    .infer = infer_max_pool_grad,
    .kernels = {{.name = "max_pool_grad_f32",
                 .prepare = prepare_gradient,
                 .run =
                     [](const KernelArgs& args) {
                       visit_taps(args.in_type(1).dtype, args.in[1], [&](const auto* taps) {
                         max_pool_grad(pool_of(args), args.input<float>(0), taps, args.output<float>());
                       });
                     }}},
};

const OpDef kAveragePool = {
    .name = "AveragePool",
    .doc =
        "y[n,c,...] = the mean of every window of x[n,c,...], over the elements that exist, or padding as well "
        "(count_include_pad)",
    .defaults = {{"auto_pad", std::string("NOTSET")},
                 {"ceil_mode", int64_t{0}},
                 {"count_include_pad", int64_t{0}},
                 {"pads", std::vector<int64_t>{}},
                 {"strides", std::vector<int64_t>{}}},
    .required = {"kernel_shape"},
    .infer = [](const InferContext& context) -> std::vector<Type> {
      require_image(context.type(0));
      return {Type{DType::f32, pooled_shape(context.shape(0), pool_over(context.shape(0), context.attrs))}};
    },
    .gradient = [](GradContext& context) -> std::vector<ValueId> {
      return {context.build("AveragePoolGrad", {context.grad()}, attrs_of_gradient(context))};
    },
    .kernels = {{.name = "average_pool_f32",
                 .prepare = prepare_forward,
                 .run =
                     [](const KernelArgs& args) {
                       const bool count_padding = args.attrs().integer("count_include_pad") != 0;
                       average_pool(pool_of(args), count_padding, args.input<float>(0), args.output<float>());
                     }}},
};

const OpDef kAveragePoolGrad = {
    .name = "AveragePoolGrad",
    .doc = "dx = every element of dy divided among the elements of its window; input_shape is the shape of dx",
    .defaults = {{"auto_pad", std::string("NOTSET")},
                 {"ceil_mode", int64_t{0}},
                 {"count_include_pad", int64_t{0}},
                 {"pads", std::vector<int64_t>{}},
                 {"strides", std::vector<int64_t>{}}},
    .required = {"kernel_shape", "input_shape"},
    .infer = [](const InferContext& context) -> std::vector<Type> {
      const Type input = recorded_input(context);
      require_gradient_shape(context, pooled_shape(input.shape, pool_over(input.shape, context.attrs)));
      return {input};
    },
    .kernels = {{.name = "average_pool_grad_f32",
                 .prepare = prepare_gradient,
                 .run =
                     [](const KernelArgs& args) {
                       const bool count_padding = args.attrs().integer("count_include_pad") != 0;
                       average_pool_grad(pool_of(args), count_padding, args.input<float>(0), args.output<float>());
                     }}},
};

const OpDef kGlobalMaxPool = {
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

const OpDef kGlobalAveragePool = {
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

const OpDef kGlobalAveragePoolGrad = {
    .name = "GlobalAveragePoolGrad",
    .doc = "dx = every element of dy divided evenly over its plane; input_shape is the shape of dx",
    .required = {"input_shape"},
    .infer = [](const InferContext& context) -> std::vector<Type> {
      const Type input = recorded_input(context);
      require_gradient_shape(context, global_shape(input.shape));
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

}  // namespace marvin
