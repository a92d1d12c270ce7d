#include "runtime/kernels/softmax.h"

#include <algorithm>
#include <cmath>

#include "runtime/kernels/parallel.h"

namespace marvin {
namespace {

constexpr int64_t kTile = 64;  // neighbours along `inner` that are worked on together

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
void largest_of(const SoftmaxShape& shape, const T* x, int64_t width, T* largest) {
  std::copy_n(x, width, largest);
  for (int64_t a = 1; a < shape.axis; ++a)
    for (int64_t i = 0; i < width; ++i) largest[i] = std::max(largest[i], x[a * shape.inner + i]);
}

}  // namespace

template <class T>
void softmax(const SoftmaxShape& shape, const T* x, T* y) {
  each_tile(shape, [&](int64_t offset, int64_t width) {
    T largest[kTile];
    double sums[kTile] = {};
    largest_of(shape, x + offset, width, largest);
    for (int64_t a = 0; a < shape.axis; ++a) {
      for (int64_t i = 0; i < width; ++i) {
        const int64_t at = offset + a * shape.inner + i;
        y[at] = std::exp(x[at] - largest[i]);
        sums[i] += static_cast<double>(y[at]);
      }
    }
    for (int64_t a = 0; a < shape.axis; ++a)
      for (int64_t i = 0; i < width; ++i) y[offset + a * shape.inner + i] /= static_cast<T>(sums[i]);
  });
}

template <class T>
void log_softmax(const SoftmaxShape& shape, const T* x, T* y) {
  each_tile(shape, [&](int64_t offset, int64_t width) {
    T largest[kTile];
    double sums[kTile] = {};
    largest_of(shape, x + offset, width, largest);
    for (int64_t a = 0; a < shape.axis; ++a)
      for (int64_t i = 0; i < width; ++i)
        sums[i] += static_cast<double>(std::exp(x[offset + a * shape.inner + i] - largest[i]));
    T logs[kTile];
    for (int64_t i = 0; i < width; ++i) logs[i] = static_cast<T>(std::log(sums[i]));
    for (int64_t a = 0; a < shape.axis; ++a) {
      for (int64_t i = 0; i < width; ++i) {
        const int64_t at = offset + a * shape.inner + i;
        y[at] = x[at] - largest[i] - logs[i];
      }
    }
  });
}

template <class T>
void softmax_grad(const SoftmaxShape& shape, const T* dy, const T* y, T* dx) {
  each_tile(shape, [&](int64_t offset, int64_t width) {
    double sums[kTile] = {};
    for (int64_t a = 0; a < shape.axis; ++a) {
      for (int64_t i = 0; i < width; ++i) {
        const int64_t at = offset + a * shape.inner + i;
        sums[i] += static_cast<double>(dy[at]) * static_cast<double>(y[at]);
      }
    }
    for (int64_t a = 0; a < shape.axis; ++a) {
      for (int64_t i = 0; i < width; ++i) {
        const int64_t at = offset + a * shape.inner + i;
        dx[at] = y[at] * (dy[at] - static_cast<T>(sums[i]));
      }
    }
  });
}

template <class T>
void log_softmax_grad(const SoftmaxShape& shape, const T* dy, const T* y, T* dx) {
  each_tile(shape, [&](int64_t offset, int64_t width) {
    double sums[kTile] = {};
    for (int64_t a = 0; a < shape.axis; ++a)
      for (int64_t i = 0; i < width; ++i) sums[i] += static_cast<double>(dy[offset + a * shape.inner + i]);
    for (int64_t a = 0; a < shape.axis; ++a) {
      for (int64_t i = 0; i < width; ++i) {
        const int64_t at = offset + a * shape.inner + i;
        dx[at] = dy[at] - std::exp(y[at]) * static_cast<T>(sums[i]);
      }
    }
  });
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
