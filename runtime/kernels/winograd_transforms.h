// The transforms of convolutions by F(2x2, 3x3) (conv_f32_winograd.h), on vectors of channels. All need
// avx512_is_available().
#pragma once

#include <cstdint>

#include "runtime/kernels/product_tile.h"
#include "runtime/kernels/scratch.h"

namespace marvin::winograd {

constexpr int64_t kLanes = 16;            // channels of a vector
constexpr int64_t kPoints = 16;           // elements of a transformed tile
constexpr int64_t kTaps = 9;              // weights of a pair of channels
constexpr int64_t kRows = 8 * kTileRows;  // tiles that are multiplied and transformed back together

// Images [n][height][width][channels], and a position in one of them, which may be outside.
struct Images {
  const float* data;
  int64_t height, width, channels;
};
struct Place {
  int64_t image, row, column;
};

// to[point * point_pitch + channel] = B' x B of the 4x4 positions from `place` on, with zeros for those outside, and up
// to a whole block of channels.
void transform_inputs(const Images& x, const Place& place, float* to, int64_t point_pitch);
// The same of A dy A', of 2x2 positions; up to a whole vector of channels.
void transform_gradients(const Images& dy, const Place& place, float* to, int64_t point_pitch);
// to[point * point_pitch + column] = G w G' of the taps w[tap][kTileColumns], in reverse order where turned.
void transform_taps(const float* taps, bool turned, float* to, int64_t point_pitch);

// Images that are written to.
struct Outputs {
  float* data;
  int64_t height, width, channels;
};
// The 2x2 positions from `place` on, those that are inside, of a block of kTileColumns channels from `channel` on:
// A' m A + bias, with m[point * kRows * kTileColumns + column]. bias, of all channels, may be null.
void transform_products(const float* products, const Place& place, int64_t channel, const float* bias,
                        const Outputs& out);
// taps[tap][kTileColumns] = G' m G, with m[point * kTileRows * kTileColumns + column].
void transform_sums(const float* sums, float* taps);

}  // namespace marvin::winograd
