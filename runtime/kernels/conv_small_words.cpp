#include "runtime/kernels/conv_small_words.h"

#include <omp.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "runtime/kernels/instruction_sets.h"
#include "runtime/kernels/layouts.h"
#include "runtime/kernels/parallel.h"
#include "runtime/kernels/scratch.h"

namespace marvin {
namespace {

constexpr int64_t kMostTaps = 128;
// Up to so many the kernels are faster than those that go over whole images. What these multiply with padding is less
// where positions are more, and they leave images to the thread that has them in its cache; many channels outweigh
// that.
constexpr int64_t kMostPositions = 16, kMostPositionsOfMany = 64, kManyChannels = 96, kMostWeightGradPositions = 256;
constexpr int64_t kRowBlock = 16;  // interleaved outputs of a weight gradient, for one tile or two

// Many images of few positions.
bool is_small(const ConvShape& s, int64_t most_positions) {
  constexpr int64_t kFewestImages = 8;
  constexpr int64_t kMostElements = std::numeric_limits<int32_t>::max() / 2;
  return vnni_is_available() && s.groups == 1 && s.n >= kFewestImages && s.in_pixels() <= most_positions &&
         s.out_pixels() <= most_positions && s.taps() <= kMostTaps && s.x_elements() < kMostElements &&
         s.y_elements() < kMostElements && s.w_elements() < kMostElements;
}

// sums[row] of the bytes of each.
MARVIN_CLONES void sum_rows(const int8_t* source, int64_t rows, int64_t width, int32_t* sums) {
  for (int64_t row = 0; row < rows; ++row) {
    int32_t sum = 0;
    for (int64_t i = 0; i < width; ++i) sum += source[row * width + i];
    sums[row] = sum;
  }
}

// Copies rows that lie a pitch apart.
template <class From, class To>
void copy_rows_as(const From* source, int64_t pitch, int64_t rows, int64_t width, To* to) {
  for (int64_t row = 0; row < rows; ++row) std::copy_n(source + row * pitch, width, to + row * width);
}

// packed[k / 4][row][k % 4] = 128 + source[row * pitch + k].
void interleave_rows_unsigned(const int8_t* source, int64_t pitch, int64_t rows, int64_t width, std::byte* packed) {
  constexpr int64_t kGroup = kDotGroupBytes;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t k = 0; k < width; k += kGroup) {
      uint32_t group;
      std::memcpy(&group, source + row * pitch + k, kGroup);
      group ^= 0x80808080;
      std::memcpy(packed + (k / kGroup * rows + row) * kGroup, &group, kGroup);
    }
  }
}

// packed[k / 2][row][k % 2] = the part of source[row * pitch + k].
template <class From>
void interleave_rows(const From* source, int64_t pitch, int64_t rows, int64_t width, WordPart part, int16_t* packed) {
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t k = 0; k < width; ++k)
      packed[(k / 2 * rows + row) * 2 + k % 2] = part_of(source[row * pitch + k], part);
}

// results[row][lane] of a tile = float32(exact sum over the runs) * scale. The bytes of lanes are 128 too large, of
// which excess(row) says the rows' part; of words set_half(1) makes the tile one of lower bytes where they are split.
template <class SetHalf, class Excess>
void multiply_tile(DotTile& tile, std::span<const DotRun> runs, bool as_words, const DotScheme& scheme, float scale,
                   float* results, SetHalf&& set_half, Excess&& excess) {
  const int64_t lanes = tile.row_lanes();
  set_half(0);
  if (!as_words) {
    int32_t sums[kDotTileSums];
    dot_bytes(tile, runs, sums);
    for (int64_t row = 0; row < tile.row_count; ++row)
      round_unsigned(sums + row * lanes, lanes, excess(row), scale, results + row * lanes);
    return;
  }
  int64_t totals[kDotTileSums];
  std::fill_n(totals, tile.sums(), 0);
  add_dot_words(tile, runs, scheme.most_groups, scheme.split ? 256 : 1, totals);
  if (scheme.split) {
    set_half(1);
    add_dot_words(tile, runs, scheme.most_groups, 1, totals);
  }
  round_totals(totals, tile.sums(), scale, results);
}

}  // namespace

// ---- Forward and input gradient -------------------------------------------------------------------------------------

bool ConvSmallWords::admits(const ConvShape& s, ConvPass pass) {
  const bool many = s.c * s.o >= kManyChannels * kManyChannels;
  if (!is_small(s, many ? kMostPositionsOfMany : kMostPositions)) return false;
  const int64_t in = pass == ConvPass::forward ? s.c : s.o;
  return in % kDotGroupBytes == 0 && int32_is_exact(s.taps() * in, 8, 8);
}

