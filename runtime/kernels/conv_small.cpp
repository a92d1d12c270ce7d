#include "runtime/kernels/conv_small.h"

#include <omp.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "runtime/kernels/layouts.h"
#include "runtime/kernels/parallel.h"
#include "runtime/kernels/scratch.h"

namespace marvin {
namespace {

constexpr int64_t kGroup = 4;  // bytes
constexpr int64_t kTileLanes = kDotVectors * kDotLanes;
constexpr int64_t kMostTaps = 128;
// Up to so many the kernels are faster than those that go over whole images.
constexpr int64_t kMostPositions = 64, kMostWeightGradPositions = 256;
constexpr int64_t kRowBlock = 16;  // interleaved outputs of a weight gradient, for one tile or two
// Every lane is a byte plus 128.
constexpr uint32_t kExcess = 128;

// Calls body(pair) for all that an image has, in the order of taps, then of output positions.
template <class Body>
void for_pairs(const ConvShape& s, Body&& body) {
  const auto& [d, h, w] = s.axes;
  const auto source = [](const ConvAxis& axis, int64_t out, int64_t tap) {
    const int64_t position = out * axis.stride - axis.pad + tap * axis.dilation;
    return position >= 0 && position < axis.in ? position : -1;
  };
  for (int64_t tap = 0; tap < s.taps(); ++tap) {
    for (int64_t out = 0; out < s.out_pixels(); ++out) {
      const int64_t z = source(d, out / w.out / h.out, tap / w.kernel / h.kernel);
      const int64_t y = source(h, out / w.out % h.out, tap / w.kernel % h.kernel);
      const int64_t x = source(w, out % w.out, tap % w.kernel);
      if (z >= 0 && y >= 0 && x >= 0) body(ConvPair{tap, out, (z * h.in + y) * w.in + x});
    }
  }
}

// Many images of few positions.
bool is_small(const ConvShape& s, int64_t most_positions) {
  constexpr int64_t kFewestImages = 8;
  constexpr int64_t kMostElements = std::numeric_limits<int32_t>::max() / 2;
  return dot_is_available() && s.groups == 1 && s.n >= kFewestImages && s.in_pixels() <= most_positions &&
         s.out_pixels() <= most_positions && s.taps() <= kMostTaps && s.x_elements() < kMostElements &&
         s.y_elements() < kMostElements && s.w_elements() < kMostElements;
}

// Copies rows that lie a pitch apart, and adds up the bytes of each.
MARVIN_CLONES void copy_rows(const int8_t* source, int64_t pitch, int64_t rows, int64_t width, int8_t* to,
                             int32_t* sums) {
  for (int64_t row = 0; row < rows; ++row, source += pitch, to += width) {
    int32_t sum = 0;
    for (int64_t i = 0; i < width; ++i) {
      to[i] = source[i];
      sum += source[i];
    }
    sums[row] = sum;
  }
}

// Sums without what the lanes are too large by: scaled, with the bias.
inline int32_t without(int32_t sum, int32_t excess) {
  return static_cast<int32_t>(static_cast<uint32_t>(sum) - kExcess * static_cast<uint32_t>(excess));
}

MARVIN_CLONES void write_row(const int32_t* sums, int32_t excess, int64_t count, float scale, const float* bias,
                             float* out) {
  if (bias) {
    for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(without(sums[i], excess)) * scale + bias[i];
  } else {
    for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(without(sums[i], excess)) * scale;
  }
}

// packed[k / 4][row][k % 4] = 128 + source[row * pitch + k]: what interleave_unsigned does for columns.
void interleave_rows(const int8_t* source, int64_t pitch, int64_t rows, int64_t width, std::byte* packed) {
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t k = 0; k < width; k += kGroup) {
      uint32_t group;
      std::memcpy(&group, source + row * pitch + k, kGroup);
      group ^= 0x80808080;
      std::memcpy(packed + (k / kGroup * rows + row) * kGroup, &group, kGroup);
    }
  }
}

}  // namespace

