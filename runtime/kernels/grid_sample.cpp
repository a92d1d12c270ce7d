#include "runtime/kernels/grid_sample.h"

#include <algorithm>
#include <cmath>

#include "runtime/kernels/parallel.h"

namespace marvin {
namespace {

// A position along an axis and its derivative by the grid's number.
struct Position {
  double x, slope;
};

// NaN becomes `low`.
double clamped(double x, double low, double high) { return !(x > low) ? low : std::min(x, high); }

// Mirrored at low and high until it lies between them. https://pytorch.org/docs/1.13/generated/
// torch.nn.functional.grid_sample.html
Position reflected(Position position, double low, double high) {
  const double span = high - low;
  if (span <= 0 || !std::isfinite(position.x)) return {low, 0};
  const double distance = std::abs(position.x - low);
  const double sign = position.x < low ? -1 : 1;
  const double rest = std::fmod(distance, span);
  if (std::fmod(std::floor(distance / span), 2) == 0) return {low + rest, sign * position.slope};
  return {high - rest, -sign * position.slope};
}

Position inside(Position position, const GridSampling& shape, int64_t extent) {
  const double last = static_cast<double>(extent - 1);
  if (shape.outside == Outside::reflection) {
    const double edge = shape.align_corners ? 0 : 0.5;
    position = reflected(position, -edge, last + edge);
  }
  const double x = clamped(position.x, 0, last);
  return {x, x == position.x ? position.slope : 0};
}

// The elements along one axis that a position is interpolated from; -1 are zeros.
struct AxisTaps {
  int count = 0;
  std::array<int64_t, 4> index;
  std::array<double, 4> weight, slope;  // slope: of the weight, by the grid's number

  void add(double i, double extent, double w, double s) {
    index[static_cast<size_t>(count)] = i >= 0 && i < extent ? static_cast<int64_t>(i) : -1;
    weight[static_cast<size_t>(count)] = w;
    slope[static_cast<size_t>(count)] = s;
    ++count;
  }
};

// Weight and derivative at a distance from the element.
Position cubic(double distance) {
  constexpr double a = -0.75;
  const double x = std::abs(distance), sign = distance < 0 ? -1 : 1;
  if (x <= 1) return {((a + 2) * x - (a + 3)) * x * x + 1, sign * (3 * (a + 2) * x - 2 * (a + 3)) * x};
  return {((a * x - 5 * a) * x + 8 * a) * x - 4 * a, sign * ((3 * a * x - 10 * a) * x + 8 * a)};
}

AxisTaps taps_of(const GridSampling& shape, int64_t extent, double at) {
  const double size = static_cast<double>(extent);
  const double slope = shape.align_corners ? (size - 1) / 2 : size / 2;
  Position position = {(at + 1) * slope - (shape.align_corners ? 0 : 0.5), slope};
  AxisTaps taps;
  const bool beyond = !(position.x > -3 && position.x < size + 2);  // of every element, or NaN
  if (shape.outside == Outside::zeros && beyond) {
    taps.add(-1, size, 0, 0);
    return taps;
  }
  if (shape.sampling == Sampling::cubic) {
    if (!std::isfinite(position.x)) position = {0, 0};
    const double before = std::floor(position.x);
    for (double i = before - 1; i <= before + 2; ++i) {
      const Position weight = cubic(position.x - i);
      const double element = shape.outside == Outside::zeros ? i : inside({i, 0}, shape, extent).x;
      taps.add(element, size, weight.x, weight.slope * slope);
    }
    return taps;
  }
  if (shape.outside != Outside::zeros) position = inside(position, shape, extent);
  if (shape.sampling == Sampling::nearest) {
    taps.add(std::nearbyint(position.x), size, 1, 0);
    return taps;
  }
  const double before = std::floor(position.x), share = position.x - before;
  taps.add(before, size, 1 - share, -position.slope);
  taps.add(before + 1, size, share, position.slope);
  return taps;
}

// All elements that a point is interpolated from.
struct PointTaps {
  int count = 0;
  std::array<int64_t, 64> offset;
  std::array<float, 64> weight;
  std::array<std::array<float, 3>, 64> slope;  // by the grid's numbers

