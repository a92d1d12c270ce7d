// Convolutions of words that are exact: im2col into floating-point containers, products by OpenBLAS, by the bounds of
// exact.h. Sums are exact in any order, so tiles and slices may depend on the number of threads.
#pragma once

#include <vector>

#include "runtime/kernels/conv_blas.h"

namespace marvin {

enum class FloatContainer : uint8_t { f32, f64 };  // f32 holds products of 1-byte integers alone

// Containers of two operands with integers of so many bytes.
struct ExactProduct {
  FloatContainer container = FloatContainer::f64;
  int a_bytes = 1, b_bytes = 1;

  int a_bits() const { return word_bits(a_bytes); }
  int b_bits() const { return word_bits(b_bytes); }
  // The longest sum that the container holds.
  int64_t chunk() const {
    return container == FloatContainer::f32 ? exact_chunk_f32(a_bits(), b_bits()) : exact_chunk_f64(a_bits(), b_bits());
  }
};

// out = float32(exact sum) * scale + bias, forward and input gradient.
class ConvExact {
 public:
  // convs: forward_taps(shape, o_k_i), or input_grad_taps of the same; operand a is the source, b the weights.
  // Plans for the threads that OpenMP would use now.
  ConvExact(std::vector<TapConv> convs, ExactProduct product);
  int64_t scratch_bytes() const { return scratch_bytes_; }
  // scale is a power of two; bias, per output channel, may be null.
  void run(Words source, Words weights, float scale, const float* bias, float* out, std::byte* scratch) const;

 private:
  template <class F, class Total>
  void run_conv(const TapConv& conv, Words source, Words weights, float scale, const float* bias, float* out,
                std::byte* scratch) const;

  std::vector<TapConv> convs_;
  ExactProduct product_;
  int threads_;
  int64_t scratch_bytes_ = 0;
};

// dw = float32(exact sum over images and pixels) * scale.
class ConvWeightGradExact {
 public:
  // Operand a is x, b is dy.
  ConvWeightGradExact(const ConvShape& shape, ExactProduct product);
  int64_t scratch_bytes() const { return scratch_bytes_; }
  void run(Words x, Words dy, float scale, float* dw, std::byte* scratch) const;

 private:
  template <class F, class Total>
  void run_as(Words x, Words dy, float scale, float* dw, std::byte* scratch) const;

  TapConv conv_;      // x to columns; its weights are dw's
  TapConv identity_;  // dy to columns
  ExactProduct product_;
  int threads_;
  WeightGradSplit split_;
  int64_t scratch_bytes_ = 0;
};

}  // namespace marvin
