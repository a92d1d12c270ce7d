#include "runtime/kernels/quantize.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <cmath>

#include "runtime/kernels/parallel.h"
#include "runtime/kernels/quantize_row.h"
#include "runtime/kernels/scratch.h"

namespace marvin {
namespace {

constexpr int64_t kFewPixels = 32;
constexpr int64_t kTile = 64;  // pixels, and channels, of a tile where the order changes

// What one block contributes to the stats; combined in block order.
struct Tally {
  float absmax = 0, sum_abs = 0, sum_abs_quantized = 0;
  int32_t saturated = 0, underflowed = 0;
};

Tally total_of(const LaneTally& lanes) {
  Tally tally;
  for (int64_t lane = 0; lane < kTallyLanes; ++lane) {
    tally.absmax = lanes.absmax[lane] > tally.absmax ? lanes.absmax[lane] : tally.absmax;
    tally.sum_abs += lanes.abs[lane];
    tally.sum_abs_quantized += lanes.quantized[lane];
    tally.saturated += lanes.saturated[lane];
    tally.underflowed += lanes.underflowed[lane];
  }
  return tally;
}

// to[p * stride + c] = tile[c * kTile + p] for a square of 16 by 16 bytes: rows of neighbours are zipped four times.
#if defined(__x86_64__)
constexpr int64_t kSquare = 16;
void transpose_square(const int8_t* tile, int8_t* to, int64_t stride) {
  __m128i rows[16], zipped[16];
  for (int64_t c = 0; c < 16; ++c) rows[c] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(tile + c * kTile));
  for (int pass = 0; pass < 4; ++pass) {
    for (int64_t c = 0; c < 8; ++c) {
      zipped[2 * c] = _mm_unpacklo_epi8(rows[c], rows[c + 8]);
      zipped[2 * c + 1] = _mm_unpackhi_epi8(rows[c], rows[c + 8]);
    }
    std::copy_n(zipped, 16, rows);
  }
  for (int64_t p = 0; p < 16; ++p) _mm_storeu_si128(reinterpret_cast<__m128i*>(to + p * stride), rows[p]);
}
#else
constexpr int64_t kSquare = kTile + 1;
void transpose_square(const int8_t*, int8_t*, int64_t) {}
#endif

// to[p * stride + c] = tile[c * kTile + p].
template <class Word>
void transpose_tile(const Word* tile, int64_t channels, int64_t pixels, Word* to, int64_t stride) {
  const int64_t squared = sizeof(Word) == 1 && pixels % kSquare == 0 ? channels / kSquare * kSquare : 0;
  if constexpr (sizeof(Word) == 1) {
    for (int64_t c = 0; c < squared; c += kSquare)
      for (int64_t p = 0; p < pixels; p += kSquare) transpose_square(tile + c * kTile + p, to + p * stride + c, stride);
  }
  for (int64_t p = 0; p < pixels; ++p)
    for (int64_t c = squared; c < channels; ++c) to[p * stride + c] = tile[c * kTile + p];
}

// The same for images of few pixels whose draws need no positions: their channels follow each other in memory.
template <class Word>
void quantize_small_tile(const QuantizeShape& shape, const QuantizeRule& rule, const float* x, Word* q, int64_t image,
                         LaneTally& tally) {
  Word tile[kTile * kTile];
  for (int64_t first = 0; first < shape.channels; first += kTile) {
    const int64_t channels = std::min(kTile, shape.channels - first);
    quantize_row(x + (image * shape.channels + first) * shape.pixels, tile, channels * shape.pixels, rule, 0, 1, tally);
    Word* target = q + image * shape.pixels * shape.channels + first;
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t p = 0; p < shape.pixels; ++p) target[p * shape.channels + c] = tile[c * shape.pixels + p];
  }
}

int64_t tiles_of(int64_t extent) { return (extent + kTile - 1) / kTile; }

// One image's block of kTile pixels, all channels, from [channels, pixels] to [pixels, channels].
template <class Word>
void quantize_tile(const QuantizeShape& shape, const QuantizeRule& rule, const float* x, Word* q, int64_t image,
                   int64_t first_pixel, LaneTally& tally) {
  Word tile[kTile * kTile];
  const int64_t pixels = std::min(kTile, shape.pixels - first_pixel);
  for (int64_t first = 0; first < shape.channels; first += kTile) {
    const int64_t channels = std::min(kTile, shape.channels - first);
    for (int64_t c = 0; c < channels; ++c) {
      const float* source = x + (image * shape.channels + first + c) * shape.pixels + first_pixel;
      const int64_t position = (image * shape.pixels + first_pixel) * shape.channels + first + c;
      quantize_row(source, tile + c * kTile, pixels, rule, static_cast<uint64_t>(position),
                   static_cast<uint64_t>(shape.channels), tally);
    }
    Word* target = q + (image * shape.pixels + first_pixel) * shape.channels + first;
    transpose_tile(tile, channels, pixels, target, shape.channels);
  }
}

bool reorders(const QuantizeShape& shape) { return shape.channels_last && shape.pixels > 1 && shape.channels > 1; }

int64_t block_count(const QuantizeShape& shape) {
  return reorders(shape) ? shape.n * tiles_of(shape.pixels) : ceil_div(shape.elements(), kQuantizeBlock);
}

