// Convolutions over one to three axes and their two gradients: in float32, and in fixed point.
#include <algorithm>

#include "runtime/kernels/conv_exact.h"
#include "runtime/kernels/conv_f32.h"
#include "runtime/kernels/conv_weight_grad_words.h"
#include "runtime/kernels/conv_words.h"
#include "runtime/kernels/layouts.h"
#include "runtime/kernels/onednn_conv.h"
#include "runtime/kernels/onednn_conv_s8.h"
#include "runtime/kernels/scratch.h"
#include "runtime/ops/op.h"
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

// The sizes of a convolution of x by w.
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

Shape y_shape(const ConvShape& s, size_t rank) {
  Shape shape = {s.n, s.o};
  for (size_t i = 5 - rank; i < 3; ++i) shape.push_back(s.axes[i].out);
  return shape;
}

bool is_word(const Type& type) {
  return type.layout == Layout::channels_last &&
         (type.dtype == DType::i8 || type.dtype == DType::i16 || type.dtype == DType::i32);
}

bool is_last(const Type& type) { return type.layout == Layout::channels_last; }

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
  if (context.in(2).valid() && context.wants(2)) {
    Shape axes = {0};
    for (int64_t axis = 2; axis < context.type(dy).rank(); ++axis) axes.push_back(axis);
    gradients[2] = context.build("ReduceSum", {dy, context.constant_shape(axes)}, {{"keepdims", int64_t{0}}});
  }
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

// ---- Kernels --------------------------------------------------------------------------------------------------------

template <ConvPass kPass>
ConvShape shape_of(const KernelQuery& query) {
  const Shape& x = kPass == ConvPass::input_grad ? query.attrs.integers("input_shape") : query.in[0]->shape;
  const Shape& w = kPass == ConvPass::weight_grad ? query.attrs.integers("weight_shape") : query.in[1]->shape;
  return conv_shape(x, w, query.attrs);
}

template <ConvPass kPass>
std::vector<TapConv> taps_of(const KernelQuery& query, WeightOrder order) {
  const ConvShape shape = shape_of<kPass>(query);
  if (kPass == ConvPass::input_grad) return input_grad_taps(shape, order);
  return {forward_taps(shape, order)};
}

template <ConvPass kPass>
int64_t conv_macs(const KernelQuery& query) {
  const ConvShape s = shape_of<kPass>(query);
  return s.y_elements() * s.group_c() * s.taps();
}

bool has_f32(const KernelQuery& query) { return query.in[0]->dtype == DType::f32; }
bool has_words(const KernelQuery& query) { return is_word(*query.in[0]); }
bool has_bytes(const KernelQuery& query) {
  return has_words(query) && query.in[0]->dtype == DType::i8 && query.in[1]->dtype == DType::i8;
}

Words words(const KernelArgs& args, size_t i) {
  return {args.in[i], static_cast<int>(bytes_of(args.in_type(i).dtype))};
}

// What a product of words counts in.
float scale_of(const KernelArgs& args) { return power_of_two(-(args.in_formats[0].fl + args.in_formats[1].fl)); }

// Wraps a kernel object and the scratch memory that it asks for.
template <class Object>
Prepared prepared(Object object) {
  const int64_t scratch_bytes = object.scratch_bytes();
  return {std::make_shared<Object>(std::move(object)), scratch_bytes};
}

template <class Object>
Object& state_of(const KernelArgs& args) {
  return *static_cast<Object*>(args.state);
}

// Of x and y, or of their gradients.
template <ConvPass kPass>
ConvF32Onednn::Layouts layouts_of(const KernelQuery& query) {
  const bool first = is_last(*query.in[0]);
  if (kPass == ConvPass::weight_grad) return {first, is_last(*query.in[1])};
  const bool out = is_last(*query.out[0]);
  return kPass == ConvPass::forward ? ConvF32Onednn::Layouts{first, out} : ConvF32Onednn::Layouts{out, first};
}

