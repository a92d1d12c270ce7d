// Convolutions of 8-bit words by oneDNN, where they are exact.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/kernels/conv_taps.h"
#include "runtime/kernels/onednn_conv_blocks.h"

namespace marvin {

// out = float32(exact sum) * scale + bias, forward and input gradient: oneDNN's int8 forward convolution into n h w c
// float32, which scales too; bias, and where the result is to be n c h w our own way there. An input gradient is a set
// of forward convolutions (conv_taps.h), since oneDNN's int8 deconvolution corrects its sums in float32.
class ConvS8Onednn {
 public:
  // convs as for ConvExact. Admitted are sums that cannot leave int32, on a CPU that adds them without saturation, in
  // shapes for which oneDNN has a compiled kernel.
  static bool admits(const std::vector<TapConv>& convs);
  // Plans for the threads that OpenMP would use now.
  ConvS8Onednn(std::vector<TapConv> convs, bool channels_last);
  int64_t scratch_bytes() const { return shared_bytes_ + threads_ * thread_bytes_; }
  // scale is a power of two; bias, per output channel, may be null.
  void run(const int8_t* source, const int8_t* weights, float scale, const float* bias, float* out, std::byte* scratch);

 private:
  // What one of the convolutions needs. Weights are in scratch memory, results in each thread's part of it.
  struct Part {
    Reorder reorder_weights;
    std::vector<std::vector<OnednnCall>> calls;     // by thread and size of block
    int64_t packed_offset = 0, blocked_offset = 0;  // weights as pack_weights leaves them, and in oneDNN's layout
    int64_t results_offset = 0, results_per_image = 0;
  };
  Part plan(const TapConv& conv);
  // Whether oneDNN writes where the result is to be.
  bool in_place() const { return channels_last_ && convs_.size() == 1 && convs_[0].taps() > 0; }
  void run_block(int64_t block, const int8_t* source, float scale, const float* bias, float* out, std::byte* scratch);

  std::vector<TapConv> convs_;
  bool channels_last_;  // the result
  ImageBlocks blocks_;
  int threads_;
  std::vector<Part> parts_;
  std::vector<std::vector<const float*>> results_;  // of one image, by thread and convolution
  int64_t scratchpad_bytes_ = 0;                    // of each thread, and of the reorders
  int64_t zeros_offset_ = 0;
  int64_t shared_bytes_ = 0;  // weights, zeros and scratchpad, before the threads' parts
  int64_t thread_bytes_ = 0;  // results, then scratchpad
};

}  // namespace marvin
