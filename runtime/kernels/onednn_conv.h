// Convolutions of oneDNN: float32, and int8 where they are exact.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/kernels/conv_taps.h"
#include "runtime/kernels/onednn.h"

namespace marvin {

// y = conv(a = x, b = w) + bias, dx = conv_input_grad(a = dy, b = w) or dw = conv_weight_grad(a = x, b = dy) in float32,
// in the layouts that oneDNN likes best, with reorders from and to row-major around it.
//
// oneDNN divides the sum over images and pixels of a weight gradient among the threads that the primitive was made for:
// a weight gradient is the same to the bit from run to run, but not for another number of threads.
class ConvF32Onednn {
 public:
  // Whether oneDNN has a compiled kernel for the shape.
  static bool admits(const ConvShape& shape, ConvPass pass);
  ConvF32Onednn(const ConvShape& shape, ConvPass pass, bool with_bias = false);
  int64_t scratch_bytes() const { return scratch_bytes_; }
  // bias: null unless made with one.
  void run(const float* a, const float* b, const float* bias, float* out, std::byte* scratch);

 private:
  // An argument of the convolution and the reorder between it and the caller's memory.
  struct Operand {
    int argument = 0;
    bool reordered = false;
    OnednnCall reorder;
    int64_t offset = 0;  // in scratch, of the reordered elements
  };
  Operand operand(int argument, const dnnl::memory::desc& plain, const dnnl::memory::desc& chosen, bool is_output);
  const void* bind(Operand& operand, const void* data, std::byte* scratch);

  Operand a_, b_, out_;
  bool with_bias_;
  OnednnCall convolution_;
  int64_t scratchpad_offset_ = 0;
  int64_t reorder_scratchpad_ = 0;  // bytes
  int64_t scratch_bytes_ = 0;
};

// out = float32(exact sum) * scale + bias of 8-bit words, forward and input gradient: oneDNN's int8 forward convolution into
// float32, and our own way into n c h w memory.
class ConvS8Onednn {
 public:
  // convs as for ConvExact. Admitted are sums that cannot leave int32, on a CPU that adds them without saturation, in
  // shapes for which oneDNN has a compiled kernel.
  static bool admits(const std::vector<TapConv>& convs);
  explicit ConvS8Onednn(const std::vector<TapConv>& convs);
  int64_t scratch_bytes() const { return scratch_bytes_; }
  // scale is a power of two; bias, per output channel, may be null.
  void run(const int8_t* source, const int8_t* weights, float scale, const float* bias, float* out, std::byte* scratch);

 private:
  struct Part {
    TapConv conv;
    OnednnCall reorder_weights;
    OnednnCall convolution;
    int64_t blocked_offset = 0, results_offset = 0, scratchpad_offset = 0;  // in scratch, after the packed weights
  };
  std::vector<Part> parts_;
  int64_t scratch_bytes_ = 0;
};

}  // namespace marvin
