#include "runtime/kernels/conv_f32_rows.h"

#include <omp.h>

#include <algorithm>
#include <array>

#include "runtime/kernels/instruction_sets.h"
#include "runtime/kernels/parallel.h"
#include "runtime/kernels/product_tile.h"
#include "runtime/kernels/scratch.h"

namespace marvin {
namespace {

constexpr int64_t kMostChannels = 4;
constexpr int64_t kMostPixels = 1 << 20;  // of an image with its pads, of which every thread has one
constexpr int64_t kMostRuns = 64;         // of a tile at once
constexpr int64_t kCacheBytes = 3 << 13;  // of dy, which a weight gradient reads once for every row of taps
constexpr int64_t kFewest = 64;           // products of a sum between its ways to memory and back
constexpr int64_t kMostBlocks = 16;       // of images, to give this many threads something to do

int64_t padded(const ConvAxis& axis) { return (axis.out - 1) * axis.stride + (axis.kernel - 1) * axis.dilation + 1; }

}  // namespace

bool ConvF32Rows::admits(const ConvShape& s) {
  const int64_t height = padded(s.axes[1]), width = padded(s.axes[2]);
  return s.groups == 1 && s.axes[0] == ConvAxis{} && s.axes[1].kernel <= kMostRuns && s.axes[2].dilation == 1 &&
         s.c <= kMostChannels && s.o % kTileColumns == 0 && height <= kMostPixels && width <= kMostPixels / height &&
         avx512_is_available();
}

ConvF32Rows::ConvF32Rows(const ConvShape& s, bool x_last)
    : shape_(s),
      x_last_(x_last),
      padded_height_(padded(s.axes[1])),
      padded_width_(padded(s.axes[2])),
      threads_(omp_get_max_threads()) {}

void ConvF32Rows::pad(const float* x, int64_t image, float* padded) const {
  const ConvShape& s = shape_;
  const ConvAxis &height = s.axes[1], &width = s.axes[2];
  const int64_t columns = std::clamp<int64_t>(padded_width_ - width.pad, 0, width.in);
  std::fill_n(padded, padded_elements(), 0.0f);
  for (int64_t row = 0; row < std::min(height.in, padded_height_ - height.pad); ++row) {
    const float* from = x + image * s.c * s.in_pixels() + row * width.in * (x_last_ ? s.c : 1);
    float* to = padded + ((row + height.pad) * padded_width_ + width.pad) * s.c;
    if (x_last_) {
      std::copy_n(from, columns * s.c, to);
      continue;
    }
    for (int64_t channel = 0; channel < s.c; ++channel)
      for (int64_t i = 0; i < columns; ++i) to[i * s.c + channel] = from[channel * s.in_pixels() + i];
  }
}

const float* ConvF32Rows::run_of(const float* padded, int64_t row, int64_t tap) const {
  const ConvAxis& height = shape_.axes[1];
  return padded + (row * height.stride + tap * height.dilation) * padded_width_ * shape_.c;
}

// ---- Forward --------------------------------------------------------------------------------------------------------

int64_t ConvForwardF32Rows::scratch_bytes() const {
  return Carver::bytes_of<float>(shape_.w_elements()) + threads_ * Carver::bytes_of<float>(padded_elements());
}

// panels: [o / kTileColumns][kh][kw][c][kTileColumns].
void ConvForwardF32Rows::multiply(const float* padded, int64_t image, const float* panels, const float* bias,
                                  float* y) const {
  const ConvShape& s = shape_;
  const int64_t taps = s.axes[1].kernel, width = s.axes[2].out;
  ProductTile tile{.depth = run_length(), .row_pitch = step()};
  std::array<TileRun, kMostRuns> runs;
  for (int64_t row = 0; row < s.axes[1].out; ++row) {
    for (int64_t o = 0; o < s.o; o += kTileColumns) {
      for (int64_t column = 0; column < width; column += kTileRows) {
        tile.row_count = std::min(kTileRows, width - column);
        for (int64_t tap = 0; tap < taps; ++tap)
          runs[static_cast<size_t>(tap)] = {run_of(padded, row, tap) + column * step(),
                                            panels + (o * taps + tap * kTileColumns) * run_length()};
        multiply_tile(tile, std::span(runs).first(static_cast<size_t>(taps)), bias ? bias + o : nullptr, 0,
                      y + (image * s.out_pixels() + row * width + column) * s.o + o, s.o);
      }
    }
  }
}

void ConvForwardF32Rows::run(const float* x, const float* w, const float* bias, float* y, std::byte* scratch) const {
  const ConvShape& s = shape_;
  Carver carver(scratch);
  float* panels = carver.take<float>(s.w_elements());
  std::byte* images = carver.rest();
  const int64_t taps = s.taps();
  for (int64_t o = 0; o < s.o; ++o) {
    float* panel = panels + o / kTileColumns * kTileColumns * taps * s.c + o % kTileColumns;
    for (int64_t c = 0; c < s.c; ++c)
      for (int64_t tap = 0; tap < taps; ++tap) panel[(tap * s.c + c) * kTileColumns] = w[(o * s.c + c) * taps + tap];
  }
#pragma omp parallel for schedule(dynamic) num_threads(std::min(threads_, omp_get_max_threads()))
  for (int64_t image = 0; image < s.n; ++image) {
    Carver own(images + omp_get_thread_num() * Carver::bytes_of<float>(padded_elements()));
    float* padded = own.take<float>(padded_elements());
    pad(x, image, padded);
    multiply(padded, image, panels, bias, y);
  }
}

// ---- Weight gradient ------------------------------------------------------------------------------------------------

ConvWeightGradF32Rows::ConvWeightGradF32Rows(const ConvShape& shape, bool x_last)
    : ConvF32Rows(shape, x_last), blocks_(std::min(shape.n, kMostBlocks)) {}

int64_t ConvWeightGradF32Rows::scratch_bytes() const {
  return Carver::bytes_of<float>(blocks_ * shape_.w_elements()) + threads_ * Carver::bytes_of<float>(padded_elements());
}

// sums[kh][kw][c][o] += what an image gives; = for the first.
void ConvWeightGradF32Rows::multiply(const float* padded, const float* dy, bool is_first, float* sums) const {
  const ConvShape& s = shape_;
  const int64_t height = s.axes[1].out, width = s.axes[2].out;
  const int64_t fitting = std::max(kCacheBytes / (width * s.o * static_cast<int64_t>(sizeof(float))), kFewest / width);
  const int64_t most = std::clamp<int64_t>(fitting, 1, kMostRuns);
  ProductTile tile{.depth = width, .row_pitch = 1, .row_step = step(), .column_step = s.o};
  std::array<TileRun, kMostRuns> runs;
  for (int64_t first = 0; first < height; first += most) {
    const int64_t rows = std::min(most, height - first);
    for (int64_t tap = 0; tap < s.axes[1].kernel; ++tap) {
      for (int64_t i = 0; i < run_length(); i += kTileRows) {
        tile.row_count = std::min(kTileRows, run_length() - i);
        for (int64_t o = 0; o < s.o; o += kTileColumns) {
          for (int64_t row = 0; row < rows; ++row)
            runs[static_cast<size_t>(row)] = {run_of(padded, first + row, tap) + i,
                                              dy + (first + row) * width * s.o + o};
          float* to = sums + (tap * run_length() + i) * s.o + o;
          multiply_tile(tile, std::span(runs).first(static_cast<size_t>(rows)), is_first && first == 0 ? nullptr : to,
                        s.o, to, s.o);
        }
      }
    }
  }
}

void ConvWeightGradF32Rows::add_up(float* sums, float* dw) const {
  const int64_t taps = shape_.taps();
#pragma omp parallel for schedule(static) if (blocks_ * shape_.w_elements() >= kParallelElements)
  for (int64_t i = 0; i < taps * shape_.c; ++i) {
    float* row = sums + i * shape_.o;
    for (int64_t block = 1; block < blocks_; ++block)
      for (int64_t o = 0; o < shape_.o; ++o) row[o] += row[block * shape_.w_elements() + o];
    for (int64_t o = 0; o < shape_.o; ++o) dw[(o * shape_.c + i % shape_.c) * taps + i / shape_.c] = row[o];
  }
}

void ConvWeightGradF32Rows::run(const float* x, const float* dy, float* dw, std::byte* scratch) const {
  const ConvShape& s = shape_;
  Carver carver(scratch);
  float* sums = carver.take<float>(blocks_ * s.w_elements());
  std::byte* images = carver.rest();
#pragma omp parallel for schedule(dynamic) num_threads(std::min(threads_, omp_get_max_threads()))
  for (int64_t block = 0; block < blocks_; ++block) {
    Carver own(images + omp_get_thread_num() * Carver::bytes_of<float>(padded_elements()));
    float* padded = own.take<float>(padded_elements());
    const int64_t first = s.n * block / blocks_;
    for (int64_t image = first; image < s.n * (block + 1) / blocks_; ++image) {
      pad(x, image, padded);
      multiply(padded, dy + image * s.o * s.out_pixels(), image == first, sums + block * s.w_elements());
    }
  }
  add_up(sums, dw);
}

}  // namespace marvin
