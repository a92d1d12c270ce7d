#include "runtime/kernels/pooling.h"

#include "runtime/kernels/pooling_windows.h"

namespace marvin {
namespace {

// How many elements of window o count in a mean.
int64_t counted(const PoolAxis& axis, int64_t o, bool count_padding) {
  if (!count_padding) {
    const Range taps = taps_of_window(axis, o);
    return taps.end - taps.begin;
  }
  const int64_t behind = axis.in + axis.pad_end - input_of(axis, o, 0);
  return std::min(axis.kernel, steps_to(behind, axis.dilation));
}

// Of window (od, oh, ow), where `rows` is the product over depth and height. Windows of nothing divide by one.
float divisor(const PoolAxis& width, int64_t rows, int64_t ow, bool count_padding) {
  return static_cast<float>(std::max<int64_t>(1, rows * counted(width, ow, count_padding)));
}

// Calls body(row) for every input row that the windows (od, oh, .) cover.
template <class Body>
void each_input_row(const Pool& pool, int64_t od, int64_t oh, Body&& body) {
  const PoolAxis &depth = pool.axes[0], &height = pool.axes[1];
  const Range kds = taps_of_window(depth, od), khs = taps_of_window(height, oh);
  for (int64_t kd = kds.begin; kd < kds.end; ++kd)
    for (int64_t kh = khs.begin; kh < khs.end; ++kh)
      body(input_of(depth, od, kd) * height.in + input_of(height, oh, kh));
}

// y[i] += x[i * stride], with loads that vectorise for the usual strides.
MARVIN_CLONES void add_row(const float* x, int64_t stride, int64_t count, float* y) {
  if (stride == 1) {
    for (int64_t i = 0; i < count; ++i) y[i] += x[i];
  } else if (stride == 2) {
    for (int64_t i = 0; i < count; ++i) y[i] += x[2 * i];
  } else {
    for (int64_t i = 0; i < count; ++i) y[i] += x[i * stride];
  }
}

// dx[i * stride] += dy[i].
void spread_row(const float* dy, int64_t stride, int64_t count, float* dx) {
  for (int64_t i = 0; i < count; ++i) dx[i * stride] += dy[i];
}

void average_plane(const Pool& pool, bool count_padding, const float* x, float* y) {
  const PoolAxis &depth = pool.axes[0], &height = pool.axes[1], &width = pool.axes[2];
  std::fill_n(y, pool.out_elements(), 0.0f);
  for (int64_t row = 0; row < depth.out * height.out; ++row, y += width.out) {
    const int64_t od = row / height.out, oh = row % height.out;
    each_input_row(pool, od, oh, [&](int64_t in_row) {
      for (int64_t kw = 0; kw < width.kernel; ++kw) {
        const auto [begin, end] = windows_with_tap(width, kw);
        if (begin == end) continue;
        const int64_t from = in_row * width.in + input_of(width, begin, kw);
        add_row(x + from, width.stride, end - begin, y + begin);
      }
    });
    const int64_t rows = counted(depth, od, count_padding) * counted(height, oh, count_padding);
    for (int64_t ow = 0; ow < width.out; ++ow) y[ow] /= divisor(width, rows, ow, count_padding);
  }
}

void average_grad_plane(const Pool& pool, bool count_padding, const float* dy, float* dx) {
  const PoolAxis &depth = pool.axes[0], &height = pool.axes[1], &width = pool.axes[2];
  constexpr int64_t kChunk = 64;  // windows whose shares are kept while every tap adds them
  float shares[kChunk];
  std::fill_n(dx, pool.in_elements(), 0.0f);
  for (int64_t row = 0; row < depth.out * height.out; ++row, dy += width.out) {
    const int64_t od = row / height.out, oh = row % height.out;
    const int64_t rows = counted(depth, od, count_padding) * counted(height, oh, count_padding);
    for (int64_t first = 0; first < width.out; first += kChunk) {
      const int64_t last = std::min(first + kChunk, width.out);
      for (int64_t ow = first; ow < last; ++ow) shares[ow - first] = dy[ow] / divisor(width, rows, ow, count_padding);
      each_input_row(pool, od, oh, [&](int64_t in_row) {
        for (int64_t kw = 0; kw < width.kernel; ++kw) {
          const Range windows = windows_with_tap(width, kw);
          const int64_t begin = std::max(windows.begin, first), end = std::min(windows.end, last);
          if (begin >= end) continue;
          const int64_t to = in_row * width.in + input_of(width, begin, kw);
          spread_row(shares + begin - first, width.stride, end - begin, dx + to);
        }
      });
    }
  }
}

// Eight interleaved sums in float64, added up in order.
MARVIN_CLONES float mean_of(const float* x, int64_t count) {
  constexpr int64_t kLanes = 8;
  double lanes[kLanes] = {};
  const int64_t whole = count / kLanes * kLanes;
  for (int64_t i = 0; i < whole; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += static_cast<double>(x[i + lane]);
  for (int64_t i = whole; i < count; ++i) lanes[i - whole] += static_cast<double>(x[i]);
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return static_cast<float>(sum / static_cast<double>(count));
}

}  // namespace

void average_pool(const Pool& pool, bool count_padding, const float* x, float* y) {
  each_plane(pool, [&](int64_t plane) {
    average_plane(pool, count_padding, x + plane * pool.in_elements(), y + plane * pool.out_elements());
  });
}

void average_pool_grad(const Pool& pool, bool count_padding, const float* dy, float* dx) {
  each_plane(pool, [&](int64_t plane) {
    average_grad_plane(pool, count_padding, dy + plane * pool.out_elements(), dx + plane * pool.in_elements());
  });
}

void global_average_pool(int64_t planes, int64_t plane_elements, const float* x, float* y) {
#pragma omp parallel for schedule(static) if (planes * plane_elements >= kParallelElements)
  for (int64_t plane = 0; plane < planes; ++plane) y[plane] = mean_of(x + plane * plane_elements, plane_elements);
}

void global_average_pool_grad(int64_t planes, int64_t plane_elements, const float* dy, float* dx) {
#pragma omp parallel for schedule(static) if (planes * plane_elements >= kParallelElements)
  for (int64_t plane = 0; plane < planes; ++plane) {
    const float share = dy[plane] / static_cast<float>(plane_elements);
    std::fill_n(dx + plane * plane_elements, plane_elements, share);
  }
}

}  // namespace marvin
