#include "runtime/ops/conv_kernels.h"

#include <array>
#include <type_traits>

#include "runtime/kernels/conv_exact.h"
#include "runtime/kernels/conv_f32.h"
#include "runtime/kernels/conv_f32_rows.h"
#include "runtime/kernels/conv_f32_winograd.h"
#include "runtime/kernels/conv_rows_bytes.h"
#include "runtime/kernels/conv_small_f32.h"
#include "runtime/kernels/conv_small_words.h"
#include "runtime/kernels/conv_weight_grad_words.h"
#include "runtime/kernels/conv_words.h"
#include "runtime/kernels/layouts.h"
#include "runtime/kernels/onednn_conv.h"
#include "runtime/kernels/onednn_conv_s8.h"
#include "runtime/kernels/scratch.h"

namespace marvin {
namespace {

template <ConvPass kPass>
std::vector<TapConv> taps_of(const KernelQuery& query, WeightOrder order) {
  const ConvShape shape = shape_of<kPass>(query);
  if (kPass == ConvPass::input_grad) return input_grad_taps(shape, order);
  return {forward_taps(shape, order)};
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

template <ConvPass kPass, class Conv>
void run_f32(const KernelArgs& args) {
  const float* a = args.input<float>(0);
  const float* b = args.input<float>(1);
  if constexpr (kPass == ConvPass::weight_grad) {
    state_of<Conv>(args).run(a, b, args.output<float>(), args.scratch);
  } else {
    state_of<Conv>(args).run(a, b, args.input<float>(2), args.output<float>(), args.scratch);
  }
}

// Of our own float32 convolutions, which read and write channels-last images.
template <ConvPass kPass, class Conv>
Kernel f32_last(std::string_view name) {
  return {.name = name,
          .admits =
              [](const KernelQuery& query) {
                const ConvF32Onednn::Layouts layouts = layouts_of<kPass>(query);
                return has_f32(query) && layouts.x_last && layouts.y_last && Conv::admits(shape_of<kPass>(query));
              },
          .prepare =
              [](const KernelQuery& query) {
                if constexpr (kPass == ConvPass::weight_grad)
                  return prepared(Conv(shape_of<kPass>(query)));
                else
                  return prepared(Conv(shape_of<kPass>(query), kPass));
              },
          .run = run_f32<kPass, Conv>};
}

// The same for first layers, which read data in either order.
template <ConvPass kPass, class Conv>
Kernel f32_rows(std::string_view name) {
  return {.name = name,
          .admits =
              [](const KernelQuery& query) {
                return has_f32(query) && layouts_of<kPass>(query).y_last && Conv::admits(shape_of<kPass>(query));
              },
          .prepare =
              [](const KernelQuery& query) {
                return prepared(Conv(shape_of<kPass>(query), layouts_of<kPass>(query).x_last));
              },
          .run = run_f32<kPass, Conv>};
}

template <class Conv>
void run_s8(const KernelArgs& args) {
  state_of<Conv>(args).run(args.input<int8_t>(0), args.input<int8_t>(1), scale_of(args), args.input<float>(2),
                           args.output<float>(), args.scratch);
}

// Of bytes with few channels, whose results are channels-last.
template <ConvPass kPass>
Kernel s8_rows(std::string_view name) {
  return {
      .name = name,
      .admits =
          [](const KernelQuery& query) {
            return has_bytes(query) && is_last(*query.out[0]) &&
                   ConvRowsBytes::admits(taps_of<kPass>(query, WeightOrder::o_k_i));
          },
      .prepare =
          [](const KernelQuery& query) { return prepared(ConvRowsBytes(taps_of<kPass>(query, WeightOrder::o_k_i))); },
      .run = run_s8<ConvRowsBytes>};
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
          .run = run_s8<ConvS8Onednn>};
}

bool has_short_words(const KernelQuery& query) {
  return has_words(query) && query.in[0]->dtype != DType::i32 && query.in[1]->dtype != DType::i32;
}

template <ConvPass kPass>
Kernel small_vnni(std::string_view name) {
  return {.name = name,
          .admits =
              [](const KernelQuery& query) {
                return has_short_words(query) && is_last(*query.out[0]) &&
                       ConvSmallWords::admits(shape_of<kPass>(query), kPass);
              },
          .prepare =
              [](const KernelQuery& query) {
                return prepared(ConvSmallWords(shape_of<kPass>(query), kPass,
                                               static_cast<int>(bytes_of(query.in[0]->dtype)),
                                               static_cast<int>(bytes_of(query.in[1]->dtype))));
              },
          .run =
              [](const KernelArgs& args) {
                state_of<ConvSmallWords>(args).run(words(args, 0), args.in_formats[0].wl, words(args, 1),
                                                   args.in_formats[1].wl, scale_of(args), args.input<float>(2),
                                                   args.output<float>(), args.scratch);
              }};
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
                                          static_cast<int>(bytes_of(query.in[1]->dtype)), is_last(*query.out[0])));
              },
          .run =
              [](const KernelArgs& args) {
                state_of<ConvWords>(args).run(words(args, 0), args.in_formats[0].wl, words(args, 1),
                                              args.in_formats[1].wl, scale_of(args), args.input<float>(2),
                                              args.output<float>(), args.scratch);
              }};
}

