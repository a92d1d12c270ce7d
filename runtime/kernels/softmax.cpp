#include "runtime/kernels/softmax.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "runtime/kernels/moments.h"
#include "runtime/kernels/parallel.h"
#include "runtime/kernels/vector_math.h"

namespace marvin {
namespace {

// ---- Neighbours along `inner` ---------------------------------------------------------------------------------------

constexpr int64_t kTile = 64;  // that are worked on together, at most

// Calls body(offset, width) for every tile of at most kTile distributions whose first elements begin at `offset`.
template <class Body>
void each_tile(const SoftmaxShape& shape, Body&& body) {
  const int64_t tiles = (shape.inner + kTile - 1) / kTile;
#pragma omp parallel for schedule(static) if (shape.elements() >= kParallelElements / 4)
  for (int64_t i = 0; i < shape.outer * tiles; ++i) {
    const int64_t first = i % tiles * kTile;
    body(i / tiles * shape.axis * shape.inner + first, std::min(kTile, shape.inner - first));
  }
}

template <class T>
[[gnu::always_inline]] inline void largest_of(const SoftmaxShape& shape, const T* x, int64_t width, T* largest) {
  std::copy_n(x, width, largest);
  for (int64_t a = 1; a < shape.axis; ++a)
    for (int64_t i = 0; i < width; ++i) largest[i] = std::max(largest[i], x[a * shape.inner + i]);
}

template <class T>
static MARVIN_CLONES void softmax_tile(const SoftmaxShape& shape, int64_t width, const T* x, T* y) {
  T largest[kTile];
  double sums[kTile] = {};
  largest_of(shape, x, width, largest);
  for (int64_t a = 0; a < shape.axis; ++a) {
    const int64_t at = a * shape.inner;
#pragma GCC ivdep
    for (int64_t i = 0; i < width; ++i) y[at + i] = vector_exp(x[at + i] - largest[i]);
    for (int64_t i = 0; i < width; ++i) sums[i] += static_cast<double>(y[at + i]);
  }
  for (int64_t a = 0; a < shape.axis; ++a)
    for (int64_t i = 0; i < width; ++i) y[a * shape.inner + i] /= static_cast<T>(sums[i]);
}

template <class T>
static MARVIN_CLONES void log_softmax_tile(const SoftmaxShape& shape, int64_t width, const T* x, T* y) {
  T largest[kTile], logs[kTile], powers[kTile];
  double sums[kTile] = {};
  largest_of(shape, x, width, largest);
  for (int64_t a = 0; a < shape.axis; ++a) {
    const int64_t at = a * shape.inner;
    for (int64_t i = 0; i < width; ++i) powers[i] = vector_exp(x[at + i] - largest[i]);
    for (int64_t i = 0; i < width; ++i) sums[i] += static_cast<double>(powers[i]);
  }
  for (int64_t i = 0; i < width; ++i) logs[i] = static_cast<T>(std::log(sums[i]));
  for (int64_t a = 0; a < shape.axis; ++a) {
    const int64_t at = a * shape.inner;
#pragma GCC ivdep
    for (int64_t i = 0; i < width; ++i) y[at + i] = x[at + i] - largest[i] - logs[i];
  }
}

template <class T>
static MARVIN_CLONES void softmax_grad_tile(const SoftmaxShape& shape, int64_t width, const T* dy, const T* y, T* dx) {
  double sums[kTile] = {};
  for (int64_t a = 0; a < shape.axis; ++a) {
    const int64_t at = a * shape.inner;
    for (int64_t i = 0; i < width; ++i) sums[i] += static_cast<double>(dy[at + i]) * static_cast<double>(y[at + i]);
  }
  for (int64_t a = 0; a < shape.axis; ++a) {
    const int64_t at = a * shape.inner;
#pragma GCC ivdep
    for (int64_t i = 0; i < width; ++i) dx[at + i] = y[at + i] * (dy[at + i] - static_cast<T>(sums[i]));
  }
}

template <class T>
static MARVIN_CLONES void log_softmax_grad_tile(const SoftmaxShape& shape, int64_t width, const T* dy, const T* y,
                                                T* dx) {
  double sums[kTile] = {};
  for (int64_t a = 0; a < shape.axis; ++a)
    for (int64_t i = 0; i < width; ++i) sums[i] += static_cast<double>(dy[a * shape.inner + i]);
  for (int64_t a = 0; a < shape.axis; ++a) {
    const int64_t at = a * shape.inner;
#pragma GCC ivdep
    for (int64_t i = 0; i < width; ++i) dx[at + i] = dy[at + i] - vector_exp(y[at + i]) * static_cast<T>(sums[i]);
  }
}

// ---- Rows: distributions along the innermost axis -------------------------------------------------------------------

using HalfLanes [[gnu::vector_size(32)]] = float;
using HalfInMemory [[gnu::vector_size(32), gnu::aligned(4), gnu::may_alias]] = float;
using Doubles [[gnu::vector_size(64)]] = double;
constexpr int64_t kHalf = kLanes / 2;

[[gnu::always_inline]] inline void read_doubles(const float* x, Doubles& result) {
  const HalfLanes half = *reinterpret_cast<const HalfInMemory*>(x);
  result = __builtin_convertvector(half, Doubles);
}

[[gnu::always_inline]] inline double sum_of(const Doubles& a, const Doubles& b) {
  const Doubles both = a + b;
  return ((both[0] + both[4]) + (both[2] + both[6])) + ((both[1] + both[5]) + (both[3] + both[7]));
}

// Element i goes into lane i % kLanes, but for those after the last whole kLanes, which are added one by one.
[[gnu::always_inline]] inline double row_sum(const float* x, int64_t n) {
  Doubles a = {}, b = {}, low, high;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    read_doubles(x + i, low), read_doubles(x + i + kHalf, high);
    a += low, b += high;
  }
  double sum = sum_of(a, b);
  for (; i < n; ++i) sum += static_cast<double>(x[i]);
  return sum;
}

[[gnu::always_inline]] inline double row_product(const float* x, const float* y, int64_t n) {
  Doubles a = {}, b = {}, left, right;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    read_doubles(x + i, left), read_doubles(y + i, right);
    a += left * right;
    read_doubles(x + i + kHalf, left), read_doubles(y + i + kHalf, right);
    b += left * right;
  }
  double sum = sum_of(a, b);
  for (; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(y[i]);
  return sum;
}

[[gnu::always_inline]] inline float row_largest(const float* x, int64_t n) {
  float largest = x[0];
  int64_t i = 0;
  if (n >= kLanes) {
    Lanes lanes = lanes_at(x);
    for (i = kLanes; i + kLanes <= n; i += kLanes) {
      const Lanes next = lanes_at(x + i);
      lanes = next > lanes ? next : lanes;
    }
    for (int64_t k = 0; k < kLanes; ++k) largest = std::max(largest, lanes[k]);
  }
  for (; i < n; ++i) largest = std::max(largest, x[i]);
  return largest;
}

MARVIN_CLONES void softmax_rows(int64_t rows, int64_t n, const float* x, float* y) {
  for (int64_t row = 0; row < rows; ++row, x += n, y += n) {
    const float largest = row_largest(x, n);
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) y[i] = vector_exp(x[i] - largest);
    const float sum = static_cast<float>(row_sum(y, n));
    for (int64_t i = 0; i < n; ++i) y[i] /= sum;
  }
}

