#include <cstring>
#include <limits>
#include <type_traits>

#include "runtime/kernels/pooling_windows.h"

namespace marvin {
namespace {

// ---- Vectors of eight or four neighbouring windows ------------------------------------------------------------------

// v[i] = from[i * stride].
template <int N>
MARVIN_INLINE void load(const float* from, int64_t stride, typename Lanes<N>::Floats& v) {
  if (stride == 1) {
    std::memcpy(&v, from, sizeof v);
  } else if (stride == 2) {
    typename Lanes<N>::Floats low, high;  // the first N, and N from N - 1 on: nothing behind the last is read
    std::memcpy(&low, from, sizeof low);
    std::memcpy(&high, from + N - 1, sizeof high);
    if constexpr (N == 8) v = __builtin_shufflevector(low, high, 0, 2, 4, 6, 9, 11, 13, 15);
    if constexpr (N == 4) v = __builtin_shufflevector(low, high, 0, 2, 5, 7);
  } else {
    for (int lane = 0; lane < N; ++lane) v[lane] = from[lane * stride];
  }
}

template <int N>
MARVIN_INLINE void store(const typename Lanes<N>::Ints& v, uint8_t* to) {
  const auto bytes = __builtin_convertvector(v, typename Lanes<N>::Bytes);
  std::memcpy(to, &bytes, sizeof bytes);
}
template <int N>
MARVIN_INLINE void store(const typename Lanes<N>::Ints& v, int32_t* to) {
  std::memcpy(to, &v, sizeof v);
}

// ---- Rows of windows ------------------------------------------------------------------------------------------------

// The windows (od, oh, .) of a plane; x is the plane.
template <class T>
struct WindowRow {
  const Pool& pool;
  int64_t od, oh;
  Range kds, khs;
  const T* x;

  WindowRow(const Pool& windows, int64_t row, const T* plane)
      : pool(windows),
        od(row / windows.axes[1].out),
        oh(row % windows.axes[1].out),
        kds(taps_of_window(windows.axes[0], od)),
        khs(taps_of_window(windows.axes[1], oh)),
        x(plane) {}

