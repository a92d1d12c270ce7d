// Float32 convolutions of images of few channels, as first layers have them: in a channels-last image with its pads,
// what an output reads of a row lies side by side, so that rows are multiplied where they are.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/kernels/conv.h"

namespace marvin {

// What both have in common. x is in either order, y and dy are [n][h][w][o].
class ConvF32Rows {
 public:
  // Whether the machine can, and the convolution is one over two axes, not grouped, of a few channels to whole vectors
  // of them.
  static bool admits(const ConvShape& shape);

 protected:
  ConvF32Rows(const ConvShape& shape, bool x_last);
  int64_t run_length() const { return shape_.axes[2].kernel * shape_.c; }  // of a row, that an output reads
  int64_t step() const { return shape_.axes[2].stride * shape_.c; }        // from one output to the next
  int64_t padded_elements() const { return padded_height_ * padded_width_ * shape_.c; }
  // padded[row][column][c] of an image, from the first position that an output reads to the last.
  void pad(const float* x, int64_t image, float* padded) const;
  // What the output (row, 0) reads by a row of taps.
  const float* run_of(const float* padded, int64_t row, int64_t tap) const;

  ConvShape shape_;
  bool x_last_;
  int64_t padded_height_, padded_width_;
  int threads_;
};

// y = conv(x, w) + bias.
class ConvForwardF32Rows : public ConvF32Rows {
 public:
  ConvForwardF32Rows(const ConvShape& shape, bool x_last) : ConvF32Rows(shape, x_last) {}
  int64_t scratch_bytes() const;
  // bias may be null.
  void run(const float* x, const float* w, const float* bias, float* y, std::byte* scratch) const;

 private:
  void multiply(const float* padded, int64_t image, const float* panels, const float* bias, float* y) const;
};

// dw, summed over blocks of images, then over the blocks in order.
class ConvWeightGradF32Rows : public ConvF32Rows {
 public:
  ConvWeightGradF32Rows(const ConvShape& shape, bool x_last);
  int64_t scratch_bytes() const;
  void run(const float* x, const float* dy, float* dw, std::byte* scratch) const;

 private:
  void multiply(const float* padded, const float* dy, bool is_first, float* sums) const;
  void add_up(float* sums, float* dw) const;

  int64_t blocks_;
};

}  // namespace marvin
