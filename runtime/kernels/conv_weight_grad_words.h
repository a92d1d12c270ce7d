// Weight gradients of convolutions of words of one or two bytes, by the dot product instructions of dot.h: sums over
// pixels, without im2col. The pixels of an image are numbered along rows of one length, for source and output alike, so
// that a tap is a constant distance between the two. Both are interleaved by pixels that follow each other, the source
// once for every distance modulo the size of a group. With strides, the source is as many sparser images.
#pragma once

#include <vector>

#include "runtime/kernels/conv.h"
#include "runtime/kernels/dot.h"

namespace marvin {

// dw = float32(exact sum over images and pixels) * scale.
class ConvWeightGradWords {
 public:
  // Whether the machine and the extents suit it. The operands' words are of one or two bytes.
  static bool admits(const ConvShape& shape);

  // Plans for the threads that OpenMP would use now.
  ConvWeightGradWords(const ConvShape& shape, int x_bytes, int dy_bytes);
  int64_t scratch_bytes() const;
  // The words are of x_bits and dy_bits, at most 8 or 16 by container. scale is a power of two.
  void run(Words x, int x_bits, Words dy, int dy_bits, float scale, float* dw, std::byte* scratch) const;

 private:
  // The source from one position in a group on, as the taps of one residue modulo the strides see it.
  struct Plane {
    std::vector<int32_t> offsets;  // by pixel number: where its elements begin in the images, or -1
  };
  // One tap, or a row of taps where channels are few, whose elements follow each other in memory.
  struct Tap {
    size_t plane = 0;
    int64_t groups = 0;  // from the number of an output pixel to that of what it reads
    int64_t weight = 0;  // its place among the taps
  };
  struct Numbering;
  struct Memory;

  void plan_taps();
  void plan_parts();
  template <class Total>
  void run_as(Words x, Words dy, DotScheme scheme, float scale, float* dw, std::byte* scratch) const;
  template <class Total>
  void add_slice(int64_t slice, Words x, Words dy, DotScheme scheme, const Memory& memory, Total* totals) const;
  const void* image_of(Words x, int64_t image, const Memory& memory) const;
  void interleave_part(int64_t part, int64_t at, const void* x_image, Words dy, DotScheme scheme,
                       const Memory& memory) const;
  template <class Total>
  void multiply_tile(DotTile& tile, std::span<const DotRun> runs, int64_t first_out, const DotScheme& scheme,
                     const Memory& memory, Total* results) const;
  template <class Total>
  void multiply(std::span<const DotRun> runs, const DotScheme& scheme, const Memory& memory, Total* totals) const;
  template <class Total>
  void write(const Total* totals, float scale, float* dw) const;

  ConvShape shape_;
  int x_bytes_, dy_bytes_;
  int threads_;
  bool as_words_;           // interleaved as words of two bytes
  bool merged_ = false;     // whether a tap is a row of taps
  int64_t group_;           // pixels in a group
  int64_t image_row_ = 0;   // elements of a row of an image; where rows of taps are merged it is padded
  int64_t image_left_ = 0;  // of them before the first
  int64_t width_ = 0;       // elements of a tap, over all convolution groups
  int64_t vectors_ = 0;     // of a tap, in one convolution group
  std::vector<Plane> planes_;
  std::vector<Tap> taps_;
  std::vector<int32_t> out_offsets_;  // by pixel number: where its elements begin in dy's images, or -1
  int64_t parts_ = 1;                 // of these images, one after the other
  int64_t part_groups_ = 0;
  int64_t halo_groups_ = 0;                  // that taps reach beyond a part
  int64_t block_ = 1;                        // parts that are interleaved before they are multiplied
  int64_t plane_bytes_ = 0, out_bytes_ = 0;  // of a part, interleaved
  int64_t thread_bytes_ = 0;                 // of scratch memory
  int64_t slices_ = 1;                       // of all parts, each with its own sums
  int64_t slice_sums_ = 0;
  bool wide_ = false;  // whether sums are of 64 bits
};

}  // namespace marvin
