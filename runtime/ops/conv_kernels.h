// The kernels of Conv and of its two gradients.
#pragma once

#include "runtime/kernels/conv.h"
#include "runtime/ops/op.h"

namespace marvin {

// The sizes of a convolution of x by w. Throws Error where they do not fit together.
ConvShape conv_shape(const Shape& x, const Shape& w, const Attrs& attrs);

inline bool is_last(const Type& type) { return type.layout == Layout::channels_last; }
// What quantized operands are.
inline bool is_word(const Type& type) {
  return is_last(type) && (type.dtype == DType::i8 || type.dtype == DType::i16 || type.dtype == DType::i32);
}

template <ConvPass kPass>
ConvShape shape_of(const KernelQuery& query) {
  const Shape& x = kPass == ConvPass::input_grad ? query.attrs.integers("input_shape") : query.in[0]->shape;
  const Shape& w = kPass == ConvPass::weight_grad ? query.attrs.integers("weight_shape") : query.in[1]->shape;
  return conv_shape(x, w, query.attrs);
}

template <ConvPass kPass>
int64_t conv_macs(const KernelQuery& query) {
  const ConvShape s = shape_of<kPass>(query);
  return s.y_elements() * s.group_c() * s.taps();
}

std::vector<Kernel> conv_kernels();
std::vector<Kernel> conv_input_grad_kernels();
std::vector<Kernel> conv_weight_grad_kernels();

}  // namespace marvin
