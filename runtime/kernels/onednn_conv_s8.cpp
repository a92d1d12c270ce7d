#include "runtime/kernels/onednn_conv_s8.h"

#include <omp.h>

#include <algorithm>

#include "runtime/kernels/exact.h"

namespace marvin {
namespace {

using dnnl::memory;
using Dims = memory::dims;

// Zeros that the convolution reads beyond the last source position; negative when it does not read the last ones.
int64_t pad_end(const TapAxis& axis) {
  return (axis.count - 1) * axis.step + axis.offset + (axis.taps - 1) * axis.spacing - (axis.source - 1);
}

// Whether oneDNN can express the axis: no source position is skipped before the first one read.
bool is_plain(const TapAxis& axis) { return axis.offset <= 0 && pad_end(axis) > -axis.step; }

// Height and width, after the depth unless that is of extent 1.
std::span<const TapAxis> spatial(const TapConv& c) {
  const TapAxis& depth = c.axes[0];
  const bool is_flat = depth.source == 1 && depth.count == 1 && depth.taps == 1 && depth.offset == 0;
  return std::span(c.axes).subspan(is_flat ? 1 : 0);
}

// `first`, then a member of every spatial axis.
Dims dims_of(Dims first, const TapConv& c, int64_t TapAxis::*member) {
  for (const TapAxis& axis : spatial(c)) first.push_back(axis.*member);
  return first;
}

memory::desc weights_of(const TapConv& c, Dims strides = {}) {
  Dims dims = dims_of({c.out, c.in}, c, &TapAxis::taps);
  if (c.groups > 1) dims.insert(dims.begin(), c.groups);
  if (strides.empty()) return {dims, memory::data_type::s8, memory::format_tag::any};
  if (c.groups > 1) strides.insert(strides.begin(), c.out * strides[0]);
  return {dims, memory::data_type::s8, strides};
}

// As pack_weights leaves them.
memory::desc packed_weights(const TapConv& c) {
  const auto& [d, h, w] = c.axes;
  Dims strides = {c.depth(), 1, h.taps * w.taps * c.in, w.taps * c.in, c.in};
  if (spatial(c).size() == 2) strides.erase(strides.begin() + 2);
  return weights_of(c, strides);
}

// What all results are multiplied by: a post-op, since oneDNN's own scales would have to be known here.
memory::desc scale_of(const TapConv& c) {
  const Dims ones(2 + spatial(c).size(), 1);
  return {ones, memory::data_type::f32, ones.size() == 4 ? memory::format_tag::nchw : memory::format_tag::ncdhw};
}
constexpr int kScaleArgument = DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1;

// The convolution of so many images with weights of this layout, times a scale.
dnnl::convolution_forward::primitive_desc describe(const TapConv& c, int64_t images, const memory::desc& weights) {
  const memory::format_tag tag = spatial(c).size() == 2 ? memory::format_tag::nhwc : memory::format_tag::ndhwc;
  Dims dilations, pads_begin, pads_end;
  for (const TapAxis& axis : spatial(c)) {
    dilations.push_back(axis.taps == 1 ? 0 : axis.spacing - 1);
    pads_begin.push_back(-axis.offset);
    pads_end.push_back(pad_end(axis));
  }
  const dnnl::convolution_forward::desc desc(
      dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
      memory::desc(dims_of({images, c.groups * c.in}, c, &TapAxis::source), memory::data_type::s8, tag), weights,
      memory::desc(dims_of({images, c.groups * c.out}, c, &TapAxis::count), memory::data_type::f32, tag),
      dims_of({}, c, &TapAxis::step), dilations, pads_begin, pads_end);
  dnnl::post_ops scaling;
  scaling.append_binary(dnnl::algorithm::binary_mul, scale_of(c));
  dnnl::primitive_attr attr = onednn_user_scratchpad();
  attr.set_post_ops(scaling);
  return {desc, attr, onednn_engine(), true};
}

int64_t result_elements(const TapConv& c) { return c.image_pixels() * c.groups * c.out; }
int64_t source_elements(const TapConv& c) { return c.source_pixels() * c.groups * c.in; }

// With the results of all convolutions of a block in the cache, and their way out.
ImageBlocks blocks_of(const std::vector<TapConv>& convs) {
  const TapConv& c = convs[0];
  const int64_t out_elements = c.plane() * c.groups * c.out;
  return blocks_in_cache(c.n, source_elements(c) + 2 * out_elements * static_cast<int64_t>(sizeof(float)));
}

// Adds so many bytes to a layout and returns where they are.
int64_t take(int64_t& total, int64_t bytes) {
  const int64_t offset = total;
  total += aligned_bytes(bytes);
  return offset;
}

}  // namespace

bool ConvS8Onednn::admits(const std::vector<TapConv>& convs) try {
  if (!onednn_int8_is_exact()) return false;
  for (const TapConv& conv : convs) {
    if (conv.taps() == 0) continue;
    if (!int32_is_exact(conv.depth(), 8, 8) || !std::ranges::all_of(conv.axes, is_plain)) return false;
    for (const int64_t images : blocks_of(convs).sizes())
      if (!is_compiled(describe(conv, images, weights_of(conv)))) return false;
  }
  return true;
} catch (const dnnl::error&) {
  return false;  // extents beyond its own
}

ConvS8Onednn::ConvS8Onednn(std::vector<TapConv> convs, bool channels_last)
    : convs_(std::move(convs)),
      channels_last_(channels_last),
      blocks_(blocks_of(convs_)),
      threads_(omp_get_max_threads()) {
  for (const TapConv& conv : convs_) parts_.push_back(conv.taps() > 0 ? plan(conv) : Part{});
  results_.assign(static_cast<size_t>(threads_), std::vector<const float*>(convs_.size()));
  zeros_offset_ = take(shared_bytes_, convs_[0].groups * convs_[0].out * static_cast<int64_t>(sizeof(float)));
  shared_bytes_ += aligned_bytes(scratchpad_bytes_);
  thread_bytes_ += aligned_bytes(scratchpad_bytes_);
}

ConvS8Onednn::Part ConvS8Onednn::plan(const TapConv& conv) {
  Part part;
  part.calls.resize(static_cast<size_t>(threads_));
  memory::desc weights = weights_of(conv);
  const SerialPrimitives serial;
  for (const int64_t images : blocks_.sizes()) {
    const auto desc = describe(conv, images, weights);
    weights = desc.weights_desc();
    const dnnl::convolution_forward primitive(desc);
    for (std::vector<OnednnCall>& calls : part.calls) {
      calls.push_back(OnednnCall(primitive, {{DNNL_ARG_SRC, desc.src_desc()},
                                             {DNNL_ARG_WEIGHTS, weights},
                                             {DNNL_ARG_DST, desc.dst_desc()},
                                             {kScaleArgument, scale_of(conv)},
                                             {DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc()}}));
    }
    scratchpad_bytes_ = std::max(scratchpad_bytes_, static_cast<int64_t>(desc.scratchpad_desc().get_size()));
  }
  part.reorder_weights = Reorder(packed_weights(conv), weights);
  scratchpad_bytes_ = std::max(scratchpad_bytes_, part.reorder_weights.scratchpad_bytes);
  part.packed_offset = take(shared_bytes_, conv.weight_elements());
  part.blocked_offset = take(shared_bytes_, static_cast<int64_t>(weights.get_size()));
  part.results_per_image = result_elements(conv);
  if (!in_place()) {
    part.results_offset =
        take(thread_bytes_, blocks_.sizes().back() * part.results_per_image * static_cast<int64_t>(sizeof(float)));
  }
  return part;
}

void ConvS8Onednn::run_block(int64_t block, const int8_t* source, float scale, const float* bias, float* out,
                             std::byte* scratch) {
  const int thread = omp_get_thread_num();
  std::byte* memory = scratch + shared_bytes_ + thread * thread_bytes_;
  const int64_t first = blocks_.begin(block);
  for (size_t i = 0; i < parts_.size(); ++i) {
    if (convs_[i].taps() == 0) continue;
    OnednnCall& call = parts_[i].calls[static_cast<size_t>(thread)][blocks_.variant(block)];
    call.bind(DNNL_ARG_SRC, source + first * source_elements(convs_[i]));
    call.bind(DNNL_ARG_WEIGHTS, scratch + parts_[i].blocked_offset);
    std::byte* results = memory + parts_[i].results_offset;
    if (in_place()) results = reinterpret_cast<std::byte*>(out + first * parts_[i].results_per_image);
    call.bind(DNNL_ARG_DST, results);
    call.bind(kScaleArgument, &scale);
    call.bind(DNNL_ARG_SCRATCHPAD, memory + thread_bytes_ - aligned_bytes(scratchpad_bytes_));
    call.run();
  }
  if (in_place()) {
    const int64_t channels = convs_[0].groups * convs_[0].out;
    float* results = out + first * parts_[0].results_per_image;
    if (bias) add_to_pixels(blocks_.size(block) * convs_[0].plane(), channels, bias, results);
    return;
  }
  const float* zeros = reinterpret_cast<const float*>(scratch + zeros_offset_);
  std::vector<const float*>& results = results_[static_cast<size_t>(thread)];
  for (int64_t image = 0; image < blocks_.size(block); ++image) {
    for (size_t i = 0; i < parts_.size(); ++i) {
      results[i] =
          reinterpret_cast<const float*>(memory + parts_[i].results_offset) + image * parts_[i].results_per_image;
    }
    channels_last_ ? merge_channels_last(convs_, results, zeros, first + image, bias, out)
                   : scatter_channels_last(convs_, results, zeros, first + image, bias, out);
  }
}

void ConvS8Onednn::run(const int8_t* source, const int8_t* weights, float scale, const float* bias, float* out,
                       std::byte* scratch) {
  for (size_t i = 0; i < parts_.size(); ++i) {
    if (convs_[i].taps() == 0) continue;
    int8_t* packed = reinterpret_cast<int8_t*>(scratch + parts_[i].packed_offset);
    pack_weights(convs_[i], weights, packed);
    parts_[i].reorder_weights.run(packed, scratch + parts_[i].blocked_offset,
                                  scratch + shared_bytes_ - aligned_bytes(scratchpad_bytes_));
  }
  std::fill_n(reinterpret_cast<float*>(scratch + zeros_offset_), convs_[0].groups * convs_[0].out, 0.0f);
#pragma omp parallel for schedule(static) num_threads(std::min(threads_, omp_get_max_threads()))
  for (int64_t block = 0; block < blocks_.count; ++block) run_block(block, source, scale, bias, out, scratch);
}

}  // namespace marvin
