// Convolutions of bytes by rows, forward and for input gradients: in a channels-last image with its pads, what an
// output reads of a row lies side by side, and so does what its neighbours read. Where channels are few, several
// neighbours are summed at once, as lanes of one vector, over all that they read together, with zeros among the weights
// where one of them does not.
#pragma once

#include <vector>

#include "runtime/kernels/conv_taps.h"
#include "runtime/kernels/dot.h"

namespace marvin {

// out[n][position][channel] = float32(exact sum) * scale + bias.
class ConvRowsBytes {
 public:
  // Whether the machine can and it gains: one convolution over two axes, neither grouped nor dilated along its rows,
  // that takes clearly fewer vectors by rows than pixel by pixel, which fills vectors up with zero channels.
  static bool admits(const std::vector<TapConv>& convs);

  // convs: forward_taps(shape, o_k_i), or input_grad_taps of the same. Plans for the
  // threads that OpenMP would use now.
  explicit ConvRowsBytes(const std::vector<TapConv>& convs);
  int64_t scratch_bytes() const;
  // scale is a power of two; bias, per output channel, may be null.
  void run(const int8_t* source, const int8_t* weights, float scale, const float* bias, float* out,
           std::byte* scratch) const;

 private:
  // What the images of a run share.
  struct Shared {
    int8_t* packed;   // weights: blocks of kDotTileLanes lanes, each [row of taps][group][lane][byte in group]
    int32_t* excess;  // by lane: the sum of its weights
    float* bias;      // by lane, or null
    float scale;
    float* out;
  };
  int64_t lanes() const { return neighbours_ * conv_.out; }
  int64_t packed_bytes() const;
  int64_t image_bytes() const;  // with its pads
  void pack(const int8_t* weights, const float* bias, int8_t* ordered, const Shared& shared) const;
  void copy(const int8_t* source, int64_t image, std::byte* padded) const;
  void multiply(const std::byte* padded, int64_t image, const Shared& shared) const;

  TapConv conv_;
  int64_t row_bytes_;  // of an image with its pads
  int64_t rows_;
  int64_t neighbours_;  // outputs of a row that make a tile's row, one after the other
  int64_t groups_;      // that these read of a row
  int threads_;
};

}  // namespace marvin
