// Float32 convolutions by 3x3 at stride 1 of channels-last images with four multiplications for nine: Winograd's
// F(2x2, 3x3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015).
//
// Tiles of 2x2 outputs read 4x4 inputs. With B, G and A of the paper, the 16 elements of B' x B are multiplied with
// those of G w G', each by a matrix product over channels, and A' m A are the outputs. The gradient by w is that of
// this expression: G' (sum over tiles of (A dy A') * (B' x B)) G.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/kernels/conv.h"
#include "runtime/kernels/winograd_transforms.h"

namespace marvin {

// y = conv(x, w) + bias, or dx = conv_input_grad(dy, w), which is a convolution by the weights turned over.
class ConvF32Winograd {
 public:
  // Whether the machine can, the convolution is one by 3x3 over two axes, neither strided nor dilated nor grouped, and
  // what is saved is more than what the transforms cost: images are not too small and channels not too few.
  static bool admits(const ConvShape& shape);
  ConvF32Winograd(const ConvShape& shape, ConvPass pass);
  int64_t scratch_bytes() const;
  // Source and out are x and y, or dy and dx; bias, per channel of out, may be null.
  void run(const float* source, const float* weights, const float* bias, float* out, std::byte* scratch) const;

 private:
  void transform_weights(const float* weights, int64_t channel, float* to) const;
  void multiply(const float* transformed, const float* weights, int64_t first, int64_t last, int64_t channel,
                const float* bias, const winograd::Outputs& out, float* products) const;
  int64_t weight_elements() const;

  bool forward_;
  int64_t n_, in_, out_;     // images; channels of source and out
  ConvAxis height_, width_;  // of the convolution from source to out
  int64_t chunk_;            // tiles whose transforms are in memory at once
  int threads_;
};

// dw from x and dy, summed over chunks of tiles in order.
class ConvWeightGradF32Winograd {
 public:
  static bool admits(const ConvShape& shape);
  explicit ConvWeightGradF32Winograd(const ConvShape& shape);
  int64_t scratch_bytes() const;
  void run(const float* x, const float* dy, float* dw, std::byte* scratch) const;

 private:
  int64_t sum_blocks() const;

  ConvShape shape_;
  int64_t tiles_, chunk_;
  int threads_;
};

}  // namespace marvin
