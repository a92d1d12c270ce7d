// Float32 convolutions of oneDNN, in the layouts that it likes best, with reorders from and to row-major around it, or
// channels-last as the images are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/kernels/conv.h"
#include "runtime/kernels/onednn_conv_blocks.h"

namespace marvin {

// y = conv(x, w) + bias, dx = conv_input_grad(dy, w) or dw = conv_weight_grad(x, dy). A weight gradient is summed over
// each block of images, then over the blocks in order.
class ConvF32Onednn {
 public:
  // Which of the images x and y, or of their gradients, are channels-last.
  struct Layouts {
    bool x_last = false, y_last = false;
  };
  // Whether oneDNN has a compiled kernel for the shape.
  static bool admits(const ConvShape& shape, ConvPass pass, Layouts layouts);
  // Plans for the threads that OpenMP would use now.
  ConvF32Onednn(const ConvShape& shape, ConvPass pass, Layouts layouts, bool with_bias);
  int64_t scratch_bytes() const { return scratch_bytes_; }
  // The product's operands in the order above; bias is null unless made with one.
  void run(const float* a, const float* b, const float* bias, float* out, std::byte* scratch);

 private:
  void sum_partials(float* partials, float* dw, std::byte* scratchpad);

  ConvShape shape_;
  ConvPass pass_;
  ImageBlocks blocks_;
  int threads_;
  std::vector<std::vector<StagedCall>> calls_;  // by thread and size of block
  bool weights_reordered_ = false;
  Reorder reorder_weights_;        // in, or of a weight gradient out
  int64_t weight_bytes_ = 0;       // in oneDNN's layout; of a weight gradient once per block
  int64_t scratchpad_offset_ = 0;  // of reorder_weights_
  int64_t threads_offset_ = 0;     // of the threads' scratch memory
  int64_t thread_bytes_ = 0;
  int64_t scratch_bytes_ = 0;
};

}  // namespace marvin
