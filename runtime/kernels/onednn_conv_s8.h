// Convolutions of 8-bit words by oneDNN, where they are exact.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/kernels/conv_taps.h"
#include "runtime/kernels/onednn_conv_blocks.h"

namespace marvin {

// out = float32(exact sum) * scale + bias, forward and input gradient: oneDNN's int8 forward convolution into n h w c float32,
// and our own way from there to n c h w, with scale and bias. An input gradient is a set of forward convolutions too
// (conv_taps.h), since oneDNN's int8 deconvolution corrects its sums in float32.
class ConvS8Onednn {
 public:
  // convs as for ConvExact. Admitted are sums that cannot leave int32, on a CPU that adds them without saturation, in
  // shapes for which oneDNN has a compiled kernel.
  static bool admits(const std::vector<TapConv>& convs);
  // Plans for the threads that OpenMP would use now.
  explicit ConvS8Onednn(const std::vector<TapConv>& convs);
  int64_t scratch_bytes() const { return scratch_bytes_; }
  // scale is a power of two; bias, per output channel, may be null.
  void run(const int8_t* source, const int8_t* weights, float scale, const float* bias, float* out, std::byte* scratch);

 private:
  // One of the convolutions. Offsets are in scratch, after the packed weights.
  struct Part {
    TapConv conv;
    ImageBlocks blocks;
    Reorder reorder_weights;
    std::vector<std::vector<OnednnCall>> calls;  // by thread and size of block
    int64_t blocked_offset = 0;                  // of the weights in oneDNN's layout
    int64_t reorder_offset = 0;                  // of the reorder's scratchpad
    int64_t threads_offset = 0;                  // of the threads' results, each followed by a scratchpad
    int64_t result_bytes = 0, thread_bytes = 0;
  };
  Part plan(const TapConv& conv) const;
  void run_part(Part& part, const int8_t* source, const int8_t* weights, float scale, const float* bias, float* out,
                std::byte* scratch) const;

  int threads_;
  std::vector<Part> parts_;
  int64_t scratch_bytes_ = 0;
};

}  // namespace marvin