// ---- Forward and input gradient -------------------------------------------------------------------------------------

bool ConvSmall::admits(const ConvShape& s, ConvPass pass) {
  if (!is_small(s, kMostPositions)) return false;
  const int64_t in = pass == ConvPass::forward ? s.c : s.o;
  return in % kGroup == 0 && int32_is_exact(s.taps() * in, 8, 8);
}

ConvSmall::ConvSmall(const ConvShape& s, ConvPass pass) : pass_(pass), images_(s.n), taps_(s.taps()) {
  const bool forward = pass == ConvPass::forward;
  in_ = forward ? s.c : s.o;
  out_ = forward ? s.o : s.c;
  source_positions_ = forward ? s.in_pixels() : s.out_pixels();
  positions_ = forward ? s.out_pixels() : s.in_pixels();
  pairs_.resize(static_cast<size_t>(positions_));
  for_pairs(s, [&](ConvPair pair) {
    if (!forward) std::swap(pair.out, pair.source);
    pairs_[static_cast<size_t>(pair.out)].push_back(pair);
  });
  for (int64_t first = 0; first < out_; first += kTileLanes) {
    const int64_t channels = std::min(kTileLanes, out_ - first);
    blocks_.push_back({first, channels, ceil_div(channels, kDotLanes), packed_bytes_});
    // A vector may reach behind the last channel.
    packed_bytes_ += Carver::bytes_of<std::byte>(taps_ * in_ * channels + kDotLanes * kDotGroupBytes);
  }
  for (int64_t tap = 0; !forward && tap < taps_; ++tap) {
    std::vector<int32_t>& rows = gathered_.emplace_back();
    for (int64_t o = 0; o < in_; ++o) rows.push_back(static_cast<int32_t>((o * taps_ + tap) * out_));
  }
  scratch_bytes_ = packed_bytes_ + Carver::bytes_of<int8_t>(source_positions_ * images_ * in_) +
                   Carver::bytes_of<int32_t>(images_ * source_positions_);
}

void ConvSmall::pack(const Block& block, const int8_t* weights, std::byte* packed) const {
  std::byte* to = packed + block.packed;
  if (pass_ == ConvPass::forward)
    return interleave_rows(weights + block.first * taps_ * in_, taps_ * in_, block.channels, taps_ * in_, to);
  for (const std::vector<int32_t>& rows : gathered_) {
    interleave_unsigned(weights + block.first, rows, block.channels, reinterpret_cast<uint8_t*>(to));
    to += in_ * block.channels;
  }
}

void ConvSmall::multiply(const Block& block, int64_t position, const int8_t* rows, const int32_t* sums,
                         const std::byte* packed, float scale, const float* bias, float* out) const {
  const std::vector<ConvPair>& pairs = pairs_[static_cast<size_t>(position)];
  DotTile tile{.row_pitch = in_,
               .row_step = kDotGroupBytes,
               .lane_step = block.channels * kDotGroupBytes,
               .vector_count = block.vectors};
  for (int64_t v = 0; v < block.vectors; ++v)
    tile.lanes[v] = packed + block.packed + v * kDotLanes * kDotGroupBytes;
  DotRun runs[kMostTaps];
  for (size_t i = 0; i < pairs.size(); ++i)
    runs[i] = {pairs[i].source * images_ * in_, pairs[i].tap * in_ * block.channels, in_ / kGroup};
  int32_t products[kDotRows * kTileLanes];
  for (int64_t image = 0; image < images_; image += tile.row_count) {
    tile.row_count = dot_rows(block.vectors, images_ - image);
    tile.rows = reinterpret_cast<const std::byte*>(rows + image * in_);
    dot_bytes(tile, std::span(runs, pairs.size()), products);
    for (int64_t r = 0; r < tile.row_count; ++r) {
      int32_t excess = 0;
      for (const ConvPair& pair : pairs) excess += sums[pair.source * images_ + image + r];
      write_row(products + r * kTileLanes, excess, block.channels, scale, bias ? bias + block.first : nullptr,
                out + ((image + r) * positions_ + position) * out_ + block.first);
    }
  }
}

