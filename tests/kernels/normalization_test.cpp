#include "runtime/kernels/normalization.h"

#include <omp.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <random>
#include <vector>

#include "runtime/kernels/layouts.h"
#include "runtime/kernels/normalization_last.h"

namespace marvin {
namespace {

struct Statistics {
  double mean = 0, variance = 0;
};

// In float64, by definition.
Statistics statistics_of(const ChannelShape& shape, const std::vector<float>& x, int64_t channel) {
  std::vector<double> elements;
  for (int64_t n = 0; n < shape.batch; ++n)
    for (int64_t i = 0; i < shape.inner; ++i)
      elements.push_back(x[static_cast<size_t>((n * shape.channels + channel) * shape.inner + i)]);
  Statistics result;
  for (const double e : elements) result.mean += e / static_cast<double>(elements.size());
  for (const double e : elements)
    result.variance += (e - result.mean) * (e - result.mean) / static_cast<double>(elements.size());
  return result;
}

const std::vector<ChannelShape> kShapes = {{128, 3, 1},  {50, 2, 4},   {40, 2, 49}, {9, 3, 64},
                                           {3, 2, 1024}, {2, 2, 3000}, {1, 2, 1}};

}  // namespace

TEST_CASE("batch statistics are accurate where the mean is a thousand deviations away") {
  for (const ChannelShape& shape : kShapes) {
    std::vector<float> x(static_cast<size_t>(shape.elements()));
    std::mt19937 random(1);
    for (float& v : x) v = 1000 + static_cast<float>((random() >> 8) * 0x1p-24);
    const size_t channels = static_cast<size_t>(shape.channels);
    std::vector<float> ones(channels, 1), zeros(channels), y(x.size()), mean(channels), variance(channels),
        saved(channels), inv_std(channels);
    batch_norm_training(shape, {x.data(), ones.data(), zeros.data(), zeros.data(), zeros.data(), y.data(), mean.data(),
                                variance.data(), saved.data(), inv_std.data(), 1e-5, 0});
    for (int64_t c = 0; c < shape.channels; ++c) {
      const size_t i = static_cast<size_t>(c);
      const Statistics want = statistics_of(shape, x, c);
      INFO("inner " << shape.inner);
      CHECK(mean[i] == Approx(want.mean).epsilon(1e-7));
      CHECK(variance[i] == Approx(want.variance).epsilon(1e-5).margin(1e-9));
      CHECK(inv_std[i] == Approx(1 / std::sqrt(want.variance + 1e-5)).epsilon(1e-5));
      CHECK(saved[i] == mean[i]);
    }
  }
}

TEST_CASE("batch_norm_grad agrees with the formula in float64, for planes of every size") {
  for (const ChannelShape& shape : kShapes) {
    std::vector<float> x(static_cast<size_t>(shape.elements())), dy(x.size()), dx(x.size());
    std::mt19937 random(2);
    for (float& v : x) v = static_cast<float>((random() >> 8) * 0x1p-24);
    for (float& v : dy) v = static_cast<float>((random() >> 8) * 0x1p-24);
    const size_t channels = static_cast<size_t>(shape.channels);
    std::vector<float> scale(channels, 1.5f), mean(channels, 0.25f), inv_std(channels, 2), dscale(channels),
        dbias(channels);
    batch_norm_grad(
        shape, false,
        {dy.data(), x.data(), scale.data(), mean.data(), inv_std.data(), dx.data(), dscale.data(), dbias.data()});
    for (int64_t c = 0; c < shape.channels; ++c) {
      double sum = 0, product = 0;
      const auto each = [&](auto body) {
        for (int64_t n = 0; n < shape.batch; ++n)
          for (int64_t i = 0; i < shape.inner; ++i)
            body(static_cast<size_t>((n * shape.channels + c) * shape.inner + i));
      };
      each([&](size_t at) {
        sum += dy[at];
        product += dy[at] * (x[at] - 0.25) * 2;
      });
      INFO("inner " << shape.inner << ", batch " << shape.batch);
      CHECK(dbias[static_cast<size_t>(c)] == Approx(sum).epsilon(1e-5));
      CHECK(dscale[static_cast<size_t>(c)] == Approx(product).epsilon(1e-5));
      const double count = static_cast<double>(shape.batch * shape.inner);
      each([&](size_t at) {
        const double want = 1.5 * 2 * (dy[at] - (sum + (x[at] - 0.25) * 2 * product) / count);
        REQUIRE(dx[at] == Approx(want).epsilon(1e-5).margin(1e-5));
      });
    }
  }
}

TEST_CASE(
    "channels-last batch normalization and its gradient agree with the row-major ones, on any number of threads and in "
    "tiles") {
  for (const ChannelShape& shape : kShapes) {
    const size_t count = static_cast<size_t>(shape.elements()), channels = static_cast<size_t>(shape.channels);
    std::vector<float> x(count), dy(count), x_last(count), dy_last(count), back(count);
    std::mt19937 random(4);
    for (float& v : x) v = 1000 + static_cast<float>((random() >> 8) * 0x1p-24);
    for (float& v : dy) v = static_cast<float>((random() >> 8) * 0x1p-24 - 0.5);
    transpose_images(shape.batch, shape.channels, shape.inner, x.data(), x_last.data());
    transpose_images(shape.batch, shape.channels, shape.inner, dy.data(), dy_last.data());
    std::vector<float> scale(channels, 1.5f), bias(channels, 0.25f), zeros(channels);
    struct Results {
      std::vector<float> y, mean, variance, saved, inv_std, dx, dscale, dbias;
    };
    const int64_t pixels = shape.batch * shape.inner;
    std::vector<std::byte> scratch(static_cast<size_t>(batch_norm_scratch_bytes(pixels, shape.channels)) + 64);
    const auto row_major = [&] {
      Results r{std::vector<float>(count), zeros, zeros, zeros, zeros, std::vector<float>(count), zeros, zeros};
      const BatchNorm norm{x.data(),      scale.data(),      bias.data(),    zeros.data(),     zeros.data(), r.y.data(),
                           r.mean.data(), r.variance.data(), r.saved.data(), r.inv_std.data(), 1e-5,         0};
      batch_norm_training(shape, norm);
      batch_norm_grad(shape, false,
                      {dy.data(), x.data(), scale.data(), r.saved.data(), r.inv_std.data(), r.dx.data(),
                       r.dscale.data(), r.dbias.data()});
      return r;
    };
    // In tiles of so many rows.
    const auto channels_last = [&](int64_t tile) {
      Results r{std::vector<float>(count), zeros, zeros, zeros, zeros, std::vector<float>(count), zeros, zeros};
      std::vector<float> factor(channels), offset(channels), slope(channels);
      const int64_t c = shape.channels;
      const auto each_tile = [&](auto&& body) {
        for (int64_t row = 0; row < pixels; row += tile) body(row, row * c, std::min(tile, pixels - row));
      };
      each_tile([&](int64_t row, int64_t at, int64_t n) {
        batch_norm_moments(x_last.data() + at, n, c, scratch.data(), row);
      });
      batch_norm_statistics(pixels, c, true,
                            {scale.data(), zeros.data(), zeros.data(), r.saved.data(), r.inv_std.data(), factor.data(),
                             r.mean.data(), r.variance.data(), 1e-5, 0},
                            scratch.data());
      each_tile([&](int64_t, int64_t at, int64_t n) {
        batch_norm_rows(x_last.data() + at, n, c, {r.saved.data(), factor.data(), bias.data()}, r.y.data() + at);
      });
      each_tile([&](int64_t row, int64_t at, int64_t n) {
        batch_norm_grad_sums(dy_last.data() + at, x_last.data() + at, r.saved.data(), n, c, scratch.data(), row);
      });
      batch_norm_gradients(
          pixels, c, false,
          {scale.data(), r.inv_std.data(), r.dscale.data(), r.dbias.data(), factor.data(), offset.data(), slope.data()},
          scratch.data());
      each_tile([&](int64_t, int64_t at, int64_t n) {
        batch_norm_grad_rows(dy_last.data() + at, x_last.data() + at, n, c,
                             {r.saved.data(), factor.data(), offset.data(), slope.data()}, r.dx.data() + at);
      });
      return r;
    };
    omp_set_num_threads(1);
    const Results rows = row_major(), one = channels_last(pixels), tiled = channels_last(2 * kNormalizationRows);
    omp_set_num_threads(2);
    const Results two = channels_last(pixels);
    for (const Results* other : {&tiled, &two}) {
      CHECK(one.y == other->y);
      CHECK(one.dx == other->dx);
      CHECK(one.dscale == other->dscale);
      CHECK(one.variance == other->variance);
    }
    INFO("inner " << shape.inner << ", batch " << shape.batch);
    const auto close = [](const std::vector<float>& a, const std::vector<float>& b, double margin) {
      for (size_t i = 0; i < a.size(); ++i)
        if (!(std::abs(a[i] - b[i]) <= margin * std::max(1.0f, std::abs(b[i])))) return false;
      return true;
    };
    CHECK(close(one.mean, rows.mean, 1e-7));
    CHECK(close(one.variance, rows.variance, 1e-5));
    CHECK(close(one.inv_std, rows.inv_std, 1e-5));
    CHECK(close(one.dbias, rows.dbias, 1e-5));
    CHECK(close(one.dscale, rows.dscale, 1e-3));
    transpose_images(shape.batch, shape.inner, shape.channels, one.y.data(), back.data());
    CHECK(close(back, rows.y, 1e-3));
    transpose_images(shape.batch, shape.inner, shape.channels, one.dx.data(), back.data());
    CHECK(close(back, rows.dx, 1e-3));
  }
}

}  // namespace marvin
