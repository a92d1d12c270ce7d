#include "runtime/kernels/pooling_last.h"

#include <limits>

#include "runtime/kernels/pooling_windows.h"

namespace marvin {
namespace {

constexpr int64_t kChunk = 64;  // channels that are compared at a time

// The best of the rows so far, and which tap each element is of; as integers, since loops over mixed widths vectorise
// badly.
struct Best {
  float value[kChunk];
  int32_t tap[kChunk];
};

MARVIN_CLONES void take_larger(const float* row, int64_t count, int32_t tap, Best& best) {
  for (int64_t c = 0; c < count; ++c) {
    const float v = row[c];
    const bool take = (v > best.value[c]) | (v != v);
    best.value[c] = take ? v : best.value[c];
    best.tap[c] = take ? tap : best.tap[c];
  }
}

MARVIN_CLONES void store_best(const Best& best, int64_t count, float* y, uint8_t* taps) {
  for (int64_t c = 0; c < count; ++c) y[c] = best.value[c];
  if (!taps) return;
  for (int64_t c = 0; c < count; ++c) taps[c] = static_cast<uint8_t>(best.tap[c]);
}

MARVIN_CLONES void add_taken(const float* dy, const int32_t* taps, int64_t count, int32_t tap, float* dx) {
#pragma GCC ivdep
  for (int64_t c = 0; c < count; ++c) dx[c] += taps[c] == tap ? dy[c] : 0.0f;
}

MARVIN_CLONES void widen(const uint8_t* from, int64_t count, int32_t* to) {
  for (int64_t c = 0; c < count; ++c) to[c] = from[c];
}

// The taps of a window that exist, and what they read.
struct Window {
  Window(const Pool& windows, int64_t index)
      : pool(windows),
        od(index / windows.axes[2].out / windows.axes[1].out),
        oh(index / windows.axes[2].out % windows.axes[1].out),
        ow(index % windows.axes[2].out) {}

  // Calls body(tap, position in the image).
  template <class Body>
  void each(Body&& body) const {
    const auto& [depth, height, width] = pool.axes;
    const Range kds = taps_of_window(depth, od), khs = taps_of_window(height, oh), kws = taps_of_window(width, ow);
    for (int64_t kd = kds.begin; kd < kds.end; ++kd) {
      for (int64_t kh = khs.begin; kh < khs.end; ++kh) {
        const int64_t row = (input_of(depth, od, kd) * height.in + input_of(height, oh, kh)) * width.in;
        for (int64_t kw = kws.begin; kw < kws.end; ++kw)
          body(static_cast<uint8_t>((kd * height.kernel + kh) * width.kernel + kw), row + input_of(width, ow, kw));
      }
    }
  }

