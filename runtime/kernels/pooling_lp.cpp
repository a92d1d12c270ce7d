#include <cmath>

#include "runtime/kernels/pooling_windows.h"

namespace marvin {
namespace {

// Calls body(window, input element) for everything that the windows of a plane cover.
template <class Body>
void each_covered(const Pool& pool, Body&& body) {
  const auto& [depth, height, width] = pool.axes;
  for (int64_t window = 0; window < pool.out_elements(); ++window) {
    const int64_t od = window / width.out / height.out, oh = window / width.out % height.out, ow = window % width.out;
    const Range kds = taps_of_window(depth, od), khs = taps_of_window(height, oh), kws = taps_of_window(width, ow);
    for (int64_t kd = kds.begin; kd < kds.end; ++kd) {
      for (int64_t kh = khs.begin; kh < khs.end; ++kh) {
        const int64_t row = (input_of(depth, od, kd) * height.in + input_of(height, oh, kh)) * width.in;
        for (int64_t kw = kws.begin; kw < kws.end; ++kw) body(window, row + input_of(width, ow, kw));
      }
    }
  }
}

float power(float x, int64_t p) {
  if (p == 0) return 1;
  if (p == 1) return x;
  return p == 2 ? x * x : std::pow(x, static_cast<float>(p));
}

float root(float x, int64_t p) {
  if (p == 1) return x;
  return p == 2 ? std::sqrt(x) : std::pow(x, 1 / static_cast<float>(p));
}

}  // namespace

void lp_pool(const Pool& pool, int64_t p, const float* x, float* y) {
  each_plane(pool, [&](int64_t plane) {
    const float* from = x + plane * pool.in_elements();
    float* to = y + plane * pool.out_elements();
    std::fill_n(to, pool.out_elements(), 0.0f);
    each_covered(pool, [&](int64_t window, int64_t i) { to[window] += power(std::abs(from[i]), p); });
    for (int64_t i = 0; i < pool.out_elements(); ++i) to[i] = root(to[i], p);
  });
}

void lp_pool_grad(const Pool& pool, int64_t p, const float* dy, const float* x, const float* y, float* dx) {
  each_plane(pool, [&](int64_t plane) {
    const int64_t in = plane * pool.in_elements(), out = plane * pool.out_elements();
    std::fill_n(dx + in, pool.in_elements(), 0.0f);
    each_covered(pool, [&](int64_t window, int64_t i) {
      const float norm = y[out + window], element = x[in + i];
      if (norm == 0) return;
      dx[in + i] += dy[out + window] * std::copysign(power(std::abs(element) / norm, p - 1), element);
    });
  });
}

}  // namespace marvin
