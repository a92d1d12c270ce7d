#include "runtime/kernels/onednn_conv.h"

#include <omp.h>

#include <algorithm>
#include <array>

#include "runtime/kernels/parallel.h"

namespace marvin {
namespace {

using dnnl::memory;
using Dims = memory::dims;

constexpr int64_t kPartialBytes = int64_t{1} << 26;  // of a weight gradient's partial sums
constexpr int64_t kManyThreads = 16;
constexpr dnnl::algorithm kDirect = dnnl::algorithm::convolution_direct;

using Layouts = ConvF32Onednn::Layouts;

// Of images: channels-last as they are, else what oneDNN chooses.
memory::format_tag tag_of(const ConvShape& s, bool last) {
  if (!last) return memory::format_tag::any;
  return s.spatial().size() == 2 ? memory::format_tag::nhwc : memory::format_tag::ndhwc;
}

// What every descriptor of a convolution repeats.
struct Descriptors {
  memory::desc x, w, bias, y;
  Dims strides, dilates, pad_begin, pad_end;

  Descriptors(const ConvShape& s, Layouts layouts)
      : x(dims({s.n, s.c}, s, &ConvAxis::in), memory::data_type::f32, tag_of(s, layouts.x_last)),
        w(weight_dims(s), memory::data_type::f32, memory::format_tag::any),
        bias({s.o}, memory::data_type::f32, memory::format_tag::x),
        y(dims({s.n, s.o}, s, &ConvAxis::out), memory::data_type::f32, tag_of(s, layouts.y_last)),
        strides(dims({}, s, &ConvAxis::stride)) {
    for (const ConvAxis& axis : s.spatial()) {
      dilates.push_back(axis.dilation - 1);
      pad_begin.push_back(axis.pad);
      pad_end.push_back(axis.pad_end());
    }
  }

