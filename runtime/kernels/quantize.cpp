#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>

#include "runtime/kernels/parallel.h"
#include "runtime/kernels/quantize.h"
#include "runtime/kernels/random.h"

namespace marvin {
namespace {

// What one block contributes to the stats; combined in block order.
struct Tally {
  float absmax = 0, sum_abs = 0, sum_abs_quantized = 0;
  int32_t saturated = 0, underflowed = 0;
};

constexpr int64_t kBlock = 2048;  // elements of a block where the order stays
constexpr int64_t kTile = 64;     // pixels, and channels, of a tile where it changes

constexpr int64_t kLanes = 16;  // independent sums, so that loops vectorise with their order fixed

// The tally of a row, element i counted in lane i % kLanes.
struct LaneTally {
  float absmax[kLanes] = {}, abs[kLanes] = {}, quantized[kLanes] = {};
  int32_t saturated[kLanes] = {}, underflowed[kLanes] = {};

  void add_to(Tally& tally) const {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      tally.absmax = absmax[lane] > tally.absmax ? absmax[lane] : tally.absmax;
      tally.sum_abs += abs[lane];
      tally.sum_abs_quantized += quantized[lane];
      tally.saturated += saturated[lane];
      tally.underflowed += underflowed[lane];
    }
  }
};

// What the elements of a row share.
struct Row {
  float scale, low, high;
  RandomRow random;
  uint32_t first, stride;  // the lower halves of the random positions: first + i * stride

  Row(const QuantizeRule& rule, uint64_t position, uint64_t step)
      : scale(rule.scale), low(static_cast<float>(rule.min)), high(static_cast<float>(rule.max)),
        random(random_row(rule.key, position)), first(static_cast<uint32_t>(position)),
        stride(static_cast<uint32_t>(step)) {}
};

// Quantizes one element, into lane `lane` of the tally.
template <bool kStochastic>
[[gnu::always_inline]] inline int32_t quantize_one(float x, const Row& row, uint32_t i, LaneTally& tally, int64_t lane) {
  const float scaled = x * row.scale;
  float bounded = scaled > row.low ? scaled : row.low;
  bounded = bounded < row.high ? bounded : row.high;
  float rounded;
  if constexpr (kStochastic) {
    const uint32_t bits = random_bits(row.random, row.first + i * row.stride);
    const float u = static_cast<float>(static_cast<int32_t>(bits >> 8)) * 0x1p-24f;
    // Floor and choice in arithmetic, which vectorises.
    const auto truncated = static_cast<float>(static_cast<int32_t>(bounded));
    const float whole = truncated - static_cast<float>(truncated > bounded);
    rounded = whole + static_cast<float>((bounded - whole) + u >= 1.0f);
  } else {
    rounded = std::rint(bounded);
  }
  const float magnitude = std::fabs(x);
  tally.absmax[lane] = magnitude > tally.absmax[lane] ? magnitude : tally.absmax[lane];
  tally.abs[lane] += magnitude;
  tally.quantized[lane] += std::fabs(rounded);
  tally.saturated[lane] += bounded != scaled;
  tally.underflowed[lane] += (rounded == 0.0f) & (x != 0.0f);
  return static_cast<int32_t>(rounded);
}

// Quantizes `count` elements that lie in a row.
template <bool kStochastic, class Word>
MARVIN_CLONES void quantize_run(const float* x, Word* q, int64_t count, const Row& row, Tally& total) {
  LaneTally tally;
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      const auto at = static_cast<uint32_t>(i + lane);
      q[i + lane] = static_cast<Word>(quantize_one<kStochastic>(x[i + lane], row, at, tally, lane));
    }
  }
  for (int64_t lane = 0; i < count; ++i, ++lane) {
    q[i] = static_cast<Word>(quantize_one<kStochastic>(x[i], row, static_cast<uint32_t>(i), tally, lane));
  }
  tally.add_to(total);
}

// The same; element i's random position is position + i * stride.
template <class Word>
void quantize_row(const float* x, Word* q, int64_t count, const QuantizeRule& rule, uint64_t position, uint64_t stride,
                  Tally& tally) {
  if (!rule.stochastic) return quantize_run<false>(x, q, count, Row(rule, position, stride), tally);
  // Where positions pass a multiple of 2^32 a new row begins.
  const uint64_t room = (0x100000000 - (position & 0xffffffff) + stride - 1) / stride;
  const auto head = static_cast<int64_t>(std::min<uint64_t>(static_cast<uint64_t>(count), room));
  quantize_run<true>(x, q, head, Row(rule, position, stride), tally);
  if (head < count) {
    quantize_row(x + head, q + head, count - head, rule, position + static_cast<uint64_t>(head) * stride, stride, tally);
  }
}

