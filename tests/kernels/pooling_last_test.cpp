#include "runtime/kernels/pooling_last.h"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>

#include "runtime/kernels/layouts.h"

namespace marvin {
namespace {

// to[n][column][row] = from[n][row][column].
template <class T>
std::vector<T> transposed(const std::vector<T>& from, int64_t n, int64_t rows, int64_t columns) {
  std::vector<T> to(from.size());
  for (int64_t i = 0; i < n; ++i)
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c)
        to[static_cast<size_t>((i * columns + c) * rows + r)] = from[static_cast<size_t>((i * rows + r) * columns + c)];
  return to;
}

PoolAxis axis(int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation = 1) {
  return {.in = in,
          .out = (in + 2 * pad - (kernel - 1) * dilation - 1) / stride + 1,
          .kernel = kernel,
          .stride = stride,
          .dilation = dilation,
          .pad_begin = pad,
          .pad_end = pad};
}

}  // namespace

TEST_CASE("channels-last max pooling, its taps, positions and gradient are the row-major ones") {
  for (const int64_t channels : {1, 3, 6, 7, 13, 64, 70}) {
    for (const Pool& shape : {Pool{.axes = {axis(1, 1, 1, 0), axis(8, 2, 2, 0), axis(6, 2, 2, 0)}},
                              Pool{.axes = {axis(1, 1, 1, 0), axis(7, 3, 2, 1), axis(9, 3, 2, 1)}},
                              Pool{.axes = {axis(3, 2, 1, 0), axis(5, 2, 1, 0, 2), axis(6, 3, 3, 1)}},
                              Pool{.axes = {axis(1, 1, 1, 0), axis(17, 15, 1, 7), axis(18, 17, 1, 8)}},
                              Pool{.axes = {axis(1, 1, 1, 0), axis(1, 1, 1, 0), axis(3, 1, 1, 2)}}}) {
      Pool pool = shape;
      const int64_t n = 2, in = pool.in_elements(), out = pool.out_elements();
      pool.planes = n * channels;
      std::vector<float> x(static_cast<size_t>(pool.planes * in)), dy(static_cast<size_t>(pool.planes * out));
      std::mt19937 random(1);
      for (float& v : x) v = static_cast<float>(random() % 7);
      x[3 % x.size()] = NAN;
      x[1 % x.size()] = -std::numeric_limits<float>::infinity();
      for (float& v : dy) v = static_cast<float>(random() % 100) / 7;  // sums of which depend on the order
      std::vector<float> y(dy.size()), dx(x.size()), y_last(dy.size()), dx_last(x.size());
      std::vector<uint8_t> taps(dy.size()), taps_last(dy.size());
      std::vector<int64_t> positions(dy.size()), positions_last(dy.size());
      max_pool(pool, x.data(), y.data(), taps.data());
      tap_positions(pool, taps.data(), true, positions.data());
      max_pool_grad(pool, dy.data(), taps.data(), dx.data());
      max_pool_last(pool, channels, transposed(x, n, channels, in).data(), y_last.data(), taps_last.data());
      tap_positions_last(pool, channels, taps_last.data(), true, positions_last.data());
      max_pool_last_grad(pool, channels, transposed(dy, n, channels, out).data(), taps_last.data(), dx_last.data());
      INFO(channels << " channels, " << in << " elements");
      const auto same = [](const std::vector<float>& a, const std::vector<float>& b) {
        for (size_t i = 0; i < a.size(); ++i)
          if (std::bit_cast<uint32_t>(a[i]) != std::bit_cast<uint32_t>(b[i])) return false;
        return true;
      };
      CHECK(same(transposed(y_last, n, out, channels), y));
      CHECK(transposed(taps_last, n, out, channels) == taps);
      CHECK(positions_last == positions);
      CHECK(same(transposed(dx_last, n, in, channels), dx));
    }
  }
}

}  // namespace marvin
