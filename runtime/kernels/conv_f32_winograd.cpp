#include "runtime/kernels/conv_f32_winograd.h"

#include <omp.h>

#include <algorithm>
#include <array>
#include <utility>

#include "runtime/kernels/conv_pairs.h"
#include "runtime/kernels/instruction_sets.h"
#include "runtime/kernels/layouts.h"
#include "runtime/kernels/winograd_transforms.h"

namespace marvin {

using namespace winograd;

namespace {

constexpr int64_t kMostTiles = 256;                // of a weight gradient's sum at once
constexpr int64_t kProducts = 64;                  // of these added up at once: several short sums are more exact
constexpr int64_t kChunkBytes = int64_t{1} << 22;  // of transformed tiles, to stay in the third-level cache
constexpr int64_t kBlockSums = kPoints * kTileRows * kTileColumns;

int64_t tiles_along(const ConvAxis& axis) { return ceil_div(axis.out, 2); }

// Where the outputs of tile t of all images begin.
Place place_of(int64_t tile, const ConvAxis& height, const ConvAxis& width) {
  const int64_t columns = tiles_along(width), of_image = tiles_along(height) * columns;
  return {tile / of_image, tile % of_image / columns * 2, tile % columns * 2};
}
// Where the inputs begin that these read.
Place read_by(const Place& outputs, const ConvAxis& height, const ConvAxis& width) {
  return {outputs.image, outputs.row - height.pad, outputs.column - width.pad};
}

// Channels are enough when a transform serves `products` of them.
bool is_worth_it(const ConvShape& s, int64_t products) {
  const auto fits = [](const ConvAxis& axis) { return axis.kernel == 3 && axis.stride == 1 && axis.dilation == 1; };
  if (s.groups != 1 || s.axes[0] != ConvAxis{} || !fits(s.axes[1]) || !fits(s.axes[2])) return false;
  const int64_t tiles = tiles_along(s.axes[1]) * tiles_along(s.axes[2]);
  const bool saves = 10 * count_pairs(s) >= 14 * kPoints * tiles;
  return saves && s.n * tiles >= 32 && s.c * s.o >= products * (s.c + s.o) && avx512_is_available();
}

}  // namespace

// ---- Forward and input gradient -------------------------------------------------------------------------------------

bool ConvF32Winograd::admits(const ConvShape& shape) { return is_worth_it(shape, 16); }

ConvF32Winograd::ConvF32Winograd(const ConvShape& s, ConvPass pass)
    : forward_(pass == ConvPass::forward),
      n_(s.n),
      in_(forward_ ? s.c : s.o),
      out_(forward_ ? s.o : s.c),
      height_(s.axes[1]),
      width_(s.axes[2]),
      threads_(omp_get_max_threads()) {
  if (!forward_) {
    for (ConvAxis* axis : {&height_, &width_}) {
      std::swap(axis->in, axis->out);
      axis->pad = axis->kernel - 1 - axis->pad;
    }
  }
  const int64_t tiles = n_ * tiles_along(height_) * tiles_along(width_);
  const int64_t fitting = kChunkBytes / (kPoints * pitch_of(in_) * static_cast<int64_t>(sizeof(float)));
  chunk_ = std::min(tiles, std::max<int64_t>(1, fitting / kRows) * kRows);
}

int64_t ConvF32Winograd::weight_elements() const { return kPoints * in_ * ceil_div(out_, kTileColumns) * kTileColumns; }

int64_t ConvF32Winograd::scratch_bytes() const {
  return Carver::bytes_of<float>(weight_elements()) + Carver::bytes_of<float>(kPoints * chunk_ * pitch_of(in_)) +
         threads_ * Carver::bytes_of<float>(kPoints * kRows * kTileColumns);
}

// to[point][in][kTileColumns], of the output channels from `channel` on.
void ConvF32Winograd::transform_weights(const float* weights, int64_t channel, float* to) const {
  constexpr int64_t kBlock = 8;  // channels of the source at once
  const int64_t count = std::min(kTileColumns, out_ - channel), point_pitch = in_ * kTileColumns;
  alignas(64) std::array<float, kBlock* kTaps* kTileColumns> taps = {};
  for (int64_t i = 0; i < in_; i += forward_ ? kBlock : 1) {
    const int64_t block = forward_ ? std::min(kBlock, in_ - i) : 1;
    if (forward_) {
      transpose_tile(weights + (channel * in_ + i) * kTaps, in_ * kTaps, count, block * kTaps, taps.data(),
                     kTileColumns);
    } else {
      transpose_tile(weights + (i * out_ + channel) * kTaps, kTaps, count, kTaps, taps.data(), kTileColumns);
    }
    for (int64_t k = 0; k < block; ++k)
      transform_taps(taps.data() + k * kTaps * kTileColumns, !forward_, to + (i + k) * kTileColumns, point_pitch);
  }
}

// The outputs of tiles [first, last), kRows at most, for a block of channels. transformed: the first of these tiles.
void ConvF32Winograd::multiply(const float* transformed, const float* weights, int64_t first, int64_t last,
                               int64_t channel, const float* bias, const Outputs& out, float* products) const {
  const int64_t pitch = pitch_of(in_);
  ProductTile tile{.depth = in_, .row_pitch = pitch};
  for (int64_t point = 0; point < kPoints; ++point) {
    for (int64_t row = 0; row < last - first; row += kTileRows) {
      tile.row_count = std::min(kTileRows, last - first - row);
      const TileRun run{transformed + (point * chunk_ + row) * pitch, weights + point * in_ * kTileColumns};
      multiply_tile(tile, {&run, 1}, nullptr, 0, products + (point * kRows + row) * kTileColumns, kTileColumns);
    }
  }
  for (int64_t t = first; t < last; ++t)
    transform_products(products + (t - first) * kTileColumns, place_of(t, height_, width_), channel, bias, out);
}

void ConvF32Winograd::run(const float* source, const float* weights, const float* bias, float* out,
                          std::byte* scratch) const {
  Carver carver(scratch);
  float* transformed_weights = carver.take<float>(weight_elements());
  float* transformed = carver.take<float>(kPoints * chunk_ * pitch_of(in_));
  std::byte* products = carver.rest();
  const int64_t tiles = n_ * tiles_along(height_) * tiles_along(width_), blocks = ceil_div(out_, kTileColumns);
  const int64_t block_weights = kPoints * in_ * kTileColumns;
  const Images images{source, height_.in, width_.in, in_};
  const Outputs outputs{out, height_.out, width_.out, out_};
#pragma omp parallel num_threads(std::min(threads_, omp_get_max_threads()))
  {
    float* own = reinterpret_cast<float*>(products + omp_get_thread_num() *
                                                         Carver::bytes_of<float>(kPoints * kRows * kTileColumns));
#pragma omp for schedule(static) nowait
    for (int64_t block = 0; block < blocks; ++block)
      transform_weights(weights, block * kTileColumns, transformed_weights + block * block_weights);
    for (int64_t first = 0; first < tiles; first += chunk_) {
      const int64_t count = std::min(chunk_, tiles - first), parts = ceil_div(count, kRows);
#pragma omp for schedule(static)
      for (int64_t t = 0; t < count; ++t)
        transform_inputs(images, read_by(place_of(first + t, height_, width_), height_, width_),
                         transformed + t * pitch_of(in_), chunk_ * pitch_of(in_));
#pragma omp for schedule(dynamic)
      for (int64_t i = 0; i < blocks * parts; ++i) {
        const int64_t block = i / parts, row = i % parts * kRows;
        multiply(transformed + row * pitch_of(in_), transformed_weights + block * block_weights, first + row,
                 first + std::min(row + kRows, count), block * kTileColumns, bias, outputs, own);
      }
    }
  }
}

// ---- Weight gradient ------------------------------------------------------------------------------------------------

bool ConvWeightGradF32Winograd::admits(const ConvShape& shape) { return is_worth_it(shape, 24); }

ConvWeightGradF32Winograd::ConvWeightGradF32Winograd(const ConvShape& s)
    : shape_(s), tiles_(s.n * tiles_along(s.axes[1]) * tiles_along(s.axes[2])), threads_(omp_get_max_threads()) {
  const int64_t tile_bytes = kPoints * (pitch_of(s.c) + pitch_of(s.o)) * static_cast<int64_t>(sizeof(float));
  const int64_t fitting = std::clamp<int64_t>(2 * kChunkBytes / tile_bytes, 64, kMostTiles);
  chunk_ = ceil_div(tiles_, ceil_div(tiles_, fitting));
}

int64_t ConvWeightGradF32Winograd::sum_blocks() const {
  return chunk_ == tiles_ ? threads_ : ceil_div(shape_.o, kTileRows) * ceil_div(shape_.c, kTileColumns);
}

int64_t ConvWeightGradF32Winograd::scratch_bytes() const {
  return Carver::bytes_of<float>(kPoints * chunk_ * pitch_of(shape_.c) + kTileColumns) +
         Carver::bytes_of<float>(kPoints * chunk_ * pitch_of(shape_.o)) +
         Carver::bytes_of<float>(sum_blocks() * kBlockSums);
}

void ConvWeightGradF32Winograd::run(const float* x, const float* dy, float* dw, std::byte* scratch) const {
  const ConvShape& s = shape_;
  const int64_t x_pitch = pitch_of(s.c), dy_pitch = pitch_of(s.o);
  Carver carver(scratch);
  float* inputs = carver.take<float>(kPoints * chunk_ * x_pitch + kTileColumns);
  float* gradients = carver.take<float>(kPoints * chunk_ * dy_pitch);
  float* sums = carver.take<float>(sum_blocks() * kBlockSums);
  const ConvAxis &height = s.axes[1], &width = s.axes[2];
  const Images x_images{x, height.in, width.in, s.c}, dy_images{dy, height.out, width.out, s.o};
  const int64_t out_blocks = ceil_div(s.o, kTileRows), blocks = out_blocks * ceil_div(s.c, kTileColumns);
#pragma omp parallel num_threads(std::min(threads_, omp_get_max_threads()))
  for (int64_t first = 0; first < tiles_; first += chunk_) {
    const int64_t count = std::min(chunk_, tiles_ - first);
#pragma omp for schedule(static)
    for (int64_t t = 0; t < count; ++t) {
      const Place place = place_of(first + t, height, width);
      transform_inputs(x_images, read_by(place, height, width), inputs + t * x_pitch, chunk_ * x_pitch);
      transform_gradients(dy_images, place, gradients + t * dy_pitch, chunk_ * dy_pitch);
    }
#pragma omp for schedule(dynamic, 4)
    for (int64_t block = 0; block < blocks; ++block) {
      const int64_t o = block % out_blocks * kTileRows, c = block / out_blocks * kTileColumns;
      float* of_block = sums + (chunk_ == tiles_ ? omp_get_thread_num() : block) * kBlockSums;
      ProductTile tile{
          .row_count = std::min(kTileRows, s.o - o), .row_pitch = 1, .row_step = dy_pitch, .column_step = x_pitch};
      for (int64_t point = 0; point < kPoints; ++point) {
        float* of_point = of_block + point * kTileRows * kTileColumns;
        for (int64_t t = 0; t < count; t += kProducts) {
          tile.depth = std::min(kProducts, count - t);
          const int64_t at = point * chunk_ + t;
          const TileRun run{gradients + at * dy_pitch + o, inputs + at * x_pitch + c};
          multiply_tile(tile, {&run, 1}, first + t > 0 ? of_point : nullptr, kTileColumns, of_point, kTileColumns);
        }
      }
      if (first + count < tiles_) continue;
      alignas(64) std::array<float, kTaps * kTileColumns> taps;
      for (int64_t r = 0; r < tile.row_count; ++r) {
        transform_sums(of_block + r * kTileColumns, taps.data());
        transpose_tile(taps.data(), kTileColumns, kTaps, std::min(kTileColumns, s.c - c),
                       dw + ((o + r) * s.c + c) * kTaps, kTaps);
      }
    }
  }
}

}  // namespace marvin