// ConvWeightGradWords or ConvWeightGradSmallWords.
template <class WeightGrad>
Kernel weight_grad_vnni(std::string_view name) {
  return {.name = name,
          .admits =
              [](const KernelQuery& query) {
                return has_short_words(query) && WeightGrad::admits(shape_of<ConvPass::weight_grad>(query));
              },
          .prepare =
              [](const KernelQuery& query) {
                return prepared(WeightGrad(shape_of<ConvPass::weight_grad>(query),
                                           static_cast<int>(bytes_of(query.in[0]->dtype)),
                                           static_cast<int>(bytes_of(query.in[1]->dtype))));
              },
          .run =
              [](const KernelArgs& args) {
                state_of<WeightGrad>(args).run(words(args, 0), args.in_formats[0].wl, words(args, 1),
                                               args.in_formats[1].wl, scale_of(args), args.output<float>(),
                                               args.scratch);
              }};
}

template <ConvPass kPass>
Kernel f32_openblas(std::string_view name) {
  using Conv = std::conditional_t<kPass == ConvPass::weight_grad, ConvWeightGradF32, ConvF32>;
  return {.name = name,
          .backend = Backend::openblas,
          .admits = has_f32,
          .prepare =
              [](const KernelQuery& query) {
                if constexpr (kPass == ConvPass::weight_grad)
                  return prepared(Conv(shape_of<kPass>(query)));
                else
                  return prepared(Conv(taps_of<kPass>(query, WeightOrder::o_i_k)));
              },
          .run = run_f32<kPass, Conv>};
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

std::vector<Kernel> conv_kernels() {
  return {f32_last<ConvPass::forward, ConvF32Winograd>("conv_f32_winograd"),
          f32_last<ConvPass::forward, ConvSmallF32>("conv_f32_small"),
          f32_rows<ConvPass::forward, ConvForwardF32Rows>("conv_f32_rows"),
          f32_onednn<ConvPass::forward>("conv_f32_onednn"),
          in_any_layout<f32_openblas<ConvPass::forward>>("conv_f32_openblas"),
          small_vnni<ConvPass::forward>("conv_small_vnni"),
          s8_rows<ConvPass::forward>("conv_s8_rows"),
          s8_onednn<ConvPass::forward>("conv_s8_onednn"),
          s16_vnni<ConvPass::forward>("conv_s16_vnni"),
          in_any_layout<exact_openblas<ConvPass::forward, FloatContainer::f32>>("conv_exact_f32_openblas"),
          in_any_layout<exact_openblas<ConvPass::forward, FloatContainer::f64>>("conv_exact_f64_openblas"),
          in_any_layout<reference<ConvPass::forward>>("conv_reference")};
}

std::vector<Kernel> conv_input_grad_kernels() {
  return {
      f32_last<ConvPass::input_grad, ConvF32Winograd>("conv_input_grad_f32_winograd"),
      f32_last<ConvPass::input_grad, ConvSmallF32>("conv_input_grad_f32_small"),
      f32_onednn<ConvPass::input_grad>("conv_input_grad_f32_onednn"),
      in_any_layout<f32_openblas<ConvPass::input_grad>>("conv_input_grad_f32_openblas"),
      small_vnni<ConvPass::input_grad>("conv_input_grad_small_vnni"),
      s8_rows<ConvPass::input_grad>("conv_input_grad_s8_rows"),
      s8_onednn<ConvPass::input_grad>("conv_input_grad_s8_onednn"),
      s16_vnni<ConvPass::input_grad>("conv_input_grad_s16_vnni"),
      in_any_layout<exact_openblas<ConvPass::input_grad, FloatContainer::f32>>("conv_input_grad_exact_f32_openblas"),
      in_any_layout<exact_openblas<ConvPass::input_grad, FloatContainer::f64>>("conv_input_grad_exact_f64_openblas"),
      in_any_layout<reference<ConvPass::input_grad>>("conv_input_grad_reference")};
}

std::vector<Kernel> conv_weight_grad_kernels() {
  return {f32_last<ConvPass::weight_grad, ConvWeightGradF32Winograd>("conv_weight_grad_f32_winograd"),
          f32_last<ConvPass::weight_grad, ConvWeightGradSmallF32>("conv_weight_grad_f32_small"),
          f32_rows<ConvPass::weight_grad, ConvWeightGradF32Rows>("conv_weight_grad_f32_rows"),
          f32_onednn<ConvPass::weight_grad>("conv_weight_grad_f32_onednn"),
          in_any_layout<f32_openblas<ConvPass::weight_grad>>("conv_weight_grad_f32_openblas"),
          weight_grad_vnni<ConvWeightGradSmallWords>("conv_weight_grad_small_vnni"),
          weight_grad_vnni<ConvWeightGradWords>("conv_weight_grad_vnni"),
          exact_openblas<ConvPass::weight_grad, FloatContainer::f32>("conv_weight_grad_exact_f32_openblas"),
          exact_openblas<ConvPass::weight_grad, FloatContainer::f64>("conv_weight_grad_exact_f64_openblas"),
          in_any_layout<reference<ConvPass::weight_grad>>("conv_weight_grad_reference")};
}

}  // namespace marvin