  const PoolAxis& width() const { return pool.axes[2]; }
  int32_t tap(int64_t kd, int64_t kh) const {
    return static_cast<int32_t>((kd * pool.axes[1].kernel + kh) * width().kernel);
  }
  const T* input_row(int64_t kd, int64_t kh) const {
    const auto& [depth, height, width] = pool.axes;
    return x + (input_of(depth, od, kd) * height.in + input_of(height, oh, kh)) * width.in;
  }
};

// What a window of padding alone gives.
template <class T>
constexpr T kLeast = std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity()
                                                          : std::numeric_limits<T>::lowest();

// Windows [ow, ow + N), all of whose taps along the width exist. A constant stride is inlined.
template <int N, class Tap>
MARVIN_INLINE void max_windows(const WindowRow<float>& row, int64_t ow, int64_t stride, float* y, Tap* taps) {
  using Floats = typename Lanes<N>::Floats;
  using Ints = typename Lanes<N>::Ints;
  const PoolAxis& width = row.width();
  Floats best = Floats{} - std::numeric_limits<float>::infinity();
  Ints best_tap = Ints{} + row.tap(row.kds.begin, row.khs.begin);
  for (int64_t kd = row.kds.begin; kd < row.kds.end; ++kd) {
    for (int64_t kh = row.khs.begin; kh < row.khs.end; ++kh) {
      const float* from = row.input_row(kd, kh) + input_of(width, ow, 0);
      int32_t tap = row.tap(kd, kh);
      for (int64_t kw = 0; kw < width.kernel; ++kw, ++tap) {
        Floats v;
        load<N>(from + kw * width.dilation, stride, v);
        const Ints take = (v > best) | (v != v);
        best = take ? v : best;
        best_tap = take ? Ints{} + tap : best_tap;
      }
    }
  }
  std::memcpy(y + ow, &best, sizeof best);
  if (taps) store<N>(best_tap, taps + ow);
}

template <class T, class Tap>
void max_window(const WindowRow<T>& row, int64_t ow, T* y, Tap* taps) {
  const PoolAxis& width = row.width();
  const Range kws = taps_of_window(width, ow);
  T best = kLeast<T>;
  int32_t best_tap = row.tap(row.kds.begin, row.khs.begin) + static_cast<int32_t>(kws.begin);
  for (int64_t kd = row.kds.begin; kd < row.kds.end; ++kd) {
    for (int64_t kh = row.khs.begin; kh < row.khs.end; ++kh) {
      const T* from = row.input_row(kd, kh);
      for (int64_t kw = kws.begin; kw < kws.end; ++kw) {
        const T v = from[input_of(width, ow, kw)];
        const bool take = v > best || v != v;
        best = take ? v : best;
        best_tap = take ? row.tap(kd, kh) + static_cast<int32_t>(kw) : best_tap;
      }
    }
  }
  y[ow] = best;
  if (taps) taps[ow] = kws.begin < kws.end ? static_cast<Tap>(best_tap) : kNoTap<Tap>;
}

// Whole windows [begin, end), at least N: the last vector overlaps the one before it.
template <int N, class Tap>
MARVIN_INLINE void max_inner(const WindowRow<float>& row, int64_t begin, int64_t end, int64_t stride, float* y,
                             Tap* taps) {
  for (int64_t ow = begin; ow < end; ow += N) max_windows<N>(row, std::min(ow, end - N), stride, y, taps);
}

template <class Tap>
MARVIN_INLINE void max_inner(const WindowRow<float>& row, int64_t begin, int64_t end, int64_t stride, float* y,
                             Tap* taps) {
  if (end - begin >= 8) return max_inner<8>(row, begin, end, stride, y, taps);
  max_inner<4>(row, begin, end, stride, y, taps);
}

#define MARVIN_MAX_ROW(Tap)                                                                                  \
  MARVIN_CLONES void max_row(const WindowRow<float>& row, int64_t begin, int64_t end, float* y, Tap* taps) { \
    const int64_t stride = row.width().stride;                                                               \
    if (stride == 1) return max_inner(row, begin, end, 1, y, taps);                                          \
    if (stride == 2) return max_inner(row, begin, end, 2, y, taps);                                          \
    max_inner(row, begin, end, stride, y, taps);                                                             \
  }
MARVIN_MAX_ROW(uint8_t)
MARVIN_MAX_ROW(int32_t)
#undef MARVIN_MAX_ROW

// The windows of every row that are taken as vectors.
template <class T>
Range inner_windows(const PoolAxis& width) {
  const int64_t first = windows_with_tap(width, 0).begin;
  const int64_t last = std::max(first, windows_with_tap(width, width.kernel - 1).end);
  return std::is_same_v<T, float> && last - first >= 4 ? Range{first, last} : Range{0, 0};
}

template <class T, class Tap>
void max_plane(const Pool& pool, const T* x, T* y, Tap* taps) {
  const auto& [depth, height, width] = pool.axes;
  const Range inner = inner_windows<T>(width);
  for (int64_t i = 0; i < depth.out * height.out; ++i, y += width.out) {
    const WindowRow row(pool, i, x);
    Tap* row_taps = taps ? taps + i * width.out : nullptr;
    if (row.kds.begin == row.kds.end || row.khs.begin == row.khs.end) {
      std::fill_n(y, width.out, kLeast<T>);
      if (taps) std::fill_n(row_taps, width.out, kNoTap<Tap>);
      continue;
    }
    for (int64_t ow = 0; ow < inner.begin; ++ow) max_window(row, ow, y, row_taps);
    if constexpr (std::is_same_v<T, float>) {
      if (inner.begin < inner.end) max_row(row, inner.begin, inner.end, y, row_taps);
    }
    for (int64_t ow = inner.end; ow < width.out; ++ow) max_window(row, ow, y, row_taps);
  }
}

// ---- Gradients ------------------------------------------------------------------------------------------------------

// The input element that a tap of a window reads.
struct Place {
  int64_t d, h, w;
};
Place place_of(const Pool& pool, int64_t window, int64_t tap) {
  const auto& [depth, height, width] = pool.axes;
  return {input_of(depth, window / width.out / height.out, tap / width.kernel / height.kernel),
          input_of(height, window / width.out % height.out, tap / width.kernel % height.kernel),
          input_of(width, window % width.out, tap % width.kernel)};
}

// Windows of 2 x 2, side by side.
bool is_2x2(const Pool& pool) {
  const auto plain = [](const PoolAxis& axis) {
    return axis.kernel == 2 && axis.stride == 2 && axis.dilation == 1 && axis.pad_begin == 0 && 2 * axis.out <= axis.in;
  };
  const PoolAxis& depth = pool.axes[0];
  return depth.in == 1 && depth.kernel == 1 && depth.out == 1 && plain(pool.axes[1]) && plain(pool.axes[2]);
}

// to[2 i] = even[i], to[2 i + 1] = odd[i].
template <int N>
MARVIN_INLINE void interleave(const typename Lanes<N>::Floats& even, const typename Lanes<N>::Floats& odd, float* to) {
  typename Lanes<N>::Floats low, high;
  if constexpr (N == 8) {
    low = __builtin_shufflevector(even, odd, 0, 8, 1, 9, 2, 10, 3, 11);
    high = __builtin_shufflevector(even, odd, 4, 12, 5, 13, 6, 14, 7, 15);
  } else {
    low = __builtin_shufflevector(even, odd, 0, 4, 1, 5);
    high = __builtin_shufflevector(even, odd, 2, 6, 3, 7);
  }
  std::memcpy(to, &low, sizeof low);
  std::memcpy(to + N, &high, sizeof high);
}

template <int N>
MARVIN_INLINE void spread_2x2(const float* dy, const uint8_t* taps, float* top, float* bottom) {
  typename Lanes<N>::Floats g;
  typename Lanes<N>::Bytes bytes;
  std::memcpy(&g, dy, sizeof g);
  std::memcpy(&bytes, taps, sizeof bytes);
  const auto tap = __builtin_convertvector(bytes, typename Lanes<N>::Ints);
  const typename Lanes<N>::Floats zero = {};
  interleave<N>(tap == 0 ? g : zero, tap == 1 ? g : zero, top);
  interleave<N>(tap == 2 ? g : zero, tap == 3 ? g : zero, bottom);
}

MARVIN_CLONES void max_2x2_grad_row(const float* dy, const uint8_t* taps, int64_t count, float* top, float* bottom) {
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) spread_2x2<8>(dy + i, taps + i, top + 2 * i, bottom + 2 * i);
  for (; i + 4 <= count; i += 4) spread_2x2<4>(dy + i, taps + i, top + 2 * i, bottom + 2 * i);
  for (; i < count; ++i) {
    top[2 * i] = taps[i] == 0 ? dy[i] : 0.0f;
    top[2 * i + 1] = taps[i] == 1 ? dy[i] : 0.0f;
    bottom[2 * i] = taps[i] == 2 ? dy[i] : 0.0f;
    bottom[2 * i + 1] = taps[i] == 3 ? dy[i] : 0.0f;
  }
}

void max_2x2_grad_plane(const Pool& pool, const float* dy, const uint8_t* taps, float* dx) {
  const PoolAxis &height = pool.axes[1], &width = pool.axes[2];
  for (int64_t oh = 0; oh < height.out; ++oh, dy += width.out, taps += width.out) {
    float* top = dx + 2 * oh * width.in;
    float* bottom = top + width.in;
    max_2x2_grad_row(dy, taps, width.out, top, bottom);
    std::fill(top + 2 * width.out, bottom, 0.0f);
    std::fill(bottom + 2 * width.out, bottom + width.in, 0.0f);
  }
  std::fill(dx + 2 * height.out * width.in, dx + height.in * width.in, 0.0f);
}

// How far the element of each tap lies behind the first of its window.
class TapOffsets {
 public:
  explicit TapOffsets(const Pool& pool) {
    const auto& [depth, height, width] = pool.axes;
    for (int64_t tap = 0; tap < pool.taps(); ++tap) {
      const int64_t kd = tap / width.kernel / height.kernel, kh = tap / width.kernel % height.kernel;
      offsets_[tap] =
          (kd * depth.dilation * height.in + kh * height.dilation) * width.in + tap % width.kernel * width.dilation;
    }
  }
  int64_t operator[](uint8_t tap) const { return offsets_[tap]; }