MARVIN_CLONES void log_softmax_rows(int64_t rows, int64_t n, const float* x, float* y) {
  constexpr int64_t kPiece = 256;
  float powers[kPiece];
  for (int64_t row = 0; row < rows; ++row, x += n, y += n) {
    const float largest = row_largest(x, n);
    double sum = 0;
    for (int64_t first = 0; first < n; first += kPiece) {
      const int64_t count = std::min(kPiece, n - first);
      for (int64_t i = 0; i < count; ++i) powers[i] = vector_exp(x[first + i] - largest);
      sum += row_sum(powers, count);
    }
    const float log = static_cast<float>(std::log(sum));
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) y[i] = x[i] - largest - log;
  }
}

MARVIN_CLONES void softmax_grad_rows(int64_t rows, int64_t n, const float* dy, const float* y, float* dx) {
  for (int64_t row = 0; row < rows; ++row, dy += n, y += n, dx += n) {
    const float sum = static_cast<float>(row_product(dy, y, n));
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) dx[i] = y[i] * (dy[i] - sum);
  }
}

MARVIN_CLONES void log_softmax_grad_rows(int64_t rows, int64_t n, const float* dy, const float* y, float* dx) {
  for (int64_t row = 0; row < rows; ++row, dy += n, y += n, dx += n) {
    const float sum = static_cast<float>(row_sum(dy, n));
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) dx[i] = dy[i] - vector_exp(y[i]) * sum;
  }
}

