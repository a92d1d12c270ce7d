#include "runtime/kernels/pooling_last.h"

#include <array>
#include <cstring>
#include <limits>
#include <type_traits>

#include "runtime/kernels/pooling_windows.h"

namespace marvin {
namespace {

// ---- Lanes of channels ----------------------------------------------------------------------------------------------

// The taps of a window that exist, and what they read: positions in the image, times channels.
struct Taps {
  int64_t count = 0;
  std::array<uint8_t, kNoTap<uint8_t>> tap;
  std::array<int64_t, kNoTap<uint8_t>> offset;
};

// So many windows with the same taps, each `step` elements of the image behind the one before.
struct Run {
  const Taps& taps;
  int64_t count, step, channels;
};

// Channels [first, first + N) of a run's windows.
template <int N>
MARVIN_INLINE void max_lanes(const Run& run, int64_t first, const float* x, float* y, uint8_t* taps) {
  using Floats = typename Lanes<N>::Floats;
  using Ints = typename Lanes<N>::Ints;
  const Ints none = Ints{} + int32_t{run.taps.count > 0 ? run.taps.tap[0] : kNoTap<uint8_t>};
  for (int64_t k = 0; k < run.count; ++k) {
    Floats best = Floats{} - std::numeric_limits<float>::infinity();
    Ints best_tap = none;
    for (int64_t i = 0; i < run.taps.count; ++i) {
      Floats v;
      std::memcpy(&v, x + run.taps.offset[static_cast<size_t>(i)] + k * run.step + first, sizeof v);
      const Ints take = (v > best) | (v != v);
      best = take ? v : best;
      best_tap = take ? Ints{} + int32_t{run.taps.tap[static_cast<size_t>(i)]} : best_tap;
    }
    std::memcpy(y + k * run.channels + first, &best, sizeof best);
    if (!taps) continue;
    const auto bytes = __builtin_convertvector(best_tap, typename Lanes<N>::Bytes);
    std::memcpy(taps + k * run.channels + first, &bytes, sizeof bytes);
  }
}

// The reverse, of all but the first `done` of these channels: adds dy where the taps that were taken read.
template <int N>
MARVIN_INLINE void spread_lanes(const Run& run, int64_t first, int64_t done, const float* dy, const uint8_t* taps,
                                float* dx) {
  using Ints = typename Lanes<N>::Ints;
  Ints without;
  for (int i = 0; i < N; ++i) without[i] = i < done ? -1 : 0;
  for (int64_t k = 0; k < run.count; ++k) {
    Ints from;
    typename Lanes<N>::Bytes bytes;
    std::memcpy(&from, dy + k * run.channels + first, sizeof from);
    std::memcpy(&bytes, taps + k * run.channels + first, sizeof bytes);
    const Ints taken = __builtin_convertvector(bytes, Ints) | without;
    for (int64_t i = 0; i < run.taps.count; ++i) {
      float* to = dx + run.taps.offset[static_cast<size_t>(i)] + k * run.step + first;
      typename Lanes<N>::Floats sum;
      std::memcpy(&sum, to, sizeof sum);
      sum +=
          reinterpret_cast<typename Lanes<N>::Floats>(from & (taken == int32_t{run.taps.tap[static_cast<size_t>(i)]}));
      std::memcpy(to, &sum, sizeof sum);
    }
  }
}

// Calls body(std::integral_constant<int, N>{}, first, done) for lanes of 8, 4 or 1 that together are all channels. The
// last ones begin with `done` of those before.
template <class Body>
MARVIN_INLINE void each_lanes(int64_t channels, Body&& body) {
  const auto lanes_of = [&](auto lanes) [[gnu::always_inline]] {
    for (int64_t c = 0; c < channels; c += lanes()) {
      const int64_t first = std::min(c, channels - lanes());
      body(lanes, first, c - first);
    }
  };
  if (channels >= 8) return lanes_of(std::integral_constant<int, 8>{});
  if (channels >= 4) return lanes_of(std::integral_constant<int, 4>{});
  lanes_of(std::integral_constant<int, 1>{});
}

MARVIN_CLONES void max_run(const Run& run, const float* x, float* y, uint8_t* taps) {
  each_lanes(run.channels, [&](auto lanes, int64_t first, int64_t)
                               [[gnu::always_inline]] { max_lanes<lanes()>(run, first, x, y, taps); });
}

MARVIN_CLONES void spread_run(const Run& run, const float* dy, const uint8_t* taps, float* dx) {
  each_lanes(run.channels, [&](auto lanes, int64_t first, int64_t done)
                               [[gnu::always_inline]] { spread_lanes<lanes()>(run, first, done, dy, taps, dx); });
}

// ---- Windows --------------------------------------------------------------------------------------------------------

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

// Calls body(index of the first, run) for all windows of a row: those that have all taps along it at once.
template <class Body>
void each_run(const Pool& pool, int64_t channels, int64_t row, Body&& body) {
  const int64_t width = pool.axes[2].out, step = pool.axes[2].stride * channels;
  const Range whole = whole_windows(pool.axes[2]);
  Taps taps;
  for (int64_t w = 0, count; w < width; w += count) {
    count = w == whole.begin && whole.end > w ? whole.end - w : 1;
    taps.count = 0;
    Window(pool, row * width + w).each([&](uint8_t tap, int64_t position) {
      taps.tap[static_cast<size_t>(taps.count)] = tap;
      taps.offset[static_cast<size_t>(taps.count++)] = position * channels;
    });
    body(row * width + w, Run{taps, count, step, channels});
  }
}

}  // namespace

void max_pool_last(const Pool& pool, int64_t channels, const float* x, float* y, uint8_t* taps) {
  const int64_t images = pool.planes / channels, windows = pool.out_elements();
#pragma omp parallel for schedule(static) if (pool.planes * pool.in_elements() >= kParallelElements)
  for (int64_t i = 0; i < images * rows_of(pool); ++i) {
    const int64_t image = i / rows_of(pool);
    const float* from = x + image * pool.in_elements() * channels;
    each_run(pool, channels, i % rows_of(pool), [&](int64_t index, const Run& run) {
      const int64_t at = (image * windows + index) * channels;
      max_run(run, from, y + at, taps ? taps + at : nullptr);
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
      each_run(pool, channels, row, [&](int64_t index, const Run& run) {
        const int64_t at = (image * windows + index) * channels;
        spread_run(run, dy + at, taps + at, to);
      });
    }
  }
}

}  // namespace marvin