 private:
  int64_t offsets_[kNoTap<uint8_t>];
};

void max_grad_plane(const Pool& pool, const TapOffsets& offsets, const float* dy, const uint8_t* taps, float* dx) {
  const auto& [depth, height, width] = pool.axes;
  std::fill_n(dx, pool.in_elements(), 0.0f);
  for (int64_t row = 0; row < depth.out * height.out; ++row, dy += width.out, taps += width.out) {
    const int64_t in_row = input_of(depth, row / height.out, 0) * height.in + input_of(height, row % height.out, 0);
    const int64_t start = in_row * width.in - width.pad_begin;
    for (int64_t ow = 0; ow < width.out; ++ow) {
      if (taps[ow] != kNoTap<uint8_t>) dx[start + ow * width.stride + offsets[taps[ow]]] += dy[ow];
    }
  }
}

void max_grad_plane(const Pool& pool, const float* dy, const int32_t* taps, float* dx) {
  std::fill_n(dx, pool.in_elements(), 0.0f);
  for (int64_t window = 0; window < pool.out_elements(); ++window) {
    if (taps[window] == kNoTap<int32_t>) continue;
    const Place place = place_of(pool, window, taps[window]);
    dx[(place.d * pool.axes[1].in + place.h) * pool.axes[2].in + place.w] += dy[window];
  }
}

}  // namespace