// Elements [begin, end) where the order stays.
template <class Word>
void quantize_block(const QuantizeShape& shape, const QuantizeRule& rule, const float* x, Word* q, int64_t begin,
                    int64_t end, int64_t first, LaneTally& tally) {
  // Where channels lie outside pixels, draws still follow the channels-last position.
  const bool plain = shape.pixels == 1 || shape.channels == 1 || !rule.stochastic;
  for (int64_t at = begin; at < end;) {
    const int64_t row_end = plain ? end : std::min(end, (at / shape.pixels + 1) * shape.pixels);
    const int64_t plane = at / shape.pixels;
    const int64_t position =
        plain ? first + at
              : (plane / shape.channels * shape.pixels + at % shape.pixels) * shape.channels + plane % shape.channels;
    quantize_row(x + at, q + at, row_end - at, rule, static_cast<uint64_t>(position),
                 static_cast<uint64_t>(plain ? 1 : shape.channels), tally);
    at = row_end;
  }
}

void finish(const Tally* tallies, int64_t blocks, int64_t count, float unscale, float* stats) {
  double sum_abs = 0, sum_quantized = 0;
  int64_t saturated = 0, underflowed = 0;
  float absmax = 0;
  for (int64_t i = 0; i < blocks; ++i) {
    absmax = std::max(absmax, tallies[i].absmax);
    sum_abs += tallies[i].sum_abs;
    sum_quantized += tallies[i].sum_abs_quantized;
    saturated += tallies[i].saturated;
    underflowed += tallies[i].underflowed;
  }
  const double total = static_cast<double>(std::max<int64_t>(count, 1));
  stats[0] = absmax;
  stats[1] = static_cast<float>(sum_abs / total);
  stats[2] = static_cast<float>(sum_quantized / total) * unscale;
  stats[3] = static_cast<float>(static_cast<double>(saturated) / total);
  stats[4] = static_cast<float>(static_cast<double>(underflowed) / total);
}

}  // namespace

int64_t quantize_scratch_bytes(const QuantizeShape& shape) {
  return block_count(shape) * static_cast<int64_t>(sizeof(Tally));
}

template <class Word>
void quantize(const QuantizeShape& shape, const QuantizeRule& rule, const float* x, Word* q, std::byte* scratch,
              int64_t first) {
  Tally* tallies = reinterpret_cast<Tally*>(scratch) + first / kQuantizeBlock;
  const bool reorder = reorders(shape);
  const int64_t count = shape.elements(), tiles = tiles_of(shape.pixels);
  const auto run = [&](int64_t block) {
    LaneTally tally;
    if (reorder && !rule.stochastic && shape.pixels <= kFewPixels) {
      quantize_small_tile(shape, rule, x, q, block, tally);
    } else if (reorder) {
      quantize_tile(shape, rule, x, q, block / tiles, block % tiles * kTile, tally);
    } else {
      const int64_t begin = block * kQuantizeBlock;
      quantize_block(shape, rule, x, q, begin, std::min(begin + kQuantizeBlock, count), first, tally);
    }
    tallies[block] = total_of(tally);
  };
  const int64_t blocks = block_count(shape);
  if (count < kParallelElements) {
    for (int64_t block = 0; block < blocks; ++block) run(block);
    return;
  }
#pragma omp parallel for schedule(static)
  for (int64_t block = 0; block < blocks; ++block) run(block);
}

template void quantize(const QuantizeShape&, const QuantizeRule&, const float*, int8_t*, std::byte*, int64_t);
template void quantize(const QuantizeShape&, const QuantizeRule&, const float*, int16_t*, std::byte*, int64_t);
template void quantize(const QuantizeShape&, const QuantizeRule&, const float*, int32_t*, std::byte*, int64_t);

namespace {

MARVIN_CLONES void tally_row(const float* x, int64_t count, Tally& tally) {
  float lane_abs[kTallyLanes] = {}, lane_max[kTallyLanes] = {};
  for (int64_t begin = 0; begin < count; begin += kTallyLanes) {
    const int64_t lanes = std::min(kTallyLanes, count - begin);
    for (int64_t lane = 0; lane < lanes; ++lane) {
      const float magnitude = std::fabs(x[begin + lane]);
      lane_abs[lane] += magnitude;
      lane_max[lane] = magnitude > lane_max[lane] ? magnitude : lane_max[lane];
    }
  }
  for (int64_t lane = 0; lane < kTallyLanes; ++lane) {
    tally.sum_abs += lane_abs[lane];
    tally.absmax = std::max(tally.absmax, lane_max[lane]);
  }
}

}  // namespace

void quantize_stats(const QuantizeShape& shape, float unscale, const std::byte* scratch, float* stats) {
  finish(reinterpret_cast<const Tally*>(scratch), block_count(shape), shape.elements(), unscale, stats);
}

void observe(const float* x, int64_t count, std::byte* scratch, int64_t first) {
  Tally* tallies = reinterpret_cast<Tally*>(scratch) + first / kQuantizeBlock;
  parallel_blocks(count, kQuantizeBlock, [&](int64_t begin, int64_t end) {
    Tally tally;
    tally_row(x + begin, end - begin, tally);
    tallies[begin / kQuantizeBlock] = tally;
  });
}

void observe_stats(int64_t count, const std::byte* scratch, float* stats) {
  finish(reinterpret_cast<const Tally*>(scratch), ceil_div(count, kQuantizeBlock), count, 0, stats);
}

}  // namespace marvin
