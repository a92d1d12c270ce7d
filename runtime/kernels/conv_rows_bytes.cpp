#include "runtime/kernels/conv_rows_bytes.h"

#include <omp.h>

#include <algorithm>
#include <cstring>

#include "runtime/kernels/clones.h"
#include "runtime/kernels/instruction_sets.h"
#include "runtime/kernels/scratch.h"

namespace marvin {
namespace {

constexpr int64_t kMostRows = 64;        // of taps
constexpr int64_t kMostBytes = 1 << 20;  // of an image with its pads, of which every thread has one
constexpr int64_t kFewChannels = 8;      // of more, too little is saved to make up for the copies of images
constexpr int64_t kLatency = 4;          // sums that a core adds to at once: a tile of fewer waits

// The source positions that an axis reads, existing or not, from its offset on.
int64_t reach(const TapAxis& axis) { return (axis.count - 1) * axis.step + (axis.taps - 1) * axis.spacing + 1; }

// The groups of bytes that so many neighbours read of a row.
int64_t run_groups(const TapConv& c, int64_t neighbours) {
  const TapAxis& width = c.axes[2];
  return ceil_div((width.taps + (neighbours - 1) * width.step) * c.in, kDotGroupBytes);
}

// The rows of a tile, each of so many neighbours, when so many outputs of a row are left.
int64_t tile_rows(int64_t vectors, int64_t left, int64_t neighbours) {
  return dot_rows(vectors, std::max<int64_t>(1, left / neighbours));
}

// Vectors of products that a row of outputs takes, or would take in the time that short tiles wait.
int64_t cost_by_rows(const TapConv& c, int64_t neighbours) {
  int64_t sums = 0;
  for (int64_t left = ceil_div(neighbours * c.out, kDotLanes), vectors; left > 0; left -= vectors) {
    vectors = std::min(left, kDotVectors);
    for (int64_t first = 0, rows; first < c.axes[2].count; first += rows * neighbours) {
      rows = tile_rows(vectors, c.axes[2].count - first, neighbours);
      sums += std::max(kLatency, rows * vectors);
    }
  }
  return sums * c.axes[1].taps * run_groups(c, neighbours);
}

// The same pixel by pixel, where both kinds of channels are filled up with zeros.
int64_t cost_by_pixels(const TapConv& c) {
  return c.axes[2].count * c.taps() * ceil_div(c.in, kDotGroupBytes) * ceil_div(c.out, kDotLanes);
}

// The number of neighbours that costs least, among those that one vector holds.
int64_t best_neighbours(const TapConv& c) {
  int64_t best = 1;
  for (int64_t n = 2; n * c.out <= kDotLanes && n <= c.axes[2].count; ++n)
    if (cost_by_rows(c, n) < cost_by_rows(c, best)) best = n;
  return best;
}

// 128 + the bytes.
MARVIN_CLONES void copy_unsigned(const int8_t* from, int64_t count, uint8_t* to) {
  for (int64_t i = 0; i < count; ++i) to[i] = static_cast<uint8_t>(from[i]) ^ 0x80;
}

}  // namespace

bool ConvRowsBytes::admits(const std::vector<TapConv>& convs) {
  if (!vnni_is_available() || convs.size() != 1) return false;
  const TapConv& c = convs[0];
  const auto& [depth, height, width] = c.axes;
  const bool is_flat = depth.source == 1 && depth.count == 1 && depth.taps == 1 && depth.offset == 0;
  if (!is_flat || !c.dense() || c.groups != 1 || c.pixels() == 0 || c.depth() == 0 || !width.consecutive() ||
      height.taps > kMostRows || std::min(c.in, c.out) > kFewChannels)
    return false;
  return reach(height) <= kMostBytes && reach(width) <= kMostBytes / reach(height) / c.in &&
         int32_is_exact(c.depth(), 8, 8) && cost_by_rows(c, best_neighbours(c)) < cost_by_pixels(c);
}

ConvRowsBytes::ConvRowsBytes(const std::vector<TapConv>& convs)
    : conv_(convs[0]),
      row_bytes_(reach(conv_.axes[2]) * conv_.in),
      rows_(reach(conv_.axes[1])),
      neighbours_(best_neighbours(conv_)),
      groups_(run_groups(conv_, neighbours_)),
      threads_(omp_get_max_threads()) {}

int64_t ConvRowsBytes::packed_bytes() const {
  return ceil_div(lanes(), kDotLanes) * kDotVectorBytes * conv_.axes[1].taps * groups_;
}

// The last group of the last row may begin anywhere in a pixel.
int64_t ConvRowsBytes::image_bytes() const { return Carver::bytes_of<std::byte>(rows_ * row_bytes_ + kDotGroupBytes); }

int64_t ConvRowsBytes::scratch_bytes() const {
  return Carver::bytes_of<int8_t>(conv_.weight_elements()) + Carver::bytes_of<int8_t>(packed_bytes()) +
         Carver::bytes_of<int32_t>(lanes()) + Carver::bytes_of<float>(lanes()) + threads_ * image_bytes();
}

void ConvRowsBytes::pack(const int8_t* weights, const float* bias, int8_t* ordered, const Shared& shared) const {
  const TapAxis &height = conv_.axes[1], &width = conv_.axes[2];
  const int64_t run = width.taps * conv_.in;
  pack_weights(conv_, weights, ordered);
  std::fill_n(shared.packed, packed_bytes(), int8_t{0});
  for (int64_t lane = 0; lane < lanes(); ++lane) {
    const int64_t block = lane / kDotTileLanes * kDotTileLanes, out = lane % conv_.out;
    const int64_t width_of_block = std::min(kDotTileLanes, ceil_div(lanes() - block, kDotLanes) * kDotLanes);
    const int64_t first = lane / conv_.out * width.step * conv_.in;  // byte of a run that this neighbour reads
    const int8_t* from = ordered + out * height.taps * run;
    int8_t* to = shared.packed + (block * height.taps * groups_ + lane - block) * kDotGroupBytes;
    int32_t sum = 0;
    for (int64_t tap = 0; tap < height.taps; ++tap, to += groups_ * width_of_block * kDotGroupBytes) {
      for (int64_t i = first; i < first + run; ++i) {
        const int8_t weight = *from++;
        sum += weight;
        to[i / kDotGroupBytes * width_of_block * kDotGroupBytes + i % kDotGroupBytes] = weight;
      }
    }
    shared.excess[lane] = sum;
    if (bias) shared.bias[lane] = bias[out];
  }
}

void ConvRowsBytes::copy(const int8_t* source, int64_t image, std::byte* padded) const {
  const TapAxis &height = conv_.axes[1], &width = conv_.axes[2];
  const int64_t first = std::max<int64_t>(0, width.offset);  // source column
  const int64_t columns = std::min(width.source, width.offset + reach(width)) - first;
  if (columns <= 0) return;
  for (int64_t row = 0; row < rows_; ++row) {
    const int64_t from = row + height.offset;
    if (from < 0 || from >= height.source) continue;
    copy_unsigned(source + ((image * height.source + from) * width.source + first) * conv_.in, columns * conv_.in,
                  reinterpret_cast<uint8_t*>(padded + row * row_bytes_ + (first - width.offset) * conv_.in));
  }
}

void ConvRowsBytes::multiply(const std::byte* padded, int64_t image, const Shared& shared) const {
  const TapAxis &height = conv_.axes[1], &width = conv_.axes[2];
  DotTile tile{.row_pitch = neighbours_ * width.step * conv_.in, .row_step = kDotGroupBytes};
  DotRun runs[kMostRows];
  for (int64_t block = 0; block < lanes(); block += kDotTileLanes) {
    const int64_t columns = std::min(kDotTileLanes, lanes() - block);
    tile.vector_count = ceil_div(columns, kDotLanes);
    tile.lane_step = tile.vector_count * kDotVectorBytes;
    const auto* packed =
        reinterpret_cast<const std::byte*>(shared.packed) + block * height.taps * groups_ * kDotGroupBytes;
    for (int64_t v = 0; v < tile.vector_count; ++v) tile.lanes[v] = packed + v * kDotVectorBytes;
    for (int64_t tap = 0; tap < height.taps; ++tap)
      runs[tap] = {tap * height.spacing * row_bytes_, tap * groups_ * tile.lane_step, groups_};
    DotResult result{.excess = shared.excess + block,
                     .scale = shared.scale,
                     .bias = shared.bias ? shared.bias + block : nullptr,
                     .columns = columns,
                     .pitch = lanes()};
    for (int64_t row = 0; row < height.count; ++row) {
      for (int64_t first = 0; first < width.count; first += tile.row_count * neighbours_) {
        tile.row_count = tile_rows(tile.vector_count, width.count - first, neighbours_);
        // The last ones are summed again with as many before them as are missing.
        const int64_t column = std::min(first, width.count - neighbours_);
        tile.rows = padded + row * height.step * row_bytes_ + column * width.step * conv_.in;
        result.y = shared.out + ((image * height.count + row) * width.count + column) * conv_.out + block;
        dot_unsigned_bytes(tile, std::span(runs, static_cast<size_t>(height.taps)), result);
      }
    }
  }
}

void ConvRowsBytes::run(const int8_t* source, const int8_t* weights, float scale, const float* bias, float* out,
                        std::byte* scratch) const {
  Carver carver(scratch);
  int8_t* ordered = carver.take<int8_t>(conv_.weight_elements());
  Shared shared{.scale = scale, .out = out};
  shared.packed = carver.take<int8_t>(packed_bytes());
  shared.excess = carver.take<int32_t>(lanes());
  float* biases = carver.take<float>(lanes());
  shared.bias = bias ? biases : nullptr;
  pack(weights, bias, ordered, shared);
#pragma omp parallel num_threads(std::min(threads_, omp_get_max_threads()))
  {
    std::byte* padded = carver.rest() + omp_get_thread_num() * image_bytes();
    std::memset(padded, 0x80, static_cast<size_t>(image_bytes()));
#pragma omp for schedule(static)
    for (int64_t image = 0; image < conv_.n; ++image) {
      copy(source, image, padded);
      multiply(padded, image, shared);
    }
  }
}

}  // namespace marvin