void ConvSmall::run(const int8_t* source, const int8_t* weights, float scale, const float* bias, float* out,
                    std::byte* scratch) const {
  Carver carver(scratch);
  std::byte* packed = carver.take<std::byte>(packed_bytes_);
  int8_t* rows = carver.take<int8_t>(source_positions_ * images_ * in_);
  int32_t* sums = carver.take<int32_t>(source_positions_ * images_);
  const int64_t blocks = static_cast<int64_t>(blocks_.size());
#pragma omp parallel
  {
#pragma omp for schedule(static) nowait
    for (int64_t position = 0; position < source_positions_; ++position)
      copy_rows(source + position * in_, source_positions_ * in_, images_, in_, rows + position * images_ * in_,
                sums + position * images_);
#pragma omp for schedule(static)
    for (int64_t i = 0; i < blocks; ++i) pack(blocks_[static_cast<size_t>(i)], weights, packed);
#pragma omp for schedule(static)
    for (int64_t i = 0; i < blocks * positions_; ++i)
      multiply(blocks_[static_cast<size_t>(i / positions_)], i % positions_, rows, sums, packed, scale, bias, out);
  }
}

// ---- Weight gradient ------------------------------------------------------------------------------------------------

bool ConvWeightGradSmall::admits(const ConvShape& s) {
  return is_small(s, kMostWeightGradPositions) && int32_is_exact(s.n * s.out_pixels(), 8, 8);
}

ConvWeightGradSmall::ConvWeightGradSmall(const ConvShape& s)
    : threads_(omp_get_max_threads()),
      taps_(s.taps()),
      channels_(s.c),
      outs_(s.o),
      groups_(ceil_div(s.n, kGroup)),
      row_positions_(s.out_pixels()),
      lane_positions_(s.in_pixels()),
      pairs_(static_cast<size_t>(s.taps())) {
  for_pairs(s, [&](const ConvPair& pair) { pairs_[static_cast<size_t>(pair.tap)].push_back(pair); });
  const auto offsets = [&](int64_t positions, int64_t channels) {
    std::vector<int32_t> begins;
    for (int64_t position = 0; position < positions; ++position)
      for (int64_t image = 0; image < groups_ * kGroup; ++image)
        begins.push_back(image < s.n ? static_cast<int32_t>((image * positions + position) * channels) : -1);
    return begins;
  };
  row_offsets_ = offsets(row_positions_, outs_);
  lane_offsets_ = offsets(lane_positions_, channels_);
  scratch_bytes_ = row_blocks() * row_bytes() + lane_blocks() * lane_bytes() +
                   Carver::bytes_of<int32_t>(row_blocks() * row_positions_ * kRowBlock) +
                   Carver::bytes_of<float>(threads_ * results_elements());
}

int64_t ConvWeightGradSmall::row_blocks() const { return ceil_div(outs_, kRowBlock); }
int64_t ConvWeightGradSmall::lane_blocks() const { return ceil_div(channels_, kTileLanes); }

int64_t ConvWeightGradSmall::results_elements() const { return kDotRows * taps_ * kTileLanes; }

// A vector may reach behind the last element.
int64_t ConvWeightGradSmall::row_bytes() const {
  return Carver::bytes_of<std::byte>(row_positions_ * groups_ * kRowBlock * kDotGroupBytes + 64);
}
int64_t ConvWeightGradSmall::lane_bytes() const {
  return Carver::bytes_of<std::byte>(lane_positions_ * groups_ * kTileLanes * kDotGroupBytes + 64);
}