ConvSmallWords::ConvSmallWords(const ConvShape& s, ConvPass pass, int source_bytes, int weight_bytes)
    : pass_(pass),
      images_(s.n),
      taps_(s.taps()),
      as_words_(source_bytes == 2 || weight_bytes == 2),
      may_split_(weight_bytes == 2) {
  const bool forward = pass == ConvPass::forward;
  in_ = forward ? s.c : s.o;
  out_ = forward ? s.o : s.c;
  source_positions_ = forward ? s.in_pixels() : s.out_pixels();
  positions_ = forward ? s.out_pixels() : s.in_pixels();
  pairs_ = pairs_by_position(s, pass);
  const int64_t bytes = as_words_ ? 2 : 1;
  for (int64_t first = 0; first < out_; first += kDotTileLanes) {
    const int64_t channels = std::min(kDotTileLanes, out_ - first);
    blocks_.push_back({first, channels, packed_bytes_});
    packed_bytes_ += Carver::bytes_of<std::byte>(taps_ * in_ * channels * bytes + kDotVectorBytes);
  }
  for (int64_t tap = 0; !forward && tap < taps_; ++tap)
    for (int64_t o = 0; o < in_; ++o) gathered_.push_back(static_cast<int32_t>((o * taps_ + tap) * out_));
  const int64_t rows = source_positions_ * images_;
  scratch_bytes_ = (may_split_ ? 2 : 1) * packed_bytes_ + Carver::bytes_of<std::byte>(rows * in_ * bytes) +
                   Carver::bytes_of<int32_t>(rows);
}

void ConvSmallWords::copy_rows(int64_t position, Words source, const Shared& shared) const {
  const int64_t first = position * images_, pitch = source_positions_ * in_;
  if (!as_words_) {
    int8_t* to = reinterpret_cast<int8_t*>(shared.rows) + first * in_;
    copy_rows_as(static_cast<const int8_t*>(source.data) + position * in_, pitch, images_, in_, to);
    return sum_rows(to, images_, in_, shared.sums + first);
  }
  visit_short(source, position * in_, [&](const auto* words) {
    copy_rows_as(words, pitch, images_, in_, reinterpret_cast<int16_t*>(shared.rows) + first * in_);
  });
}

void ConvSmallWords::pack(const Block& block, Words weights, WordPart part, std::byte* packed) const {
  std::byte* to = packed + block.packed;
  const bool forward = pass_ == ConvPass::forward;
  const int64_t width = taps_ * in_, first = block.first * (forward ? width : 1);
  if (!as_words_) {
    const int8_t* bytes = static_cast<const int8_t*>(weights.data) + first;
    if (forward) return interleave_rows_unsigned(bytes, width, block.channels, width, to);
    return interleave_unsigned(bytes, gathered_, block.channels, reinterpret_cast<uint8_t*>(to));
  }
  visit_short(weights, first, [&](const auto* words) {
    int16_t* shorts = reinterpret_cast<int16_t*>(to);
    forward ? interleave_rows(words, width, block.channels, width, part, shorts)
            : interleave(words, gathered_, block.channels, part, shorts);
  });
}

void ConvSmallWords::multiply(const Block& block, int64_t position, const Shared& shared) const {
  const std::vector<ConvPair>& pairs = pairs_[static_cast<size_t>(position)];
  const int64_t row_bytes = in_ * (as_words_ ? 2 : 1);
  DotTile tile{.row_pitch = row_bytes,
               .row_step = kDotGroupBytes,
               .lane_step = block.channels * kDotGroupBytes,
               .vector_count = ceil_div(block.channels, kDotLanes)};
  DotRun runs[kMostTaps];
  for (size_t i = 0; i < pairs.size(); ++i)
    runs[i] = {pairs[i].source * images_ * row_bytes, pairs[i].tap * row_bytes * block.channels,
               row_bytes / kDotGroupBytes};
  float results[kDotTileSums];
  for (int64_t image = 0; image < images_; image += tile.row_count) {
    tile.row_count = dot_rows(tile.vector_count, images_ - image);
    tile.rows = shared.rows + image * row_bytes;
    multiply_tile(
        tile, std::span(runs, pairs.size()), as_words_, shared.scheme, shared.scale, results,
        [&](int half) {
          for (int64_t v = 0; v < tile.vector_count; ++v)
            tile.lanes[v] = shared.packed[half] + block.packed + v * kDotVectorBytes;
        },
        [&](int64_t row) {
          int32_t sum = 0;
          for (const ConvPair& pair : pairs) sum += shared.sums[pair.source * images_ + image + row];
          return sum;
        });
    for (int64_t row = 0; row < tile.row_count; ++row) {
      float* to = shared.out + ((image + row) * positions_ + position) * out_ + block.first;
      const float* from = results + row * tile.row_lanes();
      if (shared.bias) {
        for (int64_t i = 0; i < block.channels; ++i) to[i] = from[i] + shared.bias[block.first + i];
      } else {
        std::copy_n(from, block.channels, to);
      }
    }
  }
}