template <ConvPass kPass>
Kernel f32_onednn(std::string_view name) {
  return {.name = name,
          .backend = Backend::onednn,
          .admits =
              [](const KernelQuery& query) {
                return has_f32(query) && ConvF32Onednn::admits(shape_of<kPass>(query), kPass, layouts_of<kPass>(query));
              },
          .prepare =
              [](const KernelQuery& query) {
                return prepared(ConvF32Onednn(shape_of<kPass>(query), kPass, layouts_of<kPass>(query),
                                              query.in.size() > 2 && query.in[2]));
              },
          .run =
              [](const KernelArgs& args) {
                state_of<ConvF32Onednn>(args).run(args.input<float>(0), args.input<float>(1), args.input<float>(2),
                                                  args.output<float>(), args.scratch);
              }};
}

template <ConvPass kPass>
Kernel s8_onednn(std::string_view name) {
  return {.name = name,
          .backend = Backend::onednn,
          .admits =
              [](const KernelQuery& query) {
                return has_bytes(query) && ConvS8Onednn::admits(taps_of<kPass>(query, WeightOrder::o_k_i));
              },
          .prepare =
              [](const KernelQuery& query) {
                return prepared(ConvS8Onednn(taps_of<kPass>(query, WeightOrder::o_k_i), is_last(*query.out[0])));
              },
          .run =
              [](const KernelArgs& args) {
                state_of<ConvS8Onednn>(args).run(args.input<int8_t>(0), args.input<int8_t>(1), scale_of(args),
                                                 args.input<float>(2), args.output<float>(), args.scratch);
              }};
}

bool has_short_words(const KernelQuery& query) {
  return has_words(query) && query.in[0]->dtype != DType::i32 && query.in[1]->dtype != DType::i32;
}

template <ConvPass kPass>
Kernel s16_vnni(std::string_view name) {
  return {.name = name,
          .admits =
              [](const KernelQuery& query) {
                return has_short_words(query) && !has_bytes(query) &&
                       ConvWords::admits(taps_of<kPass>(query, WeightOrder::o_k_i));
              },
          .prepare =
              [](const KernelQuery& query) {
                return prepared(ConvWords(taps_of<kPass>(query, WeightOrder::o_k_i),
                                          static_cast<int>(bytes_of(query.in[1]->dtype))));
              },
          .run =
              [](const KernelArgs& args) {
                state_of<ConvWords>(args).run(words(args, 0), args.in_formats[0].wl, words(args, 1),
                                              args.in_formats[1].wl, scale_of(args), args.input<float>(2),
                                              args.output<float>(), args.scratch);
              }};
}

Kernel weight_grad_words() {
  return {.name = "conv_weight_grad_vnni",
          .admits =
              [](const KernelQuery& query) {
                return has_short_words(query) &&
                       ConvWeightGradWords::admits(shape_of<ConvPass::weight_grad>(query));
              },
          .prepare =
              [](const KernelQuery& query) {
                return prepared(ConvWeightGradWords(shape_of<ConvPass::weight_grad>(query),
                                                    static_cast<int>(bytes_of(query.in[0]->dtype)),
                                                    static_cast<int>(bytes_of(query.in[1]->dtype))));
              },
          .run =
              [](const KernelArgs& args) {
                state_of<ConvWeightGradWords>(args).run(words(args, 0), args.in_formats[0].wl, words(args, 1),
                                                        args.in_formats[1].wl, scale_of(args), args.output<float>(),
                                                        args.scratch);
              }};
}