void ConvWeightGradSmall::multiply(int64_t row_block, int64_t lane_block, const std::byte* rows, const int32_t* row_sums,
                                   const std::byte* lanes, float scale, float* results, float* dw) const {
  const int64_t first_out = row_block * kRowBlock, outs = std::min(kRowBlock, outs_ - first_out);
  const int64_t first = lane_block * kTileLanes, channels = std::min(kTileLanes, channels_ - first);
  DotTile tile{.row_pitch = kDotGroupBytes,
               .row_step = outs * kDotGroupBytes,
               .lane_step = channels * kDotGroupBytes,
               .vector_count = ceil_div(channels, kDotLanes)};
  for (int64_t v = 0; v < tile.vector_count; ++v) tile.lanes[v] = lanes + v * kDotLanes * kDotGroupBytes;
  int32_t products[kDotRows * kTileLanes];
  for (int64_t o = 0; o < outs; o += tile.row_count) {
    tile.row_count = dot_rows(tile.vector_count, outs - o);
    tile.rows = rows + o * kDotGroupBytes;
    for (int64_t tap = 0; tap < taps_; ++tap) {
      const std::vector<ConvPair>& pairs = pairs_[static_cast<size_t>(tap)];
      DotRun runs[kMostWeightGradPositions];
      for (size_t i = 0; i < pairs.size(); ++i)
        runs[i] = {pairs[i].out * groups_ * tile.row_step, pairs[i].source * groups_ * tile.lane_step, groups_};
      dot_bytes(tile, std::span(runs, pairs.size()), products);
      for (int64_t r = 0; r < tile.row_count; ++r) {
        int32_t excess = 0;
        for (const ConvPair& pair : pairs) excess += row_sums[pair.out * kRowBlock + o + r];
        write_row(products + r * kTileLanes, excess, channels, scale, nullptr,
                  results + (r * taps_ + tap) * kTileLanes);
      }
    }
    for (int64_t r = 0; r < tile.row_count; ++r)
      transpose_tile(results + r * taps_ * kTileLanes, kTileLanes, taps_, channels,
                     dw + ((first_out + o + r) * channels_ + first) * taps_, taps_);
  }
}

void ConvWeightGradSmall::run(const int8_t* x, const int8_t* dy, float scale, float* dw, std::byte* scratch) const {
  Carver carver(scratch);
  std::byte* rows = carver.take<std::byte>(row_blocks() * row_bytes());
  std::byte* lanes = carver.take<std::byte>(lane_blocks() * lane_bytes());
  int32_t* sums = carver.take<int32_t>(row_blocks() * row_positions_ * kRowBlock);
  float* results = carver.take<float>(threads_ * results_elements());
  const int64_t sums_of_block = row_positions_ * kRowBlock;
#pragma omp parallel num_threads(std::min(threads_, omp_get_max_threads()))
  {
#pragma omp for schedule(static) nowait
    for (int64_t block = 0; block < row_blocks(); ++block) {
      const int64_t first = block * kRowBlock, outs = std::min(kRowBlock, outs_ - first);
      int8_t* to = reinterpret_cast<int8_t*>(rows + block * row_bytes());
      interleave(dy + first, row_offsets_, outs, to);
      std::fill_n(sums + block * sums_of_block, sums_of_block, 0);
      for (int64_t position = 0; position < row_positions_; ++position)
        add_up(to + position * groups_ * outs * kGroup, groups_, outs, sums + block * sums_of_block + position * kRowBlock);
    }
#pragma omp for schedule(static)
    for (int64_t block = 0; block < lane_blocks(); ++block) {
      const int64_t first = block * kTileLanes;
      interleave_unsigned(x + first, lane_offsets_, std::min(kTileLanes, channels_ - first),
                          reinterpret_cast<uint8_t*>(lanes + block * lane_bytes()));
    }
#pragma omp for schedule(static)
    for (int64_t i = 0; i < row_blocks() * lane_blocks(); ++i) {
      const int64_t row_block = i / lane_blocks(), lane_block = i % lane_blocks();
      multiply(row_block, lane_block, rows + row_block * row_bytes(), sums + row_block * sums_of_block,
               lanes + lane_block * lane_bytes(), scale, results + omp_get_thread_num() * results_elements(), dw);
    }
  }
}

}  // namespace marvin
