#include "runtime/kernels/pooling.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace marvin {
namespace {

struct Window {
  float largest = -std::numeric_limits<float>::infinity();
  int64_t tap = -1;
  double sum = 0;
  int64_t count = 0, padded = 0;
};

// Every window's answer, tap by tap, from the definition in pooling.h.
template <class Body>
void each_window(const Pool& pool, const std::vector<float>& x, Body&& body) {
  const PoolAxis &d = pool.axes[0], &h = pool.axes[1], &w = pool.axes[2];
  int64_t at = 0;
  for (int64_t plane = 0; plane < pool.planes; ++plane) {
    for (int64_t window = 0; window < pool.out_elements(); ++window, ++at) {
      Window result;
      for (int64_t tap = 0; tap < pool.taps(); ++tap) {
        const int64_t id = window / (h.out * w.out) * d.stride - d.pad_begin + tap / (h.kernel * w.kernel) * d.dilation;
        const int64_t ih = window / w.out % h.out * h.stride - h.pad_begin + tap / w.kernel % h.kernel * h.dilation;
        const int64_t iw = window % w.out * w.stride - w.pad_begin + tap % w.kernel * w.dilation;
        if (id < d.in + d.pad_end && ih < h.in + h.pad_end && iw < w.in + w.pad_end) ++result.padded;
        if (id < 0 || ih < 0 || iw < 0 || id >= d.in || ih >= h.in || iw >= w.in) continue;
        const float v = x[static_cast<size_t>(plane * pool.in_elements() + (id * h.in + ih) * w.in + iw)];
        result.sum += v;
        ++result.count;
        if (result.tap < 0 || v > result.largest) {
          result.largest = v;
          result.tap = tap;
        }
      }
      body(static_cast<size_t>(at), result);
    }
  }
}

PoolAxis axis(int64_t in, int64_t kernel, int64_t stride, int64_t dilation, int64_t begin, int64_t end,
              bool ceil = false) {
  PoolAxis result{in, 0, kernel, stride, dilation, begin, end};
  result.out = (in + begin + end - (kernel - 1) * dilation - 1 + (ceil ? stride - 1 : 0)) / stride + 1;
  return result;
}

std::vector<Pool> pools() {
  const PoolAxis none;
  return {
      {3, {none, axis(8, 2, 2, 1, 0, 0), axis(16, 2, 2, 1, 0, 0)}},
      {3, {none, axis(9, 2, 2, 1, 0, 0), axis(27, 2, 2, 1, 0, 0)}},
      {2, {none, axis(4, 2, 2, 1, 0, 0), axis(6, 2, 2, 1, 0, 0)}},
      {2, {none, axis(14, 3, 2, 1, 1, 1), axis(34, 3, 2, 1, 1, 1)}},
      {2, {none, axis(14, 3, 1, 1, 1, 1), axis(12, 3, 1, 1, 1, 1)}},
      {2, {none, axis(11, 3, 3, 2, 2, 0, true), axis(43, 4, 3, 2, 1, 3, true)}},
      {2, {none, axis(5, 5, 1, 1, 0, 0), axis(7, 7, 1, 1, 0, 0)}},
      {1, {none, none, axis(40, 4, 2, 1, 0, 1, true)}},
      {1, {none, none, axis(5, 2, 5, 1, 4, 4, true)}},
      {2, {axis(6, 3, 2, 1, 1, 1), axis(7, 2, 1, 2, 0, 1), axis(20, 3, 2, 1, 1, 0)}},
      {1, {none, axis(40, 17, 3, 1, 0, 0), axis(40, 17, 2, 1, 0, 0)}},
  };
}

std::vector<float> random_plane(const Pool& pool, bool ties) {
  std::vector<float> x(static_cast<size_t>(pool.planes * pool.in_elements()));
  std::mt19937 random(5);
  for (float& v : x)
    v = ties ? static_cast<float>(random() % 3) : static_cast<float>(static_cast<int32_t>(random())) * 0x1p-31f;
  return x;
}

template <class Tap>
void check_max(const Pool& pool, bool ties) {
  const std::vector<float> x = random_plane(pool, ties);
  const size_t windows = static_cast<size_t>(pool.planes * pool.out_elements());
  std::vector<float> y(windows), alone(windows), dx(x.size(), 7), expected(x.size());
  std::vector<Tap> taps(windows);
  std::vector<int64_t> positions(windows);
  max_pool(pool, x.data(), y.data(), taps.data());
  max_pool<float, Tap>(pool, x.data(), alone.data(), nullptr);
  CHECK(y == alone);
  tap_positions(pool, taps.data(), false, positions.data());
  each_window(pool, x, [&](size_t i, const Window& window) {
    INFO("window " << i);
    REQUIRE(y[i] == window.largest);
    REQUIRE(taps[i] == static_cast<Tap>(window.tap));
    if (window.tap < 0) return;
    REQUIRE(x[static_cast<size_t>(positions[i])] == window.largest);
    expected[static_cast<size_t>(positions[i])] += y[i];
  });
  max_pool_grad(pool, y.data(), taps.data(), dx.data());
  CHECK(dx == expected);
}

}  // namespace

TEST_CASE("max_pool takes the first largest element of every window, and its gradient returns there") {
  for (const Pool& pool : pools()) {
    for (const bool ties : {false, true}) {
      INFO("width " << pool.axes[2].in << ", kernel " << pool.axes[2].kernel);
      if (pool.taps() <= 255) check_max<uint8_t>(pool, ties);
      check_max<int32_t>(pool, ties);
    }
  }
}

TEST_CASE("average_pool divides by what exists, or by what exists or is padding") {
  for (const Pool& pool : pools()) {
    for (const bool count_padding : {false, true}) {
      const std::vector<float> x = random_plane(pool, false);
      std::vector<float> y(static_cast<size_t>(pool.planes * pool.out_elements()));
      average_pool(pool, count_padding, x.data(), y.data());
      each_window(pool, x, [&](size_t i, const Window& window) {
        const int64_t count = count_padding ? window.padded : window.count;
        REQUIRE(y[i] ==
                Approx(window.sum / static_cast<double>(std::max<int64_t>(1, count))).epsilon(1e-4).margin(1e-5));
      });
    }
  }
}

TEST_CASE("max_pool passes NaN on and finds a tap among minus infinities") {
  const Pool pool{1, {PoolAxis{}, PoolAxis{}, axis(20, 2, 2, 1, 0, 0)}};
  std::vector<float> x(20, -std::numeric_limits<float>::infinity()), y(10);
  x[7] = std::numeric_limits<float>::quiet_NaN();
  std::vector<uint8_t> taps(10, 9);
  max_pool(pool, x.data(), y.data(), taps.data());
  CHECK(std::isnan(y[3]));
  CHECK(taps[3] == 1);
  CHECK(y[4] == -std::numeric_limits<float>::infinity());
  CHECK(taps[4] == 0);
}

}  // namespace marvin
