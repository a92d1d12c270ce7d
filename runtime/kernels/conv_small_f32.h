// Float32 convolutions of many small channels-last images, by the pairs of positions that a tap joins: every pair is a
// product of rows of images, added up in registers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/kernels/conv_pairs.h"

namespace marvin {

// y = conv(x, w) + bias, or dx = conv_input_grad(dy, w). The sum of an output goes over the positions that it reads in
// order, in each over the channels. Images are [n][d][h][w][channels], weights [o][c][kd][kh][kw].
class ConvSmallF32 {
 public:
  // Whether the machine can, the convolution is not grouped, and it has so much padding that this is faster than
  // oneDNN.
  static bool admits(const ConvShape& shape);
  ConvSmallF32(const ConvShape& shape, ConvPass pass);
  int64_t scratch_bytes() const;
  // Of the pass's own operand, source and out are x and y, or dy and dx; bias, per channel of out, may be null.
  void run(const float* source, const float* weights, const float* bias, float* out, std::byte* scratch) const;

 private:
  void gather_panel(const float* weights, int64_t channel, float* panel) const;
  void multiply(const float* rows, const float* panel, int64_t channel, int64_t part, const float* bias,
                float* out) const;
  int64_t panel_elements() const;

  ConvShape shape_;
  ConvPass pass_;
  int64_t in_, out_;                          // channels of source and out
  int64_t sources_, outs_;                    // positions
  std::vector<std::vector<ConvPair>> pairs_;  // by position of out
  int64_t parts_ = 1;                         // into which the images are divided
  int threads_;
};

// dw[o][c][kd][kh][kw] from x and dy, summed for every tap over blocks of images in order, in each over the pairs of
// positions in order.
class ConvWeightGradSmallF32 {
 public:
  // The same, for images small enough: oneDNN sums up a whole copy of dw for every few images.
  static bool admits(const ConvShape& shape);
  explicit ConvWeightGradSmallF32(const ConvShape& shape);
  int64_t scratch_bytes() const;
  void run(const float* x, const float* dy, float* dw, std::byte* scratch) const;

 private:
  struct Task {
    int64_t first_channel;            // of x
    int64_t first_block, last_block;  // of output channels, the last one excluded
  };
  Task task(int64_t index) const;
  int64_t tasks() const;
  int64_t blocks_of_task() const;
  void multiply(const Task& task, const float* x, const float* dy, float* sums, float* dw) const;

  ConvShape shape_;
  std::vector<std::vector<ConvPair>> pairs_;  // by tap
  int64_t images_;                            // of a block
  int64_t out_parts_ = 1;
  int threads_;
};

}  // namespace marvin
