// Convolutions of many small images of words of one or two bytes, by the pairs of positions that a tap joins: every
// pair is a product over images and channels, summed by the dot products of dot.h.
#pragma once

#include <algorithm>
#include <vector>

#include "runtime/kernels/conv_pairs.h"
#include "runtime/kernels/dot.h"

namespace marvin {

// y = float32(exact sum) * scale + bias, or dx, as float32 [n][position][channel].
class ConvSmallWords {
 public:
  // Whether the machine and the extents suit it, and images are so small that it gains. pass is not weight_grad.
  static bool admits(const ConvShape& shape, ConvPass pass);

  ConvSmallWords(const ConvShape& shape, ConvPass pass, int source_bytes, int weight_bytes);
  int64_t scratch_bytes() const { return scratch_bytes_; }
  // source is x or dy. The words are of source_bits and weight_bits, at most 8 or 16 by container. scale is a power of
  // two; bias, per output channel, may be null.
  void run(Words source, int source_bits, Words weights, int weight_bits, float scale, const float* bias, float* out,
           std::byte* scratch) const;

 private:
  // Some channels of the output, as lanes of a tile.
  struct Block {
    int64_t first = 0, channels = 0;
    int64_t packed = 0;  // where its weights begin
  };
  // What the blocks of a run share.
  struct Shared {
    DotScheme scheme;
    std::byte* packed[2];  // weights; their upper and their lower bytes where they are split
    std::byte* rows;       // source[position][image][channel]
    int32_t* sums;         // of the bytes of every row
    float scale;
    const float* bias;
    float* out;
  };
  void copy_rows(int64_t position, Words source, const Shared& shared) const;
  void pack(const Block& block, Words weights, WordPart part, std::byte* packed) const;
  void multiply(const Block& block, int64_t position, const Shared& shared) const;

  ConvPass pass_;
  int64_t images_, taps_;
  int64_t in_, out_;                      // channels of the source and of the output
  int64_t source_positions_, positions_;  // of an image
  bool as_words_;                         // multiplied as words of two bytes
  bool may_split_;                        // whether weights may be multiplied a byte at a time
  std::vector<Block> blocks_;
  std::vector<std::vector<ConvPair>> pairs_;  // by position of the output
  std::vector<int32_t> gathered_;  // of an input gradient: where the weights of a tap and source channel begin
  int64_t packed_bytes_ = 0, scratch_bytes_ = 0;
};

// dw = float32(exact sum over images and positions) * scale.
class ConvWeightGradSmallWords {
 public:
  static bool admits(const ConvShape& shape);

  // Plans for the threads that OpenMP would use now.
  ConvWeightGradSmallWords(const ConvShape& shape, int x_bytes, int dy_bytes);
  int64_t scratch_bytes() const { return scratch_bytes_; }
  // The words are of x_bits and dy_bits, at most 8 or 16 by container. scale is a power of two.
  void run(Words x, int x_bits, Words dy, int dy_bits, float scale, float* dw, std::byte* scratch) const;

 private:
  // An operand, interleaved by images: blocks of its channels, each [position][group of images][channel].
  struct Operand {
    int64_t channels = 0, block = 1;  // of which so many make a block
    std::vector<int32_t> offsets;     // by position and image: where the channels begin, or -1
    int64_t bytes = 0;                // of a block
    int64_t blocks() const { return (channels + block - 1) / block; }
    int64_t size(int64_t index) const { return std::min(block, channels - index * block); }
  };
  struct Shared {
    DotScheme scheme;
    std::byte* lanes;    // x
    std::byte* rows[2];  // dy; its upper and its lower bytes where it is split
    int32_t* sums;       // of the bytes of dy by block, position and channel
    float scale;
    float* dw;
  };
  Operand operand(int64_t channels, int64_t block, int64_t images, int64_t positions) const;
  void interleave_block(const Operand& operand, int64_t block, Words words, WordPart part, bool is_lanes,
                        std::byte* blocks) const;
  void sum_block(int64_t block, const Shared& shared) const;
  // results[tap][row][lane] are a thread's own.
  void multiply(int64_t row_block, int64_t lane_block, const Shared& shared, float* results) const;

  int threads_;
  int64_t taps_, positions_;  // of the output
  bool as_words_, may_split_;
  int64_t groups_;  // of images
  Operand rows_, lanes_;
  std::vector<std::vector<ConvPair>> pairs_;  // by tap
  int64_t scratch_bytes_ = 0;
};

}  // namespace marvin
