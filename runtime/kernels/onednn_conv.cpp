#include "runtime/kernels/onednn_conv.h"

#include <algorithm>
#include <string_view>

namespace marvin {
namespace {

using dnnl::memory;
using Dims = memory::dims;

// What every descriptor of a convolution repeats. Operands have the layouts that oneDNN chooses.
struct Descriptors {
  memory::desc x, w, bias, y;
  Dims strides, dilates, pad_begin, pad_end;

  explicit Descriptors(const ConvShape& s)
      : x({s.n, s.c, s.h, s.w}, memory::data_type::f32, memory::format_tag::any),
        w(weight_dims(s), memory::data_type::f32, memory::format_tag::any),
        bias({s.o}, memory::data_type::f32, memory::format_tag::x),
        y({s.n, s.o, s.oh, s.ow}, memory::data_type::f32, memory::format_tag::any),
        strides{s.stride_h, s.stride_w},
        dilates{s.dilation_h - 1, s.dilation_w - 1},
        pad_begin{s.pad_top, s.pad_left},
        pad_end{(s.oh - 1) * s.stride_h + (s.kh - 1) * s.dilation_h + 1 - s.h - s.pad_top,
                (s.ow - 1) * s.stride_w + (s.kw - 1) * s.dilation_w + 1 - s.w - s.pad_left} {}

