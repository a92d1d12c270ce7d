// Convolutions of words of one or two bytes by the 16-bit dot products of dot.h, forward and for input gradients: an
// output pixel's sum runs over the channels of its taps, in pairs that lie beside each other in memory. All that is
// copied are the rows of the source that some rows of the output read, as 16-bit words with zeros around them.
#pragma once

#include <vector>

#include "runtime/kernels/conv_taps.h"
#include "runtime/kernels/dot.h"

namespace marvin {

// out = float32(exact sum) * scale + bias.
class ConvWords {
 public:
  // Whether the machine and the extents suit it: what a single output pixel reads has to fit a cache.
  static bool admits(const std::vector<TapConv>& convs);

  // convs: forward_taps(shape, o_k_i), or input_grad_taps of the same. Plans for the
  // threads that OpenMP would use now.
  ConvWords(const std::vector<TapConv>& convs, int weight_bytes, bool channels_last);
  int64_t scratch_bytes() const { return scratch_bytes_; }
  // The words are of source_bits and weight_bits, at most 8 or 16 by container. scale is a power of two; bias, per
  // output channel, may be null.
  void run(Words source, int source_bits, Words weights, int weight_bits, float scale, const float* bias, float* out,
           std::byte* scratch) const;

 private:
  // One of the convolutions, and how its output is cut into tasks: some columns of some rows of a plane of an image
  // each.
  struct Part {
    TapConv conv;
    int64_t pairs = 0;                // of a group's channels
    int64_t row_bytes = 0;            // of a copied row
    int64_t rows = 1, slab_rows = 1;  // of the output in a task, and of the source that they read from a plane
    int64_t columns = 1;              // of the output in a task
    int64_t vectors = 0;              // of a group's output channels

    int64_t row_blocks() const { return (conv.axes[1].count + rows - 1) / rows; }
    int64_t column_blocks() const { return (conv.axes[2].count + columns - 1) / columns; }
    int64_t tasks() const { return conv.n * conv.axes[0].count * row_blocks() * column_blocks(); }
    int64_t pixel_bytes() const { return conv.groups * pairs * kDotGroupBytes; }
    int64_t slab_bytes() const { return conv.axes[0].taps * slab_rows * row_bytes; }
    int64_t packed_bytes() const { return conv.groups * vectors * conv.taps() * pairs * kDotLanes * kDotGroupBytes; }
  };
  // Where a task's output begins.
  struct Task {
    int64_t image, plane, first_row, rows, first_column, columns;
  };
  // What the tasks of a run share.
  struct Shared {
    DotScheme scheme;
    std::byte* packed[2];          // weights; their upper and their lower bytes where they are split
    std::span<const DotRun> runs;  // by tap
    float scale;
    const float* bias;
    float* out;
  };

  static Task task_of(const Part& part, int64_t index);
  static Part planned(const TapConv& conv, int threads);
  static void pack(const Part& part, Words weights, int16_t* words, const Shared& shared);
  static void fill_runs(const Part& part, std::span<DotRun> runs);
  static void copy_slab(const Part& part, Words source, const Task& task, std::byte* slab);
  void multiply(const Part& part, const Task& task, const std::byte* slab, const Shared& shared) const;
  void write(const Part& part, const Task& task, int64_t row, int64_t first, int64_t pixels, int64_t channel,
             int64_t channels, float* tile, int64_t pitch, const Shared& shared) const;

  std::vector<Part> parts_;
  int weight_bytes_;
  bool channels_last_;  // the result
  int threads_;
  int64_t scratch_bytes_ = 0;
};

}  // namespace marvin