template <ConvPass kPass>
Kernel f32_openblas(std::string_view name) {
  return {.name = name,
          .backend = Backend::openblas,
          .admits = has_f32,
          .prepare =
              [](const KernelQuery& query) {
                if constexpr (kPass == ConvPass::weight_grad)
                  return prepared(ConvWeightGradF32(shape_of<kPass>(query)));
                return prepared(ConvF32(taps_of<kPass>(query, WeightOrder::o_i_k)));
              },
          .run =
              [](const KernelArgs& args) {
                const float* a = args.input<float>(0);
                const float* b = args.input<float>(1);
                if constexpr (kPass == ConvPass::weight_grad) {
                  state_of<ConvWeightGradF32>(args).run(a, b, args.output<float>(), args.scratch);
                } else {
                  state_of<ConvF32>(args).run(a, b, args.input<float>(2), args.output<float>(), args.scratch);
                }
              }};
}

template <ConvPass kPass, FloatContainer kContainer>
Kernel exact_openblas(std::string_view name) {
  return {.name = name,
          .backend = Backend::openblas,
          .admits = kContainer == FloatContainer::f32 ? has_bytes : has_words,
          .prepare =
              [](const KernelQuery& query) {
                const ExactProduct product{kContainer, static_cast<int>(bytes_of(query.in[0]->dtype)),
                                           static_cast<int>(bytes_of(query.in[1]->dtype))};
                if constexpr (kPass == ConvPass::weight_grad) {
                  return prepared(ConvWeightGradExact(shape_of<kPass>(query), product));
                } else {
                  return prepared(ConvExact(taps_of<kPass>(query, WeightOrder::o_k_i), product));
                }
              },
          .run =
              [](const KernelArgs& args) {
                const Words a = words(args, 0), b = words(args, 1);
                if constexpr (kPass == ConvPass::weight_grad) {
                  state_of<ConvWeightGradExact>(args).run(a, b, scale_of(args), args.output<float>(), args.scratch);
                } else {
                  state_of<ConvExact>(args).run(a, b, scale_of(args), args.input<float>(2), args.output<float>(),
                                                args.scratch);
                }
              }};
}

template <ConvPass kPass>
void run_reference(const KernelArgs& args) {
  const ConvShape s = shape_of<kPass>(args.query);
  float* out = args.output<float>();
  if (has_f32(args.query)) {
    const float* a = args.input<float>(0);
    const float* b = args.input<float>(1);
    if (kPass == ConvPass::forward) conv_reference(s, a, b, args.input<float>(2), out);
    if (kPass == ConvPass::input_grad) conv_input_grad_reference(s, a, b, out);
    if (kPass == ConvPass::weight_grad) conv_weight_grad_reference(s, a, b, out);
  } else {
    const Words a = words(args, 0), b = words(args, 1);
    if (kPass == ConvPass::forward) conv_reference(s, a, b, scale_of(args), args.input<float>(2), out);
    if (kPass == ConvPass::input_grad) conv_input_grad_reference(s, a, b, scale_of(args), out);
    if (kPass == ConvPass::weight_grad) conv_weight_grad_reference(s, a, b, scale_of(args), out);
  }
}

Attrs image_defaults() {
  Attrs attrs = convolution_defaults();
  attrs.set("channels_last", int64_t{0});
  return attrs;
}

// ---- Results in either order ----------------------------------------------------------------------------------------

// Float32 images that a kernel for row-major ones has to be given in another order, and scratch memory for them.
bool needs_copy(const Type& type) { return type.dtype == DType::f32 && is_last(type); }
int64_t copy_bytes(const KernelQuery& query) {
  int64_t bytes = 0;
  for (const Type* type : query.in) bytes += type && needs_copy(*type) ? Carver::bytes_of<float>(type->elements()) : 0;
  return bytes + (needs_copy(*query.out[0]) ? Carver::bytes_of<float>(query.out[0]->elements()) : 0);
}

void to_row_major(const Type& type, const float* from, float* to) {
  const int64_t n = type.shape[0], channels = type.shape[1];
  transpose_images(n, type.elements() / (n * channels), channels, from, to);
}

void to_channels_last(const Type& type, const float* from, float* to) {
  const int64_t n = type.shape[0], channels = type.shape[1];
  transpose_images(n, channels, type.elements() / (n * channels), from, to);
}