  static Dims weight_dims(const ConvShape& s) {
    if (s.groups == 1) return {s.o, s.c, s.kh, s.kw};
    return {s.groups, s.group_o(), s.group_c(), s.kh, s.kw};
  }
};

memory::desc row_major(const memory::desc& like) {
  const Dims dims = like.dims();
  Dims strides(dims.size(), 1);
  for (size_t i = dims.size() - 1; i > 0; --i) strides[i - 1] = strides[i] * dims[i];
  return memory::desc(dims, memory::data_type::f32, strides);
}

constexpr dnnl::algorithm kDirect = dnnl::algorithm::convolution_direct;

dnnl::convolution_forward::primitive_desc forward_of(const Descriptors& d, bool with_bias) {
  const dnnl::prop_kind kind = dnnl::prop_kind::forward_training;
  const dnnl::convolution_forward::desc desc =
      with_bias ? dnnl::convolution_forward::desc(kind, kDirect, d.x, d.w, d.bias, d.y, d.strides, d.dilates,
                                                  d.pad_begin, d.pad_end)
                : dnnl::convolution_forward::desc(kind, kDirect, d.x, d.w, d.y, d.strides, d.dilates, d.pad_begin,
                                                  d.pad_end);
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

// Whether there is a kernel and it is not oneDNN's slow reference.
bool is_compiled(const dnnl::primitive_desc_base& desc) {
  return desc && std::string_view(desc.impl_info_str()).substr(0, 3) != "ref";
}

}  // namespace

bool ConvF32Onednn::admits(const ConvShape& shape, ConvPass pass) {
  const Descriptors d(shape);
  if (!forward_of(d, false)) return false;
  if (pass == ConvPass::forward) return is_compiled(forward_of(d, true));
  return pass == ConvPass::input_grad ? is_compiled(input_grad_of(d)) : is_compiled(weight_grad_of(d));
}

ConvF32Onednn::Operand ConvF32Onednn::operand(int argument, const memory::desc& plain, const memory::desc& chosen,
                                              bool is_output) {
  Operand operand{.argument = argument, .reordered = plain != chosen, .reorder = {}, .offset = scratch_bytes_};
  if (!operand.reordered) return operand;
  const memory::desc& from = is_output ? chosen : plain;
  const memory::desc& to = is_output ? plain : chosen;
  const dnnl::reorder::primitive_desc reorder(onednn_engine(), from, onednn_engine(), to, onednn_user_scratchpad());
  operand.reorder = OnednnCall(
      dnnl::reorder(reorder), {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}, {DNNL_ARG_SCRATCHPAD, reorder.scratchpad_desc()}});
  scratch_bytes_ += aligned_bytes(static_cast<int64_t>(chosen.get_size()));
  reorder_scratchpad_ = std::max(reorder_scratchpad_, static_cast<int64_t>(reorder.scratchpad_desc().get_size()));
  return operand;
}

ConvF32Onednn::ConvF32Onednn(const ConvShape& shape, ConvPass pass, bool with_bias) : with_bias_(with_bias) {
  const Descriptors d(shape);
  const memory::desc x = row_major(d.x), w = row_major(d.w), y = row_major(d.y);
  const auto plan = [&](const auto& desc, const dnnl::primitive& primitive, std::vector<OnednnCall::Argument> arguments) {
    const memory::desc scratchpad = desc.scratchpad_desc();
    scratchpad_offset_ = scratch_bytes_;
    scratch_bytes_ += aligned_bytes(std::max(static_cast<int64_t>(scratchpad.get_size()), reorder_scratchpad_));
    arguments.push_back({DNNL_ARG_SCRATCHPAD, scratchpad});
    convolution_ = OnednnCall(primitive, arguments);
  };
  if (pass == ConvPass::forward) {
    const auto desc = forward_of(d, with_bias);
    a_ = operand(DNNL_ARG_SRC, x, desc.src_desc(), false);
    b_ = operand(DNNL_ARG_WEIGHTS, w, desc.weights_desc(), false);
    out_ = operand(DNNL_ARG_DST, y, desc.dst_desc(), true);
    std::vector<OnednnCall::Argument> arguments = {
        {DNNL_ARG_SRC, desc.src_desc()}, {DNNL_ARG_WEIGHTS, desc.weights_desc()}, {DNNL_ARG_DST, desc.dst_desc()}};
    if (with_bias) arguments.push_back({DNNL_ARG_BIAS, desc.bias_desc()});
    plan(desc, dnnl::convolution_forward(desc), arguments);
  } else if (pass == ConvPass::input_grad) {
    const auto desc = input_grad_of(d);
    a_ = operand(DNNL_ARG_DIFF_DST, y, desc.diff_dst_desc(), false);
    b_ = operand(DNNL_ARG_WEIGHTS, w, desc.weights_desc(), false);
    out_ = operand(DNNL_ARG_DIFF_SRC, x, desc.diff_src_desc(), true);
    plan(desc, dnnl::convolution_backward_data(desc),
         {{DNNL_ARG_DIFF_DST, desc.diff_dst_desc()},
          {DNNL_ARG_WEIGHTS, desc.weights_desc()},
          {DNNL_ARG_DIFF_SRC, desc.diff_src_desc()}});
  } else {
    const auto desc = weight_grad_of(d);
    a_ = operand(DNNL_ARG_SRC, x, desc.src_desc(), false);
    b_ = operand(DNNL_ARG_DIFF_DST, y, desc.diff_dst_desc(), false);
    out_ = operand(DNNL_ARG_DIFF_WEIGHTS, w, desc.diff_weights_desc(), true);
    plan(desc, dnnl::convolution_backward_weights(desc),
         {{DNNL_ARG_SRC, desc.src_desc()},
          {DNNL_ARG_DIFF_DST, desc.diff_dst_desc()},
          {DNNL_ARG_DIFF_WEIGHTS, desc.diff_weights_desc()}});
  }
}

const void* ConvF32Onednn::bind(Operand& operand, const void* data, std::byte* scratch) {
  const void* elements = operand.reordered ? scratch + operand.offset : data;
  convolution_.bind(operand.argument, elements);
  return elements;
}

void ConvF32Onednn::run(const float* a, const float* b, const float* bias, float* out, std::byte* scratch) {
  std::byte* scratchpad = scratch + scratchpad_offset_;
  const auto reorder = [&](Operand& operand, const void* from, const void* to) {
    if (!operand.reordered) return;
    operand.reorder.bind(DNNL_ARG_FROM, from);
    operand.reorder.bind(DNNL_ARG_TO, to);
    operand.reorder.bind(DNNL_ARG_SCRATCHPAD, scratchpad);
    operand.reorder.run();
  };
  reorder(a_, a, bind(a_, a, scratch));
  reorder(b_, b, bind(b_, b, scratch));
  const void* results = bind(out_, out, scratch);
  if (with_bias_) convolution_.bind(DNNL_ARG_BIAS, bias);
  convolution_.bind(DNNL_ARG_SCRATCHPAD, scratchpad);
  convolution_.run();
  reorder(out_, results, out);
}

namespace {

// Zeros that the convolution reads beyond the last source position; negative when it does not read the last ones.
int64_t pad_end(const TapAxis& axis) {
  return (axis.count - 1) * axis.step + axis.offset + (axis.taps - 1) * axis.spacing - (axis.source - 1);
}

bool is_plain(const TapAxis& axis) { return axis.offset <= 0 && pad_end(axis) > -axis.step; }

dnnl::convolution_forward::primitive_desc s8_forward_of(const TapConv& c) {
  const auto dilation = [](const TapAxis& axis) { return axis.taps == 1 ? 0 : axis.spacing - 1; };
  const Dims weights = c.groups == 1 ? Dims{c.out, c.in, c.h.taps, c.w.taps}
                                     : Dims{c.groups, c.out, c.in, c.h.taps, c.w.taps};
  const dnnl::convolution_forward::desc desc(
      dnnl::prop_kind::forward_inference, kDirect,
      memory::desc({c.n, c.groups * c.in, c.h.source, c.w.source}, memory::data_type::s8, memory::format_tag::nhwc),
      memory::desc(weights, memory::data_type::s8, memory::format_tag::any),
      memory::desc({c.n, c.groups * c.out, c.h.count, c.w.count}, memory::data_type::f32, memory::format_tag::nhwc),
      {c.h.step, c.w.step}, {dilation(c.h), dilation(c.w)}, {-c.h.offset, -c.w.offset}, {pad_end(c.h), pad_end(c.w)});
  return {desc, onednn_user_scratchpad(), onednn_engine(), true};
}

// Weights as pack_weights leaves them.
memory::desc packed_weights(const TapConv& c) {
  const int64_t row = c.w.taps * c.in;
  if (c.groups == 1) {
    return {{c.out, c.in, c.h.taps, c.w.taps}, memory::data_type::s8, Dims{c.h.taps * row, 1, row, c.in}};
  }
  return {{c.groups, c.out, c.in, c.h.taps, c.w.taps},
          memory::data_type::s8,
          Dims{c.out * c.h.taps * row, c.h.taps * row, 1, row, c.in}};
}

}  // namespace

bool ConvS8Onednn::admits(const std::vector<TapConv>& convs) {
  constexpr int64_t kMaxDepth = ((int64_t{1} << 31) - 1) >> 14;  // depth * 2^7 * 2^7 <= 2^31 - 1
  if (!onednn_int8_is_exact()) return false;
  for (const TapConv& conv : convs) {
    if (conv.taps() == 0) continue;
    if (conv.depth() > kMaxDepth || !is_plain(conv.h) || !is_plain(conv.w)) return false;
    if (!is_compiled(s8_forward_of(conv))) return false;
  }
  return true;
}

ConvS8Onednn::ConvS8Onednn(const std::vector<TapConv>& convs) {
  for (const TapConv& conv : convs) {
    Part part{.conv = conv};
    if (conv.taps() > 0) {
      const auto desc = s8_forward_of(conv);
      const memory::desc packed = packed_weights(conv), blocked = desc.weights_desc();
      const dnnl::reorder::primitive_desc reorder(onednn_engine(), packed, onednn_engine(), blocked,
                                                  onednn_user_scratchpad());
      part.reorder_weights = OnednnCall(
          dnnl::reorder(reorder),
          {{DNNL_ARG_FROM, packed}, {DNNL_ARG_TO, blocked}, {DNNL_ARG_SCRATCHPAD, reorder.scratchpad_desc()}});
      part.convolution = OnednnCall(dnnl::convolution_forward(desc), {{DNNL_ARG_SRC, desc.src_desc()},
                                                                      {DNNL_ARG_WEIGHTS, blocked},
                                                                      {DNNL_ARG_DST, desc.dst_desc()},
                                                                      {DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc()}});
      part.blocked_offset = aligned_bytes(static_cast<int64_t>(packed.get_size()));
      part.results_offset = part.blocked_offset + aligned_bytes(static_cast<int64_t>(blocked.get_size()));
      part.scratchpad_offset = part.results_offset + aligned_bytes(static_cast<int64_t>(desc.dst_desc().get_size()));
      const size_t scratchpad = std::max(desc.scratchpad_desc().get_size(), reorder.scratchpad_desc().get_size());
      scratch_bytes_ =
          std::max(scratch_bytes_, part.scratchpad_offset + aligned_bytes(static_cast<int64_t>(scratchpad)));
    }
    parts_.push_back(std::move(part));
  }
}

void ConvS8Onednn::run(const int8_t* source, const int8_t* weights, float scale, const float* bias, float* out,
                       std::byte* scratch) {
  for (Part& part : parts_) {
    if (part.conv.taps() == 0) {
      scatter_zeros(part.conv, out);
      continue;
    }
    int8_t* packed = reinterpret_cast<int8_t*>(scratch);
    std::byte* blocked = scratch + part.blocked_offset;
    const float* results = reinterpret_cast<const float*>(scratch + part.results_offset);
    std::byte* scratchpad = scratch + part.scratchpad_offset;
    pack_weights(part.conv, weights, packed);
    part.reorder_weights.bind(DNNL_ARG_FROM, packed);
    part.reorder_weights.bind(DNNL_ARG_TO, blocked);
    part.reorder_weights.bind(DNNL_ARG_SCRATCHPAD, scratchpad);
    part.reorder_weights.run();
    part.convolution.bind(DNNL_ARG_SRC, source);
    part.convolution.bind(DNNL_ARG_WEIGHTS, blocked);
    part.convolution.bind(DNNL_ARG_DST, results);
    part.convolution.bind(DNNL_ARG_SCRATCHPAD, scratchpad);
    part.convolution.run();
#pragma omp parallel for schedule(static)
    for (int64_t image = 0; image < part.conv.n; ++image) {
      const int64_t size = part.conv.h.count * part.conv.w.count * part.conv.groups * part.conv.out;
      scatter_channels_last(part.conv, image, results + image * size, scale, bias, out);
    }
  }
}

}  // namespace marvin
