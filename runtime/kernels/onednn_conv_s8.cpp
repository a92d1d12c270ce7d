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

memory::desc weights_of(const TapConv& c, Dims strides = {}) {
  Dims dims = {c.out, c.in, c.h.taps, c.w.taps};
  if (c.groups > 1) dims.insert(dims.begin(), c.groups);
  if (strides.empty()) return {dims, memory::data_type::s8, memory::format_tag::any};
  if (c.groups > 1) strides.insert(strides.begin(), c.out * strides[0]);
  return {dims, memory::data_type::s8, strides};
}

// As pack_weights leaves them.
memory::desc packed_weights(const TapConv& c) {
  const int64_t row = c.w.taps * c.in;
  return weights_of(c, {c.h.taps * row, 1, row, c.in});
}

// The convolution of so many images with weights of this layout.
dnnl::convolution_forward::primitive_desc describe(const TapConv& c, int64_t images, const memory::desc& weights) {
  const auto dilation = [](const TapAxis& axis) { return axis.taps == 1 ? 0 : axis.spacing - 1; };
  const dnnl::convolution_forward::desc desc(
      dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
      memory::desc({images, c.groups * c.in, c.h.source, c.w.source}, memory::data_type::s8, memory::format_tag::nhwc),
      weights,
      memory::desc({images, c.groups * c.out, c.h.count, c.w.count}, memory::data_type::f32, memory::format_tag::nhwc),
      {c.h.step, c.w.step}, {dilation(c.h), dilation(c.w)}, {-c.h.offset, -c.w.offset}, {pad_end(c.h), pad_end(c.w)});
  return {desc, onednn_user_scratchpad(), onednn_engine(), true};
}

int64_t result_elements(const TapConv& c) { return c.h.count * c.w.count * c.groups * c.out; }
int64_t source_elements(const TapConv& c) { return c.h.source * c.w.source * c.groups * c.in; }

ImageBlocks blocks_of(const TapConv& c) {
  return blocks_in_cache(c.n, source_elements(c) + 2 * result_elements(c) * static_cast<int64_t>(sizeof(float)));
}

}  // namespace

bool ConvS8Onednn::admits(const std::vector<TapConv>& convs) {
  if (!onednn_int8_is_exact()) return false;
  for (const TapConv& conv : convs) {
    if (conv.taps() == 0) continue;
    if (!int32_is_exact(conv.depth(), 8, 8) || !is_plain(conv.h) || !is_plain(conv.w)) return false;
    for (const int64_t images : blocks_of(conv).sizes())
      if (!is_compiled(describe(conv, images, weights_of(conv)))) return false;
  }
  return true;
}

ConvS8Onednn::ConvS8Onednn(const std::vector<TapConv>& convs) : threads_(omp_get_max_threads()) {
  for (const TapConv& conv : convs) {
    parts_.push_back(conv.taps() > 0 ? plan(conv) : Part{.conv = conv});
    scratch_bytes_ = std::max(scratch_bytes_, parts_.back().threads_offset + threads_ * parts_.back().thread_bytes);
  }
}

ConvS8Onednn::Part ConvS8Onednn::plan(const TapConv& conv) const {
  Part part{.conv = conv, .blocks = blocks_of(conv)};
  part.calls.resize(static_cast<size_t>(threads_));
  memory::desc weights = weights_of(conv);
  int64_t scratchpad_bytes = 0;
  {
    const SerialPrimitives serial;
    for (const int64_t images : part.blocks.sizes()) {
      const auto desc = describe(conv, images, weights);
      weights = desc.weights_desc();
      const dnnl::convolution_forward primitive(desc);
      for (std::vector<OnednnCall>& calls : part.calls) {
        calls.push_back(OnednnCall(primitive, {{DNNL_ARG_SRC, desc.src_desc()},
                                               {DNNL_ARG_WEIGHTS, weights},
                                               {DNNL_ARG_DST, desc.dst_desc()},
                                               {DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc()}}));
      }
      part.result_bytes = aligned_bytes(static_cast<int64_t>(desc.dst_desc().get_size()));
      scratchpad_bytes = std::max(scratchpad_bytes, static_cast<int64_t>(desc.scratchpad_desc().get_size()));
    }
  }
  part.reorder_weights = Reorder(packed_weights(conv), weights);
  part.thread_bytes = part.result_bytes + aligned_bytes(scratchpad_bytes);
  part.blocked_offset = aligned_bytes(conv.weight_elements());
  part.reorder_offset = part.blocked_offset + aligned_bytes(static_cast<int64_t>(weights.get_size()));
  part.threads_offset = part.reorder_offset + aligned_bytes(part.reorder_weights.scratchpad_bytes);
  return part;
}

void ConvS8Onednn::run_part(Part& part, const int8_t* source, const int8_t* weights, float scale, const float* bias,
                            float* out, std::byte* scratch) const {
  const TapConv& conv = part.conv;
  int8_t* packed = reinterpret_cast<int8_t*>(scratch);
  std::byte* blocked = scratch + part.blocked_offset;
  pack_weights(conv, weights, packed);
  part.reorder_weights.run(packed, blocked, scratch + part.reorder_offset);
#pragma omp parallel for schedule(static) num_threads(std::min(threads_, omp_get_max_threads()))
  for (int64_t block = 0; block < part.blocks.count; ++block) {
    const int thread = omp_get_thread_num();
    std::byte* memory = scratch + part.threads_offset + thread * part.thread_bytes;
    const float* results = reinterpret_cast<const float*>(memory);
    const int64_t first = part.blocks.begin(block);
    OnednnCall& call = part.calls[static_cast<size_t>(thread)][part.blocks.variant(block)];
    call.bind(DNNL_ARG_SRC, source + first * source_elements(conv));
    call.bind(DNNL_ARG_WEIGHTS, blocked);
    call.bind(DNNL_ARG_DST, results);
    call.bind(DNNL_ARG_SCRATCHPAD, memory + part.result_bytes);
    call.run();
    for (int64_t i = 0; i < part.blocks.size(block); ++i)
      scatter_channels_last(conv, first + i, results + i * result_elements(conv), scale, bias, out);
  }
}

void ConvS8Onednn::run(const int8_t* source, const int8_t* weights, float scale, const float* bias, float* out,
                       std::byte* scratch) {
  for (Part& part : parts_) {
    if (part.conv.taps() == 0) {
      scatter_zeros(part.conv, out);
    } else {
      run_part(part, source, weights, scale, bias, out, scratch);
    }
  }
}

}  // namespace marvin