  PointTaps(const GridSampling& shape, const float* at) {
    std::array<AxisTaps, 3> axes;
    for (size_t i = 0; i < 3; ++i) {
      const size_t number = 2 - i;  // of the axis in the grid
      if (number < static_cast<size_t>(shape.axes)) {
        axes[i] = taps_of(shape, shape.extents[i], at[number]);
      } else {
        axes[i].add(0, 1, 1, 0);
      }
    }
    const auto& [d, h, w] = axes;
    for (size_t i = 0; i < static_cast<size_t>(d.count); ++i)
      for (size_t j = 0; j < static_cast<size_t>(h.count); ++j)
        for (size_t k = 0; k < static_cast<size_t>(w.count); ++k) {
          if (d.index[i] < 0 || h.index[j] < 0 || w.index[k] < 0) continue;
          const size_t t = static_cast<size_t>(count++);
          offset[t] = (d.index[i] * shape.extents[1] + h.index[j]) * shape.extents[2] + w.index[k];
          weight[t] = static_cast<float>(d.weight[i] * h.weight[j] * w.weight[k]);
          slope[t] = {static_cast<float>(d.weight[i] * h.weight[j] * w.slope[k]),
                      static_cast<float>(d.weight[i] * h.slope[j] * w.weight[k]),
                      static_cast<float>(d.slope[i] * h.weight[j] * w.weight[k])};
        }
  }
};

// Calls body(image, point, taps) for all points.
template <class Body>
void each_point(const GridSampling& shape, const float* grid, Body&& body) {
#pragma omp parallel for schedule(static) if (shape.n * shape.c * shape.points >= kParallelElements)
  for (int64_t i = 0; i < shape.n * shape.points; ++i) {
    body(i / shape.points, i % shape.points, PointTaps(shape, grid + i * shape.axes));
  }
}

void x_grad(const GridSampling& shape, const float* dy, const float* grid, float* dx) {
  constexpr int64_t kChannels = 16;  // that one thread adds to
  const int64_t stripes = (shape.c + kChannels - 1) / kChannels, plane = shape.plane();
  std::fill_n(dx, shape.n * shape.c * plane, 0.0f);
#pragma omp parallel for schedule(static) if (shape.n * shape.c * shape.points >= kParallelElements)
  for (int64_t task = 0; task < shape.n * stripes; ++task) {
    const int64_t n = task / stripes, first = task % stripes * kChannels;
    for (int64_t point = 0; point < shape.points; ++point) {
      const PointTaps taps(shape, grid + (n * shape.points + point) * shape.axes);
      for (int64_t c = first; c < std::min(first + kChannels, shape.c); ++c) {
        const float gradient = dy[(n * shape.c + c) * shape.points + point];
        float* to = dx + (n * shape.c + c) * plane;
        for (size_t t = 0; t < static_cast<size_t>(taps.count); ++t) to[taps.offset[t]] += taps.weight[t] * gradient;
      }
    }
  }
}

void grid_grad(const GridSampling& shape, const float* dy, const float* x, const float* grid, float* dgrid) {
  each_point(shape, grid, [&](int64_t n, int64_t point, const PointTaps& taps) {
    std::array<float, 3> sum = {};
    for (int64_t c = 0; c < shape.c; ++c) {
      const float gradient = dy[(n * shape.c + c) * shape.points + point];
      const float* from = x + (n * shape.c + c) * shape.plane();
      for (size_t t = 0; t < static_cast<size_t>(taps.count); ++t) {
        const float share = gradient * from[taps.offset[t]];
        for (size_t i = 0; i < 3; ++i) sum[i] += share * taps.slope[t][i];
      }
    }
    std::copy_n(sum.begin(), shape.axes, dgrid + (n * shape.points + point) * shape.axes);
  });
}

}  // namespace

void grid_sample(const GridSampling& shape, const float* x, const float* grid, float* y) {
  each_point(shape, grid, [&](int64_t n, int64_t point, const PointTaps& taps) {
    for (int64_t c = 0; c < shape.c; ++c) {
      const float* from = x + (n * shape.c + c) * shape.plane();
      float sum = 0;
      for (size_t t = 0; t < static_cast<size_t>(taps.count); ++t) sum += taps.weight[t] * from[taps.offset[t]];
      y[(n * shape.c + c) * shape.points + point] = sum;
    }
  });
}

void grid_sample_grad(const GridSampling& shape, const float* dy, const float* x, const float* grid, float* dx,
                      float* dgrid) {
  if (dx) x_grad(shape, dy, grid, dx);
  if (dgrid) grid_grad(shape, dy, x, grid, dgrid);
}

}  // namespace marvin