  // `first`, then a member of every spatial axis.
  static Dims dims(Dims first, const ConvShape& s, int64_t ConvAxis::*member) {
    for (const ConvAxis& axis : s.spatial()) first.push_back(axis.*member);
    return first;
  }
  static Dims weight_dims(const ConvShape& s) {
    if (s.groups == 1) return dims({s.o, s.c}, s, &ConvAxis::kernel);
    return dims({s.groups, s.group_o(), s.group_c()}, s, &ConvAxis::kernel);
  }
};

memory::desc row_major(const memory::desc& like) {
  const Dims dims = like.dims();
  Dims strides(dims.size(), 1);
  for (size_t i = dims.size() - 1; i > 0; --i) strides[i - 1] = strides[i] * dims[i];
  return memory::desc(dims, memory::data_type::f32, strides);
}

dnnl::convolution_forward::primitive_desc forward_of(const Descriptors& d, bool with_bias) {
  const dnnl::prop_kind kind = dnnl::prop_kind::forward_training;
  const dnnl::convolution_forward::desc desc =
      with_bias
          ? dnnl::convolution_forward::desc(kind, kDirect, d.x, d.w, d.bias, d.y, d.strides, d.dilates, d.pad_begin,
                                            d.pad_end)
          : dnnl::convolution_forward::desc(kind, kDirect, d.x, d.w, d.y, d.strides, d.dilates, d.pad_begin, d.pad_end);
  return {desc, onednn_user_scratchpad(), onednn_engine(), true};
}

dnnl::convolution_backward_data::primitive_desc input_grad_of(const Descriptors& d) {
  const dnnl::convolution_backward_data::desc desc(kDirect, d.x, d.w, d.y, d.strides, d.dilates, d.pad_begin,
                                                   d.pad_end);
  return {desc, onednn_user_scratchpad(), onednn_engine(), forward_of(d, false), true};
}

dnnl::convolution_backward_weights::primitive_desc weight_grad_of(const Descriptors& d) {
  const dnnl::convolution_backward_weights::desc desc(kDirect, d.x, d.w, d.y, d.strides, d.dilates, d.pad_begin,
                                                      d.pad_end);
  return {desc, onednn_user_scratchpad(), onednn_engine(), forward_of(d, false), true};
}

// A primitive and the layouts that it chose.
struct Made {
  dnnl::primitive primitive;
  memory::desc x, w, y, scratchpad;
};

Made make(const Descriptors& d, ConvPass pass, bool with_bias) {
  if (pass == ConvPass::forward) {
    const auto desc = forward_of(d, with_bias);
    return {dnnl::convolution_forward(desc), desc.src_desc(), desc.weights_desc(), desc.dst_desc(),
            desc.scratchpad_desc()};
  }
  if (pass == ConvPass::input_grad) {
    const auto desc = input_grad_of(d);
    return {dnnl::convolution_backward_data(desc), desc.diff_src_desc(), desc.weights_desc(), desc.diff_dst_desc(),
            desc.scratchpad_desc()};
  }
  const auto desc = weight_grad_of(d);
  return {dnnl::convolution_backward_weights(desc), desc.src_desc(), desc.diff_weights_desc(), desc.diff_dst_desc(),
          desc.scratchpad_desc()};
}

StagedCall staged(const Made& made, const Descriptors& d, ConvPass pass, Layouts layouts, bool with_bias) {
  const bool forward = pass == ConvPass::forward, input_grad = pass == ConvPass::input_grad;
  std::vector<StagedCall::Argument> arguments = {
      {input_grad ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, made.x, layouts.x_last ? d.x : row_major(d.x), input_grad},
      {forward || input_grad ? DNNL_ARG_WEIGHTS : DNNL_ARG_DIFF_WEIGHTS, made.w, made.w},
      {forward ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST, made.y, layouts.y_last ? d.y : row_major(d.y), forward}};
  if (with_bias) arguments.push_back({DNNL_ARG_BIAS, d.bias, d.bias});
  return StagedCall(made.primitive, arguments, made.scratchpad);
}

ConvShape of_images(ConvShape shape, int64_t images) {
  shape.n = images;
  return shape;
}

ImageBlocks blocks_of(const ConvShape& s, ConvPass pass) {
  if (pass != ConvPass::weight_grad) return blocks_in_cache(s.n, (s.x_elements() + s.y_elements()) / s.n * 4);
  const int64_t affordable = std::max<int64_t>(1, kPartialBytes / (4 * s.w_elements()));
  return {s.n, std::min({s.n, kManyThreads, affordable})};
}

}  // namespace

bool ConvF32Onednn::admits(const ConvShape& shape, ConvPass pass, Layouts layouts) try {
  // oneDNN cannot express an input whose last positions a whole stride of no window reads.
  for (const ConvAxis& axis : shape.axes)
    if (axis.pad_end() <= -axis.stride) return false;
  for (const int64_t images : blocks_of(shape, pass).sizes()) {
    const Descriptors d(of_images(shape, images), layouts);
    if (!forward_of(d, false)) return false;
    if (pass == ConvPass::forward && !is_compiled(forward_of(d, true))) return false;
    if (pass == ConvPass::input_grad && !is_compiled(input_grad_of(d))) return false;
    if (pass == ConvPass::weight_grad && !is_compiled(weight_grad_of(d))) return false;
  }
  return true;
} catch (const dnnl::error&) {
  return false;  // extents beyond its own
}

ConvF32Onednn::ConvF32Onednn(const ConvShape& shape, ConvPass pass, Layouts layouts, bool with_bias)
    : shape_(shape), pass_(pass), blocks_(blocks_of(shape, pass)), threads_(omp_get_max_threads()) {
  calls_.resize(static_cast<size_t>(threads_));
  memory::desc weights(Descriptors::weight_dims(shape), memory::data_type::f32, memory::format_tag::any);
  {
    const SerialPrimitives serial;
    for (const int64_t images : blocks_.sizes()) {
      Descriptors d(of_images(shape, images), layouts);
      d.w = weights;
      const Made made = make(d, pass, with_bias);
      weights = made.w;
      for (std::vector<StagedCall>& calls : calls_) calls.push_back(staged(made, d, pass, layouts, with_bias));
      thread_bytes_ = std::max(thread_bytes_, calls_[0].back().scratch_bytes());
    }
  }
  const memory::desc given = row_major(weights);
  weights_reordered_ = given != weights;
  weight_bytes_ = static_cast<int64_t>(weights.get_size());
  if (weights_reordered_) {
    reorder_weights_ = pass == ConvPass::weight_grad ? Reorder(weights, given) : Reorder(given, weights);
  }
  scratchpad_offset_ = aligned_bytes(weight_bytes_ * (pass == ConvPass::weight_grad ? blocks_.count : 1));
  threads_offset_ = scratchpad_offset_ + aligned_bytes(reorder_weights_.scratchpad_bytes);
  scratch_bytes_ = threads_offset_ + threads_ * thread_bytes_;
}

void ConvF32Onednn::run(const float* a, const float* b, const float* bias, float* out, std::byte* scratch) {
  const bool weight_grad = pass_ == ConvPass::weight_grad;
  const float* x = pass_ == ConvPass::input_grad ? out : a;
  const float* y = pass_ == ConvPass::forward ? out : weight_grad ? b : a;
  const void* w = b;
  if (weight_grad || weights_reordered_) w = scratch;
  if (!weight_grad && weights_reordered_) reorder_weights_.run(b, scratch, scratch + scratchpad_offset_);
  const int64_t x_image = shape_.x_elements() / shape_.n, y_image = shape_.y_elements() / shape_.n;
#pragma omp parallel for schedule(static) num_threads(std::min(threads_, omp_get_max_threads()))
  for (int64_t block = 0; block < blocks_.count; ++block) {
    const int thread = omp_get_thread_num();
    const int64_t image = blocks_.begin(block);
    const std::array<const void*, 4> data = {
        x + image * x_image, static_cast<const std::byte*>(w) + (weight_grad ? block * weight_bytes_ : 0),
        y + image * y_image, bias};
    calls_[static_cast<size_t>(thread)][blocks_.variant(block)].run(data,
                                                                    scratch + threads_offset_ + thread * thread_bytes_);
  }
  if (weight_grad) sum_partials(reinterpret_cast<float*>(scratch), out, scratch + scratchpad_offset_);
}

void ConvF32Onednn::sum_partials(float* partials, float* dw, std::byte* scratchpad) {
  float* sums = weights_reordered_ ? partials : dw;
  const int64_t elements = weight_bytes_ / static_cast<int64_t>(sizeof(float));
  parallel_blocks(elements, 1 << 12, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float sum = partials[i];
      for (int64_t block = 1; block < blocks_.count; ++block) sum += partials[block * elements + i];
      sums[i] = sum;
    }
  });
  if (weights_reordered_) reorder_weights_.run(partials, dw, scratchpad);
}

}  // namespace marvin