// Calls body(offset, rows) for every few rows, the first of which begins at `offset`.
template <class Body>
void each_rows(const SoftmaxShape& shape, Body&& body) {
  constexpr int64_t kElements = 1 << 12;
  const int64_t step = std::max<int64_t>(1, kElements / shape.axis);
#pragma omp parallel for schedule(static) if (shape.elements() >= kParallelElements / 4)
  for (int64_t row = 0; row < shape.outer; row += step) body(row * shape.axis, std::min(step, shape.outer - row));
}

bool is_rows(const SoftmaxShape& shape) { return shape.inner == 1 && shape.axis > 0; }

}  // namespace

template <class T>
void softmax(const SoftmaxShape& shape, const T* x, T* y) {
  if constexpr (std::is_same_v<T, float>) {
    if (is_rows(shape))
      return each_rows(shape, [&](int64_t at, int64_t rows) { softmax_rows(rows, shape.axis, x + at, y + at); });
  }
  each_tile(shape, [&](int64_t at, int64_t width) { softmax_tile(shape, width, x + at, y + at); });
}

template <class T>
void log_softmax(const SoftmaxShape& shape, const T* x, T* y) {
  if constexpr (std::is_same_v<T, float>) {
    if (is_rows(shape))
      return each_rows(shape, [&](int64_t at, int64_t rows) { log_softmax_rows(rows, shape.axis, x + at, y + at); });
  }
  each_tile(shape, [&](int64_t at, int64_t width) { log_softmax_tile(shape, width, x + at, y + at); });
}

template <class T>
void softmax_grad(const SoftmaxShape& shape, const T* dy, const T* y, T* dx) {
  if constexpr (std::is_same_v<T, float>) {
    if (is_rows(shape)) {
      return each_rows(
          shape, [&](int64_t at, int64_t rows) { softmax_grad_rows(rows, shape.axis, dy + at, y + at, dx + at); });
    }
  }
  each_tile(shape, [&](int64_t at, int64_t width) { softmax_grad_tile(shape, width, dy + at, y + at, dx + at); });
}

template <class T>
void log_softmax_grad(const SoftmaxShape& shape, const T* dy, const T* y, T* dx) {
  if constexpr (std::is_same_v<T, float>) {
    if (is_rows(shape)) {
      return each_rows(
          shape, [&](int64_t at, int64_t rows) { log_softmax_grad_rows(rows, shape.axis, dy + at, y + at, dx + at); });
    }
  }
  each_tile(shape, [&](int64_t at, int64_t width) { log_softmax_grad_tile(shape, width, dy + at, y + at, dx + at); });
}

#define MARVIN_INSTANTIATE(T)                                              \
  template void softmax(const SoftmaxShape&, const T*, T*);                \
  template void log_softmax(const SoftmaxShape&, const T*, T*);            \
  template void softmax_grad(const SoftmaxShape&, const T*, const T*, T*); \
  template void log_softmax_grad(const SoftmaxShape&, const T*, const T*, T*);
MARVIN_INSTANTIATE(float)
MARVIN_INSTANTIATE(double)
#undef MARVIN_INSTANTIATE

}  // namespace marvin
