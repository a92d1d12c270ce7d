// What a forward convolution and an input gradient have in common: every output pixel is a product of weights with
// source pixels at regularly spaced taps. An input gradient with strides s is a set of such convolutions of dy, one
// for each residue of the position modulo s, each of stride 1 and with the taps (flipped) that reach it; nothing is
// scattered.
//
// im2col for OpenBLAS and the way of the results into n c h w memory are here too.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/kernels/conv.h"

namespace marvin {

// One spatial axis. Output position first + a * out_step, for a in [0, count), reads for each tap t the source position
// a * step + offset + t * spacing, zero outside [0, source), and multiplies it by the weights' tap
// first_tap + t * tap_step.
struct TapAxis {
  int64_t source = 1;
  int64_t extent = 1;  // of the output in memory
  int64_t first = 0, out_step = 1, count = 1;
  int64_t step = 1, offset = 0, spacing = 1;
  int64_t taps = 1, first_tap = 0, tap_step = 1;

  bool dense() const { return count == extent; }  // every output position is one of these
  // Whether source positions are consecutive over taps.
  bool consecutive() const { return spacing == 1 || taps == 1; }
};

// Distances in elements between weights.
struct WeightStrides {
  int64_t group, out, in;
  std::array<int64_t, 3> axes;
};

struct TapConv {
  int64_t n = 1, groups = 1;
  int64_t in = 1, out = 1;      // channels per group: of the source, of the output
  std::array<TapAxis, 3> axes;  // depth, height, width
  WeightStrides weights;

  int64_t image_pixels() const { return axes[0].count * axes[1].count * axes[2].count; }  // that are computed
  int64_t pixels() const { return n * image_pixels(); }
  int64_t plane() const { return axes[0].extent * axes[1].extent * axes[2].extent; }  // output pixels in memory
  int64_t source_pixels() const { return axes[0].source * axes[1].source * axes[2].source; }
  int64_t taps() const { return axes[0].taps * axes[1].taps * axes[2].taps; }
  int64_t depth() const { return taps() * in; }  // products per output
  bool dense() const { return axes[0].dense() && axes[1].dense() && axes[2].dense(); }
  int64_t weight_elements() const { return groups * out * depth(); }
};

// The element order of weights in memory.
enum class WeightOrder : uint8_t { o_i_k, o_k_i };

TapConv forward_taps(const ConvShape& shape, WeightOrder order);
// Together they cover every position of dx once. Those without taps have zeros there.
std::vector<TapConv> input_grad_taps(const ConvShape& shape, WeightOrder order);

// The 1x1 convolution over dy, whose columns are dy's own pixels.
TapConv output_taps(const ConvShape& shape);

// packed[group][out][tap][in] = the weights, converted. Taps count row-major.
template <class T, class F>
void pack_weights(const TapConv& conv, const T* weights, F* packed);
// The inverse for `count` partial sums one after the other, added in order: weights = float32(sum of partials) * scale.
template <class Total>
void unpack_weights(const TapConv& conv, const Total* partials, int64_t count, float scale, float* weights);

// columns[p - begin][tap][in] = the source pixels [n][d][h][w][groups * in] that output pixels [begin, end) read, in
// the same containers. Pixels are counted over images and the axes' counts.
void gather_channels_last(const TapConv& conv, int64_t group, Words source, int64_t begin, int64_t end, void* columns);

// columns[tap][in][p - begin], from [n][groups * in][d][h][w].
void gather_rows(const TapConv& conv, int64_t group, const float* source, int64_t begin, int64_t end, float* columns);

// out[n][groups * out][plane] = float32(tile[channel][p - begin]) * scale + bias[channel] at the output pixels
// [begin, end), for the channels of a group. bias, of all channels, may be null.
template <class Total>
void scatter_tile(const TapConv& conv, int64_t group, const Total* tile, int64_t begin, int64_t end, float scale,
                  const float* bias, float* out);

// out[n][groups * out][plane] = pixels + bias for a whole image whose pixels are in the results
// [image_pixels][groups * out] of the convolutions that it consists of. Those without taps have none: their pixels are
// read from zeros[groups * out]. bias may be null.
void scatter_channels_last(std::span<const TapConv> convs, std::span<const float* const> results, const float* zeros,
                           int64_t image, const float* bias, float* out);

// The same into out[n][plane][groups * out].
void merge_channels_last(std::span<const TapConv> convs, std::span<const float* const> results, const float* zeros,
                         int64_t image, const float* bias, float* out);
// pixels[i][channel] += bias[channel].
void add_to_pixels(int64_t count, int64_t channels, const float* bias, float* pixels);

// Writes zeros to the output pixels of a convolution without taps, in channels-last order or n c h w.
void scatter_zeros(const TapConv& conv, bool channels_last, float* out);

}  // namespace marvin