template <class T, class Tap>
void max_pool(const Pool& pool, const T* x, T* y, Tap* taps) {
  each_plane(pool, [&](int64_t plane) {
    max_plane(pool, x + plane * pool.in_elements(), y + plane * pool.out_elements(),
              taps ? taps + plane * pool.out_elements() : nullptr);
  });
}
#define MARVIN_MAX_POOL(T)                                     \
  template void max_pool(const Pool&, const T*, T*, uint8_t*); \
  template void max_pool(const Pool&, const T*, T*, int32_t*);
MARVIN_MAX_POOL(float)
MARVIN_MAX_POOL(uint8_t)
MARVIN_MAX_POOL(int8_t)
#undef MARVIN_MAX_POOL

void max_pool_grad(const Pool& pool, const float* dy, const uint8_t* taps, float* dx) {
  const bool side_by_side = is_2x2(pool);
  const TapOffsets offsets(pool);
  each_plane(pool, [&](int64_t plane) {
    const float* from = dy + plane * pool.out_elements();
    const uint8_t* tap = taps + plane * pool.out_elements();
    float* to = dx + plane * pool.in_elements();
    if (side_by_side) return max_2x2_grad_plane(pool, from, tap, to);
    max_grad_plane(pool, offsets, from, tap, to);
  });
}

void max_pool_grad(const Pool& pool, const float* dy, const int32_t* taps, float* dx) {
  each_plane(pool, [&](int64_t plane) {
    const int64_t windows = plane * pool.out_elements();
    max_grad_plane(pool, dy + windows, taps + windows, dx + plane * pool.in_elements());
  });
}

template <class Tap>
void tap_positions(const Pool& pool, const Tap* taps, bool column_major, int64_t* positions) {
  const int64_t depth = pool.axes[0].in, height = pool.axes[1].in, width = pool.axes[2].in;
  each_plane(pool, [&](int64_t plane) {
    for (int64_t window = 0; window < pool.out_elements(); ++window) {
      const int64_t i = plane * pool.out_elements() + window;
      const auto [d, h, w] = place_of(pool, window, taps[i]);
      const int64_t within = column_major ? (w * height + h) * depth + d : (d * height + h) * width + w;
      positions[i] = taps[i] == kNoTap<Tap> ? -1 : plane * pool.in_elements() + within;
    }
  });
}
template void tap_positions(const Pool&, const uint8_t*, bool, int64_t*);
template void tap_positions(const Pool&, const int32_t*, bool, int64_t*);

template <class Tap>
void global_max_pool(int64_t planes, int64_t plane_elements, const float* x, float* y, Tap* taps) {
#pragma omp parallel for schedule(static) if (planes * plane_elements >= kParallelElements)
  for (int64_t plane = 0; plane < planes; ++plane) {
    const float* from = x + plane * plane_elements;
    int64_t best = 0;
    for (int64_t i = 1; i < plane_elements; ++i)
      if (from[i] > from[best] || from[i] != from[i]) best = i;
    y[plane] = from[best];
    if (taps) taps[plane] = static_cast<Tap>(best);
  }
}
template void global_max_pool(int64_t, int64_t, const float*, float*, uint8_t*);
template void global_max_pool(int64_t, int64_t, const float*, float*, int32_t*);

}  // namespace marvin
