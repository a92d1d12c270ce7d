// Convolutions of many small images of 8-bit words. Much of a window over a small image lies outside of it (of 3x3 taps
// over 2x2 pixels more than half), so these go by the pairs of positions that a tap joins: every pair is a product over
// images and channels, and padding is never multiplied. Sums are the dot products of dot.h.
#pragma once

#include <vector>

#include "runtime/kernels/conv.h"
#include "runtime/kernels/dot.h"

namespace marvin {

// Of an output position, a tap and the source position that it reads there: two of them, as the third one's list has them.
struct ConvPair {
  int64_t tap = 0, out = 0, source = 0;
};

// y = float32(exact sum) * scale + bias, or dx, as float32 [n][position][channel].
class ConvSmall {
 public:
  // Whether the machine and the extents suit it, and images are so small that it gains. pass is not weight_grad.
  static bool admits(const ConvShape& shape, ConvPass pass);

  ConvSmall(const ConvShape& shape, ConvPass pass);
  int64_t scratch_bytes() const { return scratch_bytes_; }
  // source is x or dy. scale is a power of two; bias, per output channel, may be null.
  void run(const int8_t* source, const int8_t* weights, float scale, const float* bias, float* out,
           std::byte* scratch) const;

 private:
  // Some channels of the output, as lanes of a tile.
  struct Block {
    int64_t first = 0, channels = 0, vectors = 0;
    int64_t packed = 0;  // where its weights begin
  };
  void pack(const Block& block, const int8_t* weights, std::byte* packed) const;
  void multiply(const Block& block, int64_t position, const int8_t* rows, const int32_t* sums, const std::byte* packed,
                float scale, const float* bias, float* out) const;

  ConvPass pass_;
  int64_t images_, taps_;
  int64_t in_, out_;                       // channels of the source and of the output
  int64_t source_positions_, positions_;   // of an image
  std::vector<Block> blocks_;
  std::vector<std::vector<ConvPair>> pairs_;     // by position of the output
  std::vector<std::vector<int32_t>> gathered_;  // of input gradients, by tap: where the weights of its rows begin
  int64_t packed_bytes_ = 0, scratch_bytes_ = 0;
};

// dw = float32(exact sum over images and positions) * scale.
class ConvWeightGradSmall {
 public:
  static bool admits(const ConvShape& shape);

  // Plans for the threads that OpenMP would use now.
  explicit ConvWeightGradSmall(const ConvShape& shape);
  int64_t scratch_bytes() const { return scratch_bytes_; }
  void run(const int8_t* x, const int8_t* dy, float scale, float* dw, std::byte* scratch) const;

 private:
  void multiply(int64_t row_block, int64_t lane_block, const std::byte* rows, const int32_t* row_sums,
                const std::byte* lanes, float scale, float* results, float* dw) const;

  // Blocks of dy's channels, as rows of tiles, and of x's, as lanes; and what one of them takes interleaved.
  int64_t row_blocks() const;
  int64_t lane_blocks() const;
  int64_t row_bytes() const;
  int64_t lane_bytes() const;
  int64_t results_elements() const;  // of a thread: of the rows of a tile, by tap and lane

  int threads_;
  int64_t taps_, channels_, outs_;
  int64_t groups_;                              // of four images
  int64_t row_positions_, lane_positions_;      // of dy and of x
  std::vector<std::vector<ConvPair>> pairs_;    // by tap
  std::vector<int32_t> row_offsets_, lane_offsets_;  // by position and image: where its channels begin, or -1
  int64_t scratch_bytes_ = 0;
};

}  // namespace marvin
