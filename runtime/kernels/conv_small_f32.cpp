#include "runtime/kernels/conv_small_f32.h"

#include <omp.h>

#include <algorithm>
#include <array>

#include "runtime/kernels/instruction_sets.h"
#include "runtime/kernels/layouts.h"
#include "runtime/kernels/product_tile.h"
#include "runtime/kernels/scratch.h"

namespace marvin {
namespace {

constexpr int64_t kMostRuns = 64;  // of a tile, of which more are not admitted
constexpr int64_t kMostPixels = 256;
constexpr int64_t kTasks = 16;            // to give this many threads something to do
constexpr int64_t kPanelBytes = 1 << 18;  // of x in a block of images, to stay in the second-level cache
constexpr int64_t kProducts = 64;         // of a sum of a weight gradient between its ways to memory and back

// rows[position][n][pitch_of(channels)] = images[n][position][channels], with zeros behind them; by the threads of the
// parallel region that it is called in.
void gather_rows(const float* images, int64_t n, int64_t positions, int64_t channels, float* rows) {
  const int64_t pitch = pitch_of(channels);
#pragma omp for schedule(static)
  for (int64_t row = 0; row < n * positions; ++row) {
    float* to = rows + (row % positions * n + row / positions) * pitch;
    std::copy_n(images + row * channels, channels, to);
    std::fill(to + channels, to + pitch, 0.0f);
  }
}

// Few images or channels leave tiles half empty.
bool is_possible(const ConvShape& s) {
  return s.groups == 1 && s.n >= 8 && std::min(s.c, s.o) >= kTileColumns &&
         std::max(s.in_pixels(), s.out_pixels()) <= kMostPixels && avx512_is_available();
}

}  // namespace

// ---- Forward and input gradient -------------------------------------------------------------------------------------

bool ConvSmallF32::admits(const ConvShape& s) {
  return is_possible(s) && s.taps() <= kMostRuns && 4 * count_pairs(s) <= 3 * s.out_pixels() * s.taps();
}

ConvSmallF32::ConvSmallF32(const ConvShape& shape, ConvPass pass)
    : shape_(shape), pass_(pass), threads_(omp_get_max_threads()) {
  const bool forward = pass == ConvPass::forward;
  in_ = forward ? shape.c : shape.o;
  out_ = forward ? shape.o : shape.c;
  sources_ = forward ? shape.in_pixels() : shape.out_pixels();
  outs_ = forward ? shape.out_pixels() : shape.in_pixels();
  pairs_ = pairs_by_position(shape, pass);
  parts_ = std::clamp<int64_t>(kTasks / ceil_div(out_, kTileColumns), 1, ceil_div(shape.n, kTileRows));
}

int64_t ConvSmallF32::panel_elements() const { return in_ * shape_.taps() * kTileColumns; }

int64_t ConvSmallF32::scratch_bytes() const {
  return Carver::bytes_of<float>(sources_ * shape_.n * pitch_of(in_)) +
         threads_ * Carver::bytes_of<float>(panel_elements());
}

// panel[in][tap][kTileColumns] = the weights of the output channels from `channel` on, zeros behind the last.
void ConvSmallF32::gather_panel(const float* weights, int64_t channel, float* panel) const {
  const int64_t taps = shape_.taps(), count = std::min(kTileColumns, out_ - channel);
  if (count < kTileColumns) std::fill_n(panel, panel_elements(), 0.0f);
  if (pass_ == ConvPass::forward) {
    constexpr int64_t kBlock = 64;
    const int64_t depth = in_ * taps;
    for (int64_t i = 0; i < depth; i += kBlock)
      transpose_tile(weights + channel * depth + i, depth, count, std::min(kBlock, depth - i), panel + i * kTileColumns,
                     kTileColumns);
  } else {
    for (int64_t i = 0; i < in_; ++i)
      transpose_tile(weights + (i * out_ + channel) * taps, taps, count, taps, panel + i * taps * kTileColumns,
                     kTileColumns);
  }
}

void ConvSmallF32::multiply(const float* rows, const float* panel, int64_t channel, int64_t part, const float* bias,
                            float* out) const {
  const int64_t blocks = ceil_div(shape_.n, kTileRows);
  std::array<TileRun, kMostRuns> runs;
  for (int64_t block = blocks * part / parts_; block < blocks * (part + 1) / parts_; ++block) {
    const int64_t image = block * kTileRows;
    const ProductTile tile{.row_count = std::min(kTileRows, shape_.n - image),
                           .column_count = std::min(kTileColumns, out_ - channel),
                           .depth = in_,
                           .row_pitch = pitch_of(in_),
                           .column_step = shape_.taps() * kTileColumns};
    for (int64_t position = 0; position < outs_; ++position) {
      const std::vector<ConvPair>& pairs = pairs_[static_cast<size_t>(position)];
      float* to = out + (image * outs_ + position) * out_ + channel;
      for (size_t i = 0; i < pairs.size(); ++i)
        runs[i] = {rows + (pairs[i].source * shape_.n + image) * pitch_of(in_), panel + pairs[i].tap * kTileColumns};
      multiply_tile(tile, std::span(runs).first(pairs.size()), bias ? bias + channel : nullptr, 0, to, outs_ * out_);
    }
  }
}

void ConvSmallF32::run(const float* source, const float* weights, const float* bias, float* out,
                       std::byte* scratch) const {
  Carver carver(scratch);
  float* rows = carver.take<float>(sources_ * shape_.n * pitch_of(in_));
  std::byte* panels = carver.rest();
#pragma omp parallel num_threads(std::min(threads_, omp_get_max_threads()))
  {
    gather_rows(source, shape_.n, sources_, in_, rows);
    Carver own(panels + omp_get_thread_num() * Carver::bytes_of<float>(panel_elements()));
    float* panel = own.take<float>(panel_elements());
#pragma omp for schedule(dynamic)
    for (int64_t task = 0; task < ceil_div(out_, kTileColumns) * parts_; ++task) {
      const int64_t channel = task / parts_ * kTileColumns;
      gather_panel(weights, channel, panel);
      multiply(rows, panel, channel, task % parts_, bias, out);
    }
  }
}

// ---- Weight gradient ------------------------------------------------------------------------------------------------

bool ConvWeightGradSmallF32::admits(const ConvShape& s) {
  return is_possible(s) && s.out_pixels() <= (s.taps() == 1 ? 16 : kMostRuns);
}

ConvWeightGradSmallF32::ConvWeightGradSmallF32(const ConvShape& shape)
    : shape_(shape), pairs_(pairs_by_tap(shape)), threads_(omp_get_max_threads()) {
  const int64_t fitting = kPanelBytes / (shape.in_pixels() * kTileColumns * static_cast<int64_t>(sizeof(float)));
  const int64_t blocks = ceil_div(shape.n, std::clamp<int64_t>(fitting, 1, shape.n));
  images_ = ceil_div(shape.n, blocks);
  out_parts_ = std::clamp<int64_t>(kTasks / ceil_div(shape.c, kTileColumns), 1, ceil_div(shape.o, kTileRows));
}

int64_t ConvWeightGradSmallF32::tasks() const { return ceil_div(shape_.c, kTileColumns) * out_parts_; }

int64_t ConvWeightGradSmallF32::blocks_of_task() const { return ceil_div(ceil_div(shape_.o, kTileRows), out_parts_); }

ConvWeightGradSmallF32::Task ConvWeightGradSmallF32::task(int64_t index) const {
  const int64_t blocks = ceil_div(shape_.o, kTileRows), part = index % out_parts_;
  return {index / out_parts_ * kTileColumns, std::min(blocks, part * blocks_of_task()),
          std::min(blocks, (part + 1) * blocks_of_task())};
}

namespace {

int64_t sums_of_block(const ConvShape& shape) { return shape.taps() * kTileRows * kTileColumns; }

}  // namespace

int64_t ConvWeightGradSmallF32::scratch_bytes() const {
  return Carver::bytes_of<float>(shape_.n * shape_.in_pixels() * pitch_of(shape_.c)) +
         Carver::bytes_of<float>(shape_.n * shape_.out_pixels() * pitch_of(shape_.o)) +
         threads_ * Carver::bytes_of<float>(blocks_of_task() * sums_of_block(shape_));
}

void ConvWeightGradSmallF32::multiply(const Task& task, const float* x, const float* dy, float* sums, float* dw) const {
  const ConvShape& s = shape_;
  const int64_t taps = s.taps(), c = task.first_channel, channels = std::min(kTileColumns, s.c - c);
  std::array<TileRun, kMostRuns> runs;
  for (int64_t image = 0; image < s.n; image += images_) {
    ProductTile tile{.depth = std::min(images_, s.n - image),
                     .row_pitch = 1,
                     .row_step = pitch_of(s.o),
                     .column_step = pitch_of(s.c)};
    for (int64_t block = task.first_block; block < task.last_block; ++block) {
      const int64_t o = block * kTileRows;
      tile.row_count = std::min(kTileRows, s.o - o);
      float* of_block = sums + (block - task.first_block) * sums_of_block(s);
      for (int64_t tap = 0; tap < taps; ++tap) {
        float* of_tap = of_block + tap * kTileRows * kTileColumns;
        const std::vector<ConvPair>& pairs = pairs_[static_cast<size_t>(tap)];
        // Several short sums are more exact than one long one.
        const size_t most = static_cast<size_t>(ceil_div(kProducts, tile.depth));
        const float* start = image > 0 ? of_tap : nullptr;
        for (size_t done = 0; done == 0 || done < pairs.size(); done += most) {
          const size_t count = std::min(most, pairs.size() - done);
          for (size_t i = 0; i < count; ++i) {
            const ConvPair& pair = pairs[done + i];
            runs[i] = {dy + (pair.out * s.n + image) * pitch_of(s.o) + o,
                       x + (pair.source * s.n + image) * pitch_of(s.c) + c};
          }
          multiply_tile(tile, std::span(runs).first(count), start, kTileColumns, of_tap, kTileColumns);
          start = of_tap;
        }
      }
      if (image + images_ < s.n) continue;
      for (int64_t r = 0; r < tile.row_count; ++r)
        transpose_tile(of_block + r * kTileColumns, kTileRows * kTileColumns, taps, channels,
                       dw + ((o + r) * s.c + c) * taps, taps);
    }
  }
}

void ConvWeightGradSmallF32::run(const float* x, const float* dy, float* dw, std::byte* scratch) const {
  const ConvShape& s = shape_;
  Carver carver(scratch);
  float* x_rows = carver.take<float>(s.n * s.in_pixels() * pitch_of(s.c));
  float* dy_rows = carver.take<float>(s.n * s.out_pixels() * pitch_of(s.o));
  std::byte* sums = carver.rest();
  const int64_t sum_bytes = Carver::bytes_of<float>(blocks_of_task() * sums_of_block(s));
#pragma omp parallel num_threads(std::min(threads_, omp_get_max_threads()))
  {
    gather_rows(x, s.n, s.in_pixels(), s.c, x_rows);
    gather_rows(dy, s.n, s.out_pixels(), s.o, dy_rows);
    float* own = reinterpret_cast<float*>(sums + omp_get_thread_num() * sum_bytes);
#pragma omp for schedule(dynamic)
    for (int64_t i = 0; i < tasks(); ++i) multiply(task(i), x_rows, dy_rows, own, dw);
  }
}

}  // namespace marvin