void ConvSmallWords::run(Words source, int source_bits, Words weights, int weight_bits, float scale, const float* bias,
                         float* out, std::byte* scratch) const {
  Carver carver(scratch);
  Shared shared{
      .scheme = dot_scheme(source_bits, weight_bits, as_words_ ? 2 : 4), .scale = scale, .bias = bias, .out = out};
  shared.packed[0] = carver.take<std::byte>(packed_bytes_);
  shared.packed[1] = carver.take<std::byte>(may_split_ ? packed_bytes_ : 0);
  const int64_t rows = source_positions_ * images_;
  shared.rows = carver.take<std::byte>(rows * in_ * (as_words_ ? 2 : 1));
  shared.sums = carver.take<int32_t>(rows);
  const int64_t blocks = static_cast<int64_t>(blocks_.size());
#pragma omp parallel
  {
#pragma omp for schedule(static) nowait
    for (int64_t position = 0; position < source_positions_; ++position) copy_rows(position, source, shared);
#pragma omp for schedule(static)
    for (int64_t i = 0; i < blocks; ++i) {
      const Block& block = blocks_[static_cast<size_t>(i)];
      pack(block, weights, shared.scheme.split ? WordPart::high : WordPart::whole, shared.packed[0]);
      if (shared.scheme.split) pack(block, weights, WordPart::low, shared.packed[1]);
    }
#pragma omp for schedule(static)
    for (int64_t i = 0; i < blocks * positions_; ++i)
      multiply(blocks_[static_cast<size_t>(i / positions_)], i % positions_, shared);
  }
}

// ---- Weight gradient ------------------------------------------------------------------------------------------------

bool ConvWeightGradSmallWords::admits(const ConvShape& s) {
  constexpr int64_t kFewestChannels = 32;  // of less, rows of taps fill vectors better
  return s.c >= kFewestChannels && is_small(s, kMostWeightGradPositions) && int32_is_exact(s.n * s.out_pixels(), 8, 8);
}

ConvWeightGradSmallWords::ConvWeightGradSmallWords(const ConvShape& s, int x_bytes, int dy_bytes)
    : threads_(omp_get_max_threads()),
      taps_(s.taps()),
      positions_(s.out_pixels()),
      as_words_(x_bytes == 2 || dy_bytes == 2),
      may_split_(dy_bytes == 2),
      groups_(ceil_div(s.n, as_words_ ? 2 : 4)),
      rows_(operand(s.o, kRowBlock, s.n, s.out_pixels())),
      lanes_(operand(s.c, kDotTileLanes, s.n, s.in_pixels())),
      pairs_(pairs_by_tap(s)) {
  scratch_bytes_ = (may_split_ ? 2 : 1) * rows_.blocks() * rows_.bytes + lanes_.blocks() * lanes_.bytes +
                   Carver::bytes_of<int32_t>(rows_.blocks() * positions_ * kRowBlock) +
                   threads_ * Carver::bytes_of<float>(taps_ * kDotTileSums);
}

ConvWeightGradSmallWords::Operand ConvWeightGradSmallWords::operand(int64_t channels, int64_t block, int64_t images,
                                                                    int64_t positions) const {
  Operand made{.channels = channels, .block = block};
  for (int64_t position = 0; position < positions; ++position)
    for (int64_t image = 0; image < groups_ * (as_words_ ? 2 : 4); ++image)
      made.offsets.push_back(image < images ? static_cast<int32_t>((image * positions + position) * channels) : -1);
  made.bytes = Carver::bytes_of<std::byte>(positions * groups_ * block * kDotGroupBytes + kDotVectorBytes);
  return made;
}

void ConvWeightGradSmallWords::interleave_block(const Operand& operand, int64_t block, Words words, WordPart part,
                                                bool is_lanes, std::byte* blocks) const {
  std::byte* to = blocks + block * operand.bytes;
  const int64_t first = block * operand.block, channels = operand.size(block);
  if (!as_words_) {
    const int8_t* bytes = static_cast<const int8_t*>(words.data) + first;
    return is_lanes ? interleave_unsigned(bytes, operand.offsets, channels, reinterpret_cast<uint8_t*>(to))
                    : interleave(bytes, operand.offsets, channels, reinterpret_cast<int8_t*>(to));
  }
  visit_short(words, first, [&](const auto* from) {
    interleave(from, operand.offsets, channels, part, reinterpret_cast<int16_t*>(to));
  });
}

