// Convolutions over one to three axes and their two gradients: in float32, and in fixed point.
#include <algorithm>

#include "runtime/ops/conv_kernels.h"
#include "runtime/ops/windows.h"

namespace marvin {
namespace {

// ---- Inference ------------------------------------------------------------------------------------------------------

void check_weights(const Shape& x, const Shape& w, int64_t group) {
  if (x.size() < 3 || x.size() > 5) throw Error("x must be [n,c] and one to three axes, not [", text_of(x), "]");
  if (w.size() != x.size()) throw Error("w of shape [", text_of(w), "] must have ", x.size(), " axes like x");
  if (elements(x) == 0 || elements(w) == 0) throw Error("x [", text_of(x), "] or w [", text_of(w), "] is empty");
  if (group < 1) throw Error("group must be at least 1, not ", group);
  if (x[1] % group != 0) throw Error("group=", group, " does not divide ", x[1], " channels");
  if (w[0] % group != 0) throw Error("group=", group, " does not divide ", w[0], " output channels");
  if (w[1] * group != x[1]) {
    throw Error("w of shape [", text_of(w), "] with group=", group, " reads ", w[1] * group, " channels, but x has ",
                x[1]);
  }
}

}  // namespace

ConvShape conv_shape(const Shape& x, const Shape& w, const Attrs& attrs) {
  const int64_t group = attrs.integer("group");
  check_weights(x, w, group);
  const std::vector<int64_t>& kernel = attrs.integers("kernel_shape");
  if (!kernel.empty() && !std::equal(kernel.begin(), kernel.end(), w.begin() + 2, w.end())) {
    throw Error("kernel_shape [", text_of(kernel), "] is not that of w [", text_of(w), "]");
  }
  const std::vector<Window> windows = windows_over(std::span(x).subspan(2), std::span(w).subspan(2), attrs);
  ConvShape shape{.n = x[0], .c = x[1], .o = w[0], .groups = group};
  for (size_t i = 0; i < windows.size(); ++i) {
    const Window& window = windows[i];
    shape.axes[3 - windows.size() + i] = {.in = window.in,
                                          .kernel = window.kernel,
                                          .out = window.out,
                                          .stride = window.stride,
                                          .dilation = window.dilation,
                                          .pad = window.pad_begin};
  }
  return shape;
}

namespace {

Shape y_shape(const ConvShape& s, size_t rank) {
  Shape shape = {s.n, s.o};
  for (size_t i = 5 - rank; i < 3; ++i) shape.push_back(s.axes[i].out);
  return shape;
}

// Images may be in either order where they are f32; weights are row_major.
template <ConvPass kPass>
void check_operands(const Type& a, const Type& b) {
  const bool floats = a.dtype == DType::f32 && b.dtype == DType::f32;
  if (floats && (kPass == ConvPass::weight_grad || !is_last(b))) return;
  if (is_word(a) && is_word(b)) return;
  throw Error("cannot convolve ", text_of(a), " and ", text_of(b),
              "; both must be f32, with row_major weights, or both quantized and channels_last");
}

// Of y or dx, in the order that the attributes ask for.
Type image_type(const Shape& shape, const Attrs& attrs) {
  const bool last = attrs.integer("channels_last") != 0;
  return {DType::f32, shape, last ? Layout::channels_last : Layout::row_major};
}

std::vector<Type> infer_conv(const InferContext& context) {
  check_operands<ConvPass::forward>(context.type(0), context.type(1));
  const ConvShape s = conv_shape(context.shape(0), context.shape(1), context.attrs);
  if (context.has(2) && context.type(2) != Type{DType::f32, {s.o}}) {
    throw Error("the bias must be f32[", s.o, "], not ", text_of(context.type(2)));
  }
  return {image_type(y_shape(s, context.shape(0).size()), context.attrs)};
}

void check_dy(const Type& dy, const ConvShape& s, size_t rank) {
  const Shape shape = y_shape(s, rank);
  if (dy.shape != shape) throw Error("dy must be [", text_of(shape), "], not [", text_of(dy.shape), "]");
}

std::vector<Type> infer_input_grad(const InferContext& context) {
  check_operands<ConvPass::input_grad>(context.type(0), context.type(1));
  const Shape& x = context.attrs.integers("input_shape");
  check_dy(context.type(0), conv_shape(x, context.shape(1), context.attrs), x.size());
  return {image_type(x, context.attrs)};
}

std::vector<Type> infer_weight_grad(const InferContext& context) {
  check_operands<ConvPass::weight_grad>(context.type(0), context.type(1));
  const Shape& w = context.attrs.integers("weight_shape");
  check_dy(context.type(1), conv_shape(context.shape(0), w, context.attrs), w.size());
  return {{DType::f32, w}};
}

// ---- Gradients ------------------------------------------------------------------------------------------------------

// All three are linear in both operands, so that each is the others' gradient.

Attrs conv_attrs(Attrs attrs) {
  attrs.erase("input_shape");
  attrs.erase("weight_shape");
  attrs.erase("channels_last");
  return attrs;
}

ValueId build_conv(GradContext& context, ValueId x, ValueId w) {
  return context.build("Conv", {x, w}, conv_attrs(context.attrs()));
}

ValueId build_input_grad(GradContext& context, ValueId dy, ValueId w, const Shape& x_shape) {
  Attrs attrs = conv_attrs(context.attrs());
  attrs.set("input_shape", x_shape);
  return context.build("ConvInputGrad", {dy, w}, attrs);
}

ValueId build_weight_grad(GradContext& context, ValueId x, ValueId dy, const Shape& w_shape) {
  Attrs attrs = conv_attrs(context.attrs());
  attrs.set("weight_shape", w_shape);
  return context.build("ConvWeightGrad", {x, dy}, attrs);
}

std::vector<ValueId> conv_gradient(GradContext& context) {
  const ValueId x = context.in(0), w = context.in(1), dy = context.grad();
  std::vector<ValueId> gradients(context.input_count());
  if (context.wants(0)) gradients[0] = build_input_grad(context, dy, w, context.shape(x));
  if (context.wants(1)) gradients[1] = build_weight_grad(context, x, dy, context.shape(w));
  if (context.in(2).valid() && context.wants(2)) gradients[2] = context.build("ChannelSum", {dy});
  return gradients;
}

std::vector<ValueId> input_grad_gradient(GradContext& context) {
  const ValueId dy = context.in(0), w = context.in(1), dx_grad = context.grad();
  std::vector<ValueId> gradients(2);
  if (context.wants(0)) gradients[0] = build_conv(context, dx_grad, w);
  if (context.wants(1)) gradients[1] = build_weight_grad(context, dx_grad, dy, context.shape(w));
  return gradients;
}

std::vector<ValueId> weight_grad_gradient(GradContext& context) {
  const ValueId x = context.in(0), dy = context.in(1), dw_grad = context.grad();
  std::vector<ValueId> gradients(2);
  if (context.wants(0)) gradients[0] = build_input_grad(context, dy, dw_grad, context.shape(x));
  if (context.wants(1)) gradients[1] = build_conv(context, x, dw_grad);
  return gradients;
}

Attrs image_defaults() {
  Attrs attrs = convolution_defaults();
  attrs.set("channels_last", int64_t{0});
  return attrs;
}

}  // namespace

extern const OpDef kConv = {
    .name = "Conv",
    .doc =
        "y[n,o,...] = x[n,c,...] convolved by w[o,c/group,...] over one to three axes, + b[o]. Quantized operands give "
        "float32(exact sum) * 2^-(fl_x + fl_w) + b, row-major or channels_last",
    .min_inputs = 2,
    .max_inputs = 3,
    .defaults = image_defaults(),
    .infer = infer_conv,
    .gradient = conv_gradient,
    .kernels = conv_kernels(),
    .product = {{0, 1}},
    .product_layout = Layout::channels_last,
    .macs = conv_macs<ConvPass::forward>,
    .layouts = LayoutRule::own,
};

extern const OpDef kConvInputGrad = {
    .name = "ConvInputGrad",
    .doc =
        "dx of shape input_shape from dy[n,o,...] and w[o,c/group,...]: the gradient of a Conv with the same other "
        "attributes. Quantized operands as in Conv.",
    .min_inputs = 2,
    .max_inputs = 2,
    .defaults = image_defaults(),
    .required = {"input_shape"},
    .infer = infer_input_grad,
    .gradient = input_grad_gradient,
    .kernels = conv_input_grad_kernels(),
    .product = {{0, 1}},
    .product_layout = Layout::channels_last,
    .macs = conv_macs<ConvPass::input_grad>,
    .layouts = LayoutRule::own,
};

extern const OpDef kConvWeightGrad = {
    .name = "ConvWeightGrad",
    .doc =
        "dw of shape weight_shape from x[n,c,...] and dy[n,o,...]: the gradient of a Conv with the same other "
        "attributes. Quantized operands as in Conv.",
    .min_inputs = 2,
    .max_inputs = 2,
    .defaults = convolution_defaults(),
    .required = {"weight_shape"},
    .infer = infer_weight_grad,
    .gradient = weight_grad_gradient,
    .kernels = conv_weight_grad_kernels(),
    .product = {{0, 1}},
    .product_layout = Layout::channels_last,
    .macs = conv_macs<ConvPass::weight_grad>,
    .layouts = LayoutRule::own,
};

}  // namespace marvin
