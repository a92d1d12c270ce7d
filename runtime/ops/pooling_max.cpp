// Max pooling and its partial inverse.
#include <algorithm>

#include "runtime/kernels/pooling_last.h"
#include "runtime/ops/pooling.h"
#include "runtime/ops/windows.h"

namespace marvin {
namespace {

// Calls body with a tensor's taps, typed.
template <class Body>
void visit_taps(DType dtype, const void* taps, Body&& body) {
  if (dtype == DType::u8) return body(static_cast<const uint8_t*>(taps));
  body(static_cast<const int32_t*>(taps));
}

bool is_last(const Type& type) { return type.layout == Layout::channels_last; }

void require_last(DType dtype, const Pool& pool) {
  if (dtype != DType::f32 || tap_type(pool.taps()) != DType::u8)
    throw Error("takes channels_last f32 alone, in windows of up to 255 elements");
}

std::vector<Type> infer_max_pool(const InferContext& context) {
  const DType dtype = context.type(0).dtype;
  if (dtype != DType::f32 && dtype != DType::u8 && dtype != DType::i8)
    throw Error("takes f32, u8 or i8, not ", text_of(context.type(0)));
  require_image(context.type(0));
  const Pool pool = pool_over(context.shape(0), context.attrs);
  const Shape shape = pooled_shape(context.shape(0), pool);
  const Layout layout = context.type(0).layout;
  if (layout == Layout::channels_last) require_last(dtype, pool);
  return {Type{dtype, shape, layout}, Type{DType::i64, shape}, Type{tap_type(pool.taps()), shape, layout}};
}

// Indices without taps need room for the taps that they are made from.
Prepared prepare_max_pool(const KernelQuery& query) {
  Prepared prepared = prepare_pool(query);
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
  const bool column_major = args.attrs().integer("storage_order") != 0;
  if constexpr (std::is_same_v<Tap, uint8_t>) {
    if (is_last(args.in_type(0))) {
      const int64_t channels = args.in_type(0).shape[1];
      max_pool_last(pool, channels, args.input<float>(0), args.output<float>(), taps);
      if (indices) tap_positions_last(pool, channels, taps, column_major, indices);
      return;
    }
  }
  switch (args.in_type(0).dtype) {
    case DType::u8:
      max_pool(pool, args.input<uint8_t>(0), args.output<uint8_t>(), taps);
      break;
    case DType::i8:
      max_pool(pool, args.input<int8_t>(0), args.output<int8_t>(), taps);
      break;
    default:
      max_pool(pool, args.input<float>(0), args.output<float>(), taps);
  }
  if (indices) tap_positions(pool, taps, column_major, indices);
}

std::vector<ValueId> max_pool_gradient(GradContext& context) {
  if (!context.grad().valid()) return {};
  const ValueId taps = context.require_out(2);
  return {context.build("MaxPoolGrad", {context.grad(), taps}, attrs_of_pool_gradient(context))};
}

std::vector<Type> infer_max_pool_grad(const InferContext& context) {
  const Type input = recorded_input(context);
  const Pool pool = pool_over(input.shape, context.attrs);
  require_gradient_shape(context, pooled_shape(input.shape, pool));
  const Layout layout = context.type(0).layout;
  if (context.type(1) != Type{tap_type(pool.taps()), context.shape(0), layout}) {
    throw Error("the taps are ", text_of(context.type(1)), ", not those of these windows");
  }
  return {Type{input.dtype, input.shape, layout}};
}

// ---- MaxUnpool ------------------------------------------------------------------------------------------------------

// The input that MaxPool would have had.
Shape unpooled_shape(const Shape& in, const Attrs& attrs) {
  const size_t count = in.size() - 2;
  const std::vector<int64_t> kernel = per_axis(attrs, "kernel_shape", count, 1, 1);
  const std::vector<int64_t> strides = per_axis(attrs, "strides", count, 1, 1);
  const std::vector<int64_t> pads = per_axis(attrs, "pads", 2 * count, 0, 0);
  Shape shape = in;
  for (size_t i = 0; i < count; ++i) {
    shape[2 + i] = elements({in[2 + i] - 1, strides[i]}) + kernel[i] - pads[i] - pads[count + i];
    if (shape[2 + i] < 1) throw Error("the pads take away all of axis ", 2 + i);
  }
  return shape;
}

// Indices count the elements of that input. Another output shape has more, or fewer, behind every axis.
std::vector<ValueId> expand_max_unpool(ExpandContext& context) {
  const ValueId x = context.in(0), indices = context.in(1);
  const Type type = context.type(x);
  require_image(type);
  if (elements(type.shape) == 0) throw Error("cannot unpool ", text_of(type));
  if (context.type(indices) != Type{DType::i64, type.shape})
    throw Error("the indices must be i64 of the shape of x, not ", text_of(context.type(indices)));
  const Shape shape = unpooled_shape(type.shape, context.attrs());
  const Shape all = {elements(shape)}, flat = {type.elements()};
  const ValueId zeros = context.build("Expand", {context.scalar_like(x, 0), context.constant_shape(all)});
  const ValueId scattered =
      context.build("ScatterElements", {zeros, context.reshape(indices, flat), context.reshape(x, flat)});
  const ValueId y = context.reshape(scattered, shape);
  if (!context.in(2).valid()) return {y};
  const std::vector<int64_t> wanted = context.integers(context.in(2), "the output shape");
  if (wanted.size() != shape.size() || !std::equal(wanted.begin(), wanted.begin() + 2, shape.begin()))
    throw Error("an output of [", text_of(wanted), "] for x of [", text_of(type.shape), "]");
  std::vector<int64_t> pads(shape.size());
  for (size_t i = 0; i < shape.size(); ++i) pads.push_back(wanted[i] - shape[i]);
  return {context.build("Pad", {y, context.constant_shape(pads)})};
}

}  // namespace

extern const OpDef kMaxPool = {
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
    .kernels = {{.name = "max_pool",
                 .prepare = prepare_max_pool,
                 .run =
                     [](const KernelArgs& args) {
                       if (tap_type(pool_of(args).taps()) == DType::u8) return run_max_pool<uint8_t>(args);
                       run_max_pool<int32_t>(args);
                     }}},
    .layouts = LayoutRule::own,
};

extern const OpDef kMaxPoolGrad = {
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
                 .prepare = prepare_pool_gradient,
                 .run =
                     [](const KernelArgs& args) {
                       if (is_last(args.in_type(0))) {
                         return max_pool_last_grad(pool_of(args), args.in_type(0).shape[1], args.input<float>(0),
                                                   args.input<uint8_t>(1), args.output<float>());
                       }
                       visit_taps(args.in_type(1).dtype, args.in[1], [&](const auto* taps) {
                         max_pool_grad(pool_of(args), args.input<float>(0), taps, args.output<float>());
                       });
                     }}},
    .layouts = LayoutRule::own,
};

extern const OpDef kMaxUnpool = {
    .name = "MaxUnpool",
    .doc =
        "Zeros with x[n,c,...] at the indices that MaxPool gave; operands x, indices (i64), output_shape, which may "
        "have "
        "more elements behind every axis",
    .min_inputs = 2,
    .max_inputs = 3,
    .defaults = {{"pads", std::vector<int64_t>{}}, {"strides", std::vector<int64_t>{}}},
    .required = {"kernel_shape"},
    .expand = expand_max_unpool,
};

}  // namespace marvin
