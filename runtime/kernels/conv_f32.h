// Float32 convolutions over OpenBLAS: im2col and one product per tile of output pixels. Tiles and partial sums depend
// on the shape alone and OpenBLAS runs one product per thread, so results are the same for any number of threads.
#pragma once

#include <vector>

#include "runtime/kernels/conv_blas.h"

namespace marvin {

// out = source * weights + bias, forward and input gradient.
class ConvF32 {
 public:
  // convs: forward_taps(shape, o_i_k), or input_grad_taps of the same. Plans for the threads that OpenMP would use
  // now.
  explicit ConvF32(std::vector<TapConv> convs);
  int64_t scratch_bytes() const { return scratch_bytes_; }
  // bias, per output channel, may be null.
  void run(const float* source, const float* weights, const float* bias, float* out, std::byte* scratch) const;

 private:
  void run_conv(const TapConv& conv, const float* source, const float* weights, const float* bias, float* out,
                std::byte* scratch) const;

  std::vector<TapConv> convs_;
  int threads_;
  int64_t scratch_bytes_ = 0;
};

// dw, summed over images and pixels: over each of a few slices in order, then over the slices in order.
class ConvWeightGradF32 {
 public:
  explicit ConvWeightGradF32(const ConvShape& shape);
  int64_t scratch_bytes() const { return scratch_bytes_; }
  void run(const float* x, const float* dy, float* dw, std::byte* scratch) const;

 private:
  TapConv conv_;      // x to columns; its weights are dw's
  TapConv identity_;  // dy to columns
  int threads_;
  WeightGradSplit split_;
  int64_t scratch_bytes_ = 0;
};

}  // namespace marvin