void ConvWeightGradSmallWords::multiply(int64_t row_block, int64_t lane_block, const Shared& shared,
                                        float* results) const {
  const int64_t outs = rows_.size(row_block), channels = lanes_.size(lane_block);
  const int32_t* sums = shared.sums + row_block * positions_ * kRowBlock;
  DotTile tile{.row_pitch = kDotGroupBytes,
               .row_step = outs * kDotGroupBytes,
               .lane_step = channels * kDotGroupBytes,
               .vector_count = ceil_div(channels, kDotLanes)};
  for (int64_t v = 0; v < tile.vector_count; ++v)
    tile.lanes[v] = shared.lanes + lane_block * lanes_.bytes + v * kDotVectorBytes;
  DotRun runs[kMostWeightGradPositions];
  for (int64_t o = 0; o < outs; o += tile.row_count) {
    tile.row_count = dot_rows(tile.vector_count, outs - o);
    for (int64_t tap = 0; tap < taps_; ++tap) {
      const std::vector<ConvPair>& pairs = pairs_[static_cast<size_t>(tap)];
      for (size_t i = 0; i < pairs.size(); ++i)
        runs[i] = {pairs[i].out * groups_ * tile.row_step, pairs[i].source * groups_ * tile.lane_step, groups_};
      multiply_tile(
          tile, std::span(runs, pairs.size()), as_words_, shared.scheme, shared.scale, results + tap * kDotTileSums,
          [&](int half) { tile.rows = shared.rows[half] + row_block * rows_.bytes + o * kDotGroupBytes; },
          [&](int64_t row) {
            int32_t sum = 0;
            for (const ConvPair& pair : pairs) sum += sums[pair.out * kRowBlock + o + row];
            return sum;
          });
    }
    for (int64_t row = 0; row < tile.row_count; ++row)
      transpose_tile(
          results + row * tile.row_lanes(), kDotTileSums, taps_, channels,
          shared.dw + ((row_block * kRowBlock + o + row) * lanes_.channels + lane_block * kDotTileLanes) * taps_,
          taps_);
  }
}

void ConvWeightGradSmallWords::run(Words x, int x_bits, Words dy, int dy_bits, float scale, float* dw,
                                   std::byte* scratch) const {
  Carver carver(scratch);
  Shared shared{.scheme = dot_scheme(x_bits, dy_bits, as_words_ ? 2 : 4), .scale = scale, .dw = dw};
  shared.lanes = carver.take<std::byte>(lanes_.blocks() * lanes_.bytes);
  shared.rows[0] = carver.take<std::byte>(rows_.blocks() * rows_.bytes);
  shared.rows[1] = carver.take<std::byte>(may_split_ ? rows_.blocks() * rows_.bytes : 0);
  shared.sums = carver.take<int32_t>(rows_.blocks() * positions_ * kRowBlock);
  const int64_t results = taps_ * kDotTileSums;
#pragma omp parallel num_threads(std::min(threads_, omp_get_max_threads()))
  {
#pragma omp for schedule(static) nowait
    for (int64_t block = 0; block < rows_.blocks(); ++block) {
      interleave_block(rows_, block, dy, shared.scheme.split ? WordPart::high : WordPart::whole, false, shared.rows[0]);
      if (shared.scheme.split) interleave_block(rows_, block, dy, WordPart::low, false, shared.rows[1]);
      if (!as_words_) sum_block(block, shared);
    }
#pragma omp for schedule(static)
    for (int64_t block = 0; block < lanes_.blocks(); ++block)
      interleave_block(lanes_, block, x, WordPart::whole, true, shared.lanes);
    float* own = reinterpret_cast<float*>(carver.rest()) + omp_get_thread_num() * results;
#pragma omp for schedule(static)
    for (int64_t i = 0; i < rows_.blocks() * lanes_.blocks(); ++i)
      multiply(i / lanes_.blocks(), i % lanes_.blocks(), shared, own);
  }
}

void ConvWeightGradSmallWords::sum_block(int64_t block, const Shared& shared) const {
  const int64_t channels = rows_.size(block), group_bytes = groups_ * channels * kDotGroupBytes;
  const int8_t* bytes = reinterpret_cast<const int8_t*>(shared.rows[0] + block * rows_.bytes);
  int32_t* sums = shared.sums + block * positions_ * kRowBlock;
  std::fill_n(sums, positions_ * kRowBlock, 0);
  for (int64_t position = 0; position < positions_; ++position)
    add_up(bytes + position * group_bytes, groups_, channels, sums + position * kRowBlock);
}

}  // namespace marvin