int64_t tiles_of(int64_t extent) { return (extent + kTile - 1) / kTile; }

// One image's block of kTile pixels, all channels, from [channels, pixels] to [pixels, channels].
template <class Word>
void quantize_tile(const QuantizeShape& shape, const QuantizeRule& rule, const float* x, Word* q, int64_t image,
                   int64_t first_pixel, Tally& tally) {
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
    for (int64_t p = 0; p < pixels; ++p)
      for (int64_t c = 0; c < channels; ++c) target[p * shape.channels + c] = tile[c * kTile + p];
  }
}

int64_t block_count(const QuantizeShape& shape) {
  return std::max((shape.elements() + kBlock - 1) / kBlock, shape.n * std::max<int64_t>(1, tiles_of(shape.pixels)));
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
void quantize(const QuantizeShape& shape, const QuantizeRule& rule, const float* x, Word* q, float* stats,
              std::byte* scratch) {
  Tally* tallies = reinterpret_cast<Tally*>(scratch);
  const bool reorder = shape.channels_last && shape.pixels > 1 && shape.channels > 1;
  const int64_t count = shape.elements();
  const int64_t tiles = tiles_of(shape.pixels);
  const int64_t blocks = reorder ? shape.n * tiles : (count + kBlock - 1) / kBlock;
  // Where channels lie outside pixels but order stays, draws still follow the channels-last position.
  const bool plain = reorder || shape.pixels == 1 || shape.channels == 1 || !rule.stochastic;
#pragma omp parallel for schedule(static) if (count >= kParallelElements)
  for (int64_t block = 0; block < blocks; ++block) {
    Tally tally;
    if (reorder) {
      quantize_tile(shape, rule, x, q, block / tiles, block % tiles * kTile, tally);
    } else {
      const int64_t begin = block * kBlock;
      const int64_t end = std::min(begin + kBlock, count);
      for (int64_t at = begin; at < end;) {
        const int64_t row_end = plain ? end : std::min(end, (at / shape.pixels + 1) * shape.pixels);
        const int64_t plane = at / shape.pixels;
        const int64_t position = plain ? at
                                       : (plane / shape.channels * shape.pixels + at % shape.pixels) * shape.channels +
                                             plane % shape.channels;
        quantize_row(x + at, q + at, row_end - at, rule, static_cast<uint64_t>(position),
                     static_cast<uint64_t>(plain ? 1 : shape.channels), tally);
        at = row_end;
      }
    }
    tallies[block] = tally;
  }
  if (stats) finish(tallies, blocks, count, rule.unscale, stats);
}

template void quantize(const QuantizeShape&, const QuantizeRule&, const float*, int8_t*, float*, std::byte*);
template void quantize(const QuantizeShape&, const QuantizeRule&, const float*, int16_t*, float*, std::byte*);
template void quantize(const QuantizeShape&, const QuantizeRule&, const float*, int32_t*, float*, std::byte*);

namespace {

MARVIN_CLONES void tally_row(const float* x, int64_t count, Tally& tally) {
  float lane_abs[kLanes] = {}, lane_max[kLanes] = {};
  for (int64_t begin = 0; begin < count; begin += kLanes) {
    const int64_t lanes = std::min(kLanes, count - begin);
    for (int64_t lane = 0; lane < lanes; ++lane) {
      const float magnitude = std::fabs(x[begin + lane]);
      lane_abs[lane] += magnitude;
      lane_max[lane] = magnitude > lane_max[lane] ? magnitude : lane_max[lane];
    }
  }
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    tally.sum_abs += lane_abs[lane];
    tally.absmax = std::max(tally.absmax, lane_max[lane]);
  }
}

}  // namespace

void observe(const float* x, int64_t count, float* stats, std::byte* scratch) {
  Tally* tallies = reinterpret_cast<Tally*>(scratch);
  parallel_blocks(count, kBlock, [&](int64_t begin, int64_t end) {
    Tally tally;
    tally_row(x + begin, end - begin, tally);
    tallies[begin / kBlock] = tally;
  });
  finish(tallies, (count + kBlock - 1) / kBlock, count, 0, stats);
}

}  // namespace marvin