// A kernel for row-major float32 images alone, made to take and give any.
template <auto kMake>
Kernel in_any_layout(std::string_view name) {
  Kernel kernel = kMake(name);
  kernel.prepare = [](const KernelQuery& query) {
    const Kernel plain = kMake({});
    Prepared prepared = plain.prepare ? plain.prepare(query) : Prepared{};
    prepared.scratch_bytes += copy_bytes(query);
    return prepared;
  };
  kernel.run = [](const KernelArgs& args) {
    Carver carver(args.scratch);
    std::array<const void*, 3> in = {};
    for (size_t i = 0; i < args.in.size(); ++i) {
      in[i] = args.in[i];
      if (!args.in[i] || !needs_copy(args.in_type(i))) continue;
      float* rows = carver.take<float>(args.in_type(i).elements());
      to_row_major(args.in_type(i), args.input<float>(i), rows);
      in[i] = rows;
    }
    const bool copies = needs_copy(args.out_type());
    void* const out[] = {copies ? carver.take<float>(args.out_type().elements()) : args.out[0]};
    kMake({}).run({.in = std::span(in).first(args.in.size()),
                   .out = out,
                   .query = args.query,
                   .in_formats = args.in_formats,
                   .out_format = args.out_format,
                   .random = args.random,
                   .state = args.state,
                   .scratch = carver.rest()});
    if (copies) to_channels_last(args.out_type(), static_cast<const float*>(out[0]), args.output<float>());
  };
  return kernel;
}

template <ConvPass kPass>
Kernel reference(std::string_view name) {
  return {.name = name, .run = run_reference<kPass>};
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
    .kernels = {f32_onednn<ConvPass::forward>("conv_f32_onednn"),
                in_any_layout<f32_openblas<ConvPass::forward>>("conv_f32_openblas"),
                s8_onednn<ConvPass::forward>("conv_s8_onednn"),
                in_any_layout<s16_vnni<ConvPass::forward>>("conv_s16_vnni"),
                in_any_layout<exact_openblas<ConvPass::forward, FloatContainer::f32>>("conv_exact_f32_openblas"),
                in_any_layout<exact_openblas<ConvPass::forward, FloatContainer::f64>>("conv_exact_f64_openblas"),
                in_any_layout<reference<ConvPass::forward>>("conv_reference")},
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
    .kernels = {f32_onednn<ConvPass::input_grad>("conv_input_grad_f32_onednn"),
                in_any_layout<f32_openblas<ConvPass::input_grad>>("conv_input_grad_f32_openblas"),
                s8_onednn<ConvPass::input_grad>("conv_input_grad_s8_onednn"),
                in_any_layout<s16_vnni<ConvPass::input_grad>>("conv_input_grad_s16_vnni"),
                in_any_layout<exact_openblas<ConvPass::input_grad, FloatContainer::f32>>("conv_input_grad_exact_f32_openblas"),
                in_any_layout<exact_openblas<ConvPass::input_grad, FloatContainer::f64>>("conv_input_grad_exact_f64_openblas"),
                in_any_layout<reference<ConvPass::input_grad>>("conv_input_grad_reference")},
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
    .kernels = {f32_onednn<ConvPass::weight_grad>("conv_weight_grad_f32_onednn"),
                in_any_layout<f32_openblas<ConvPass::weight_grad>>("conv_weight_grad_f32_openblas"),
                weight_grad_words(),
                exact_openblas<ConvPass::weight_grad, FloatContainer::f32>("conv_weight_grad_exact_f32_openblas"),
                exact_openblas<ConvPass::weight_grad, FloatContainer::f64>("conv_weight_grad_exact_f64_openblas"),
                in_any_layout<reference<ConvPass::weight_grad>>("conv_weight_grad_reference")},
    .product = {{0, 1}},
    .product_layout = Layout::channels_last,
    .macs = conv_macs<ConvPass::weight_grad>,
    .layouts = LayoutRule::own,
};

}  // namespace marvin