  const Pool& pool;
  int64_t od, oh, ow;
};

// The windows of an output row all of whose taps along it exist.
Range whole_windows(const PoolAxis& width) {
  const int64_t begin = windows_with_tap(width, 0).begin;
  return {begin, std::max(begin, windows_with_tap(width, width.kernel - 1).end)};
}

int64_t rows_of(const Pool& pool) { return pool.axes[0].out * pool.axes[1].out; }

// Windows that follow each other in a row of an image are taken at once where their channels fill no chunk: calls
// body(index of the first, how many) for all windows of the row.
template <class Body>
void each_run(const Pool& pool, int64_t channels, int64_t row, Body&& body) {
  const int64_t width = pool.axes[2].out, most = std::max<int64_t>(1, kChunk / channels);
  const Range whole = whole_windows(pool.axes[2]);
  for (int64_t w = 0; w < width;) {
    const int64_t count = w >= whole.begin && w < whole.end ? std::min(most, whole.end - w) : 1;
    body(row * width + w, count);
    w += count;
  }
}

// What a tap of `count` windows reads, one after the other: x itself where it is so in x.
const float* gathered(const float* x, int64_t count, int64_t channels, int64_t pitch, float* buffer) {
  if (count == 1 || pitch == channels) return x;
  for (int64_t k = 0; k < count; ++k)
    for (int64_t c = 0; c < channels; ++c) buffer[k * channels + c] = x[k * pitch + c];
  return buffer;
}

// x: of the image; y and taps: of the first of the windows. `count` is above 1 where that many fit into a chunk.
void pool_windows(const Window& window, int64_t count, int64_t channels, const float* x, float* y, uint8_t* taps) {
  const int64_t pitch = window.pool.axes[2].stride * channels;
  float buffer[kChunk];
  for (int64_t first = 0; first < channels; first += kChunk) {
    const int64_t elements = std::min(kChunk, count * channels - first);
    Best best;
    bool any = false;
    window.each([&](uint8_t tap, int64_t position) {
      if (!any) {
        std::fill_n(best.value, elements, -std::numeric_limits<float>::infinity());
        std::fill_n(best.tap, elements, int32_t{tap});
        any = true;
      }
      take_larger(gathered(x + position * channels + first, count, channels, pitch, buffer), elements, tap, best);
    });
    if (!any) {
      std::fill_n(best.value, elements, -std::numeric_limits<float>::infinity());
      std::fill_n(best.tap, elements, int32_t{kNoTap<uint8_t>});
    }
    store_best(best, elements, y + first, taps ? taps + first : nullptr);
  }
}

// The reverse: adds dy at the taps that were taken to dx of the image.
void spread_windows(const Window& window, int64_t count, int64_t channels, const float* dy, const uint8_t* taps,
                    float* dx) {
  const int64_t pitch = window.pool.axes[2].stride * channels;
  for (int64_t first = 0; first < channels; first += kChunk) {
    const int64_t elements = std::min(kChunk, count * channels - first);
    int32_t taken[kChunk];
    widen(taps + first, elements, taken);
    window.each([&](uint8_t tap, int64_t position) {
      float* to = dx + position * channels + first;
      if (count == 1 || pitch == channels) return add_taken(dy + first, taken, elements, tap, to);
      float part[kChunk] = {};
      add_taken(dy, taken, elements, tap, part);
      for (int64_t k = 0; k < count; ++k)
        for (int64_t c = 0; c < channels; ++c) to[k * pitch + c] += part[k * channels + c];
    });
  }
}

}  // namespace

void max_pool_last(const Pool& pool, int64_t channels, const float* x, float* y, uint8_t* taps) {
  const int64_t images = pool.planes / channels, windows = pool.out_elements();
#pragma omp parallel for schedule(static) if (pool.planes * pool.in_elements() >= kParallelElements)
  for (int64_t i = 0; i < images * rows_of(pool); ++i) {
    const int64_t image = i / rows_of(pool);
    const float* from = x + image * pool.in_elements() * channels;
    each_run(pool, channels, i % rows_of(pool), [&](int64_t index, int64_t count) {
      const int64_t at = (image * windows + index) * channels;
      pool_windows(Window(pool, index), count, channels, from, y + at, taps ? taps + at : nullptr);
    });
  }
}

void tap_positions_last(const Pool& pool, int64_t channels, const uint8_t* taps, bool column_major,
                        int64_t* positions) {
  const int64_t windows = pool.out_elements();
  const auto& [depth, height, width] = pool.axes;
  for (int64_t i = 0; i < pool.planes / channels * windows; ++i) {
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t plane = i / windows * channels + c;
      int64_t within = -1;
      Window(pool, i % windows).each([&](uint8_t tap, int64_t position) {
        if (tap == taps[i * channels + c]) within = position;
      });
      if (within >= 0 && column_major) {
        const int64_t d = within / width.in / height.in, h = within / width.in % height.in, w = within % width.in;
        within = (w * height.in + h) * depth.in + d;
      }
      positions[plane * windows + i % windows] = within < 0 ? -1 : plane * pool.in_elements() + within;
    }
  }
}

void max_pool_last_grad(const Pool& pool, int64_t channels, const float* dy, const uint8_t* taps, float* dx) {
  const int64_t images = pool.planes / channels, windows = pool.out_elements();
#pragma omp parallel for schedule(static) if (pool.planes * pool.in_elements() >= kParallelElements)
  for (int64_t image = 0; image < images; ++image) {
    float* to = dx + image * pool.in_elements() * channels;
    std::fill_n(to, pool.in_elements() * channels, 0.0f);
    for (int64_t row = 0; row < rows_of(pool); ++row) {
      each_run(pool, channels, row, [&](int64_t index, int64_t count) {
        const int64_t at = (image * windows + index) * channels;
        spread_windows(Window(pool, index), count, channels, dy + at, taps + at, to);
      });
    }
  }
}

}  // namespace marvin
