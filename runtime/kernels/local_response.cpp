#include "runtime/kernels/local_response.h"

#include <algorithm>
#include <cmath>

#include "runtime/kernels/parallel.h"

namespace marvin {
namespace {

// Elements of a channel that are computed together: their neighbours in other channels stay in the cache.
constexpr int64_t kRun = 256;

// sum[i] = row[i] + ..., over `rows` rows that lie `step` apart, of squares or of the elements themselves.
template <bool kSquares>
MARVIN_CLONES void add_rows(const float* first, int64_t rows, int64_t step, int64_t count, float* sum) {
  std::fill_n(sum, count, 0.0f);
  for (int64_t row = 0; row < rows; ++row) {
    const float* x = first + row * step;
    for (int64_t i = 0; i < count; ++i) sum[i] += kSquares ? x[i] * x[i] : x[i];
  }
}

// s = bias + alpha * s, powers = s^-beta; GoogLeNet's and AlexNet's 0.75 is two square roots.
MARVIN_CLONES void finish(const LocalResponse& norm, int64_t count, float* s, float* powers) {
  for (int64_t i = 0; i < count; ++i) s[i] = norm.bias + norm.alpha * s[i];
  if (norm.beta == 0.75f) {
    for (int64_t i = 0; i < count; ++i) {
      const float root = std::sqrt(s[i]);
      powers[i] = 1 / (root * std::sqrt(root));
    }
  } else {
    for (int64_t i = 0; i < count; ++i) powers[i] = std::pow(s[i], -norm.beta);
  }
}

MARVIN_CLONES void multiply(const float* a, const float* b, int64_t count, float* product) {
  for (int64_t i = 0; i < count; ++i) product[i] = a[i] * b[i];
}

// dx = dy * powers, room = dy * x * powers / s.
MARVIN_CLONES void own_share(const float* dy, const float* x, const float* s, const float* powers, int64_t count,
                             float* dx, float* room) {
#pragma GCC ivdep
  for (int64_t i = 0; i < count; ++i) {
    dx[i] = dy[i] * powers[i];
    room[i] = dx[i] * x[i] / s[i];
  }
}

MARVIN_CLONES void neighbours_share(const float* x, const float* sum, float factor, int64_t count, float* dx) {
#pragma GCC ivdep
  for (int64_t i = 0; i < count; ++i) dx[i] -= factor * x[i] * sum[i];
}

// Calls body(first element, count) for every run of the first channel of every image.
template <class Body>
void each_run(const ChannelShape& shape, Body&& body) {
  const int64_t runs = (shape.inner + kRun - 1) / kRun;
#pragma omp parallel for schedule(static) if (shape.elements() >= kParallelElements)
  for (int64_t task = 0; task < shape.batch * runs; ++task) {
    const int64_t first = task % runs * kRun;
    body(task / runs * shape.channels * shape.inner + first, std::min(kRun, shape.inner - first));
  }
}

// The channels from c - before to c + behind that exist: the first, and how many.
struct Channels {
  int64_t first, count;

  Channels(const ChannelShape& shape, int64_t c, int64_t before, int64_t behind)
      : first(std::max<int64_t>(0, c - before)), count(std::min(shape.channels, c + behind + 1) - first) {}
};

void inverse_powers(const LocalResponse& norm, const float* x, int64_t c, int64_t count, float* s, float* powers) {
  const Channels near(norm.shape, c, norm.before, norm.behind);
  add_rows<true>(x + near.first * norm.shape.inner, near.count, norm.shape.inner, count, s);
  finish(norm, count, s, powers);
}

}  // namespace

void local_response(const LocalResponse& norm, const float* x, float* y) {
  each_run(norm.shape, [&](int64_t first, int64_t count) {
    float s[kRun], powers[kRun];
    for (int64_t c = 0; c < norm.shape.channels; ++c) {
      inverse_powers(norm, x + first, c, count, s, powers);
      const int64_t at = first + c * norm.shape.inner;
      multiply(x + at, powers, count, y + at);
    }
  });
}

void local_response_grad(const LocalResponse& norm, const float* dy, const float* x, float* dx, float* room) {
  each_run(norm.shape, [&](int64_t first, int64_t count) {
    const int64_t inner = norm.shape.inner;
    float s[kRun], powers[kRun];
    for (int64_t c = 0; c < norm.shape.channels; ++c) {
      inverse_powers(norm, x + first, c, count, s, powers);
      const int64_t at = first + c * inner;
      own_share(dy + at, x + at, s, powers, count, dx + at, room + at);
    }
    for (int64_t c = 0; c < norm.shape.channels; ++c) {
      const Channels near(norm.shape, c, norm.behind, norm.before);  // those that c is near to
      add_rows<false>(room + first + near.first * inner, near.count, inner, count, s);
      const int64_t at = first + c * inner;
      neighbours_share(x + at, s, 2 * norm.alpha * norm.beta, count, dx + at);
    }
  });
}

}  // namespace marvin
