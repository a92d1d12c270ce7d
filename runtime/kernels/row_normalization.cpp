#include "runtime/kernels/row_normalization.h"

#include <algorithm>
#include <cmath>

#include "runtime/kernels/moments.h"
#include "runtime/kernels/parallel.h"

namespace marvin {
namespace {

// ---- Elements of a row ----------------------------------------------------------------------------------------------

MARVIN_CLONES void normalize_elements(const float* x, int64_t count, float mean, float inv_std, const float* scale,
                                      const float* bias, float* y) {
  if (bias) {
#pragma GCC ivdep
    for (int64_t i = 0; i < count; ++i) y[i] = (x[i] - mean) * inv_std * scale[i] + bias[i];
  } else {
#pragma GCC ivdep
    for (int64_t i = 0; i < count; ++i) y[i] = (x[i] - mean) * inv_std * scale[i];
  }
}

MARVIN_CLONES void normalize_channel(const float* x, int64_t count, float mean, float factor, float bias, float* y) {
#pragma GCC ivdep
  for (int64_t i = 0; i < count; ++i) y[i] = (x[i] - mean) * factor + bias;
}

struct GradientSums {
  double g = 0, g_x = 0;  // sum g, sum g * (x - mean)
};

// Adds the sums of a block with g = dy * scale, or g = dy.
template <bool kScaled>
MARVIN_CLONES void add_block(const float* dy, const float* x, const float* scale, int64_t count, float mean,
                             GradientSums& total) {
  Lanes sum_a = {}, sum_b = {}, product_a = {}, product_b = {};
  float sum = 0, product = 0;
  int64_t i = 0;
  for (; i + 2 * kLanes <= count; i += 2 * kLanes) {
    const int64_t k = i + kLanes;
    const Lanes a = kScaled ? lanes_at(dy + i) * lanes_at(scale + i) : lanes_at(dy + i);
    const Lanes b = kScaled ? lanes_at(dy + k) * lanes_at(scale + k) : lanes_at(dy + k);
    sum_a += a;
    sum_b += b;
    product_a += a * (lanes_at(x + i) - mean);
    product_b += b * (lanes_at(x + k) - mean);
  }
  for (; i < count; ++i) {
    const float g = kScaled ? dy[i] * scale[i] : dy[i];
    sum += g;
    product += g * (x[i] - mean);
  }
  total.g += sum_of(sum_a, sum_b) + sum;
  total.g_x += sum_of(product_a, product_b) + product;
}

// dscale += dy * xhat, dbias += dy for the elements of a block, whose sums with g = dy * scale it adds to `total`.
MARVIN_CLONES void add_block_and_parameters(const float* dy, const float* x, const float* scale, int64_t count,
                                            float mean, float inv_std, float* dscale, float* dbias,
                                            GradientSums& total) {
  Lanes sum_a = {}, sum_b = {}, product_a = {}, product_b = {};
  float sum = 0, product = 0;
  const auto add = [&](int64_t i, Lanes & sums, Lanes & products) __attribute__((always_inline)) {
    const Lanes gradient = lanes_at(dy + i), away = lanes_at(x + i) - mean, g = gradient * lanes_at(scale + i);
    sums += g;
    products += g * away;
    add_lanes(dscale + i, gradient * (away * inv_std));
    add_lanes(dbias + i, gradient);
  };
  int64_t i = 0;
  for (; i + 2 * kLanes <= count; i += 2 * kLanes) {
    add(i, sum_a, product_a);
    add(i + kLanes, sum_b, product_b);
  }
  for (; i < count; ++i) {
    const float away = x[i] - mean, g = dy[i] * scale[i];
    sum += g;
    product += g * away;
    dscale[i] += dy[i] * (away * inv_std);
    dbias[i] += dy[i];
  }
  total.g += sum_of(sum_a, sum_b) + sum;
  total.g_x += sum_of(product_a, product_b) + product;
}

// How dx follows from g = dy * scale: factor * (g - offset - (x - mean) * slope).
struct Combination {
  float mean, factor, offset, slope;
};

MARVIN_CLONES void combine_elements(const float* dy, const float* x, const float* scale, int64_t count,
                                    const Combination& c, float* dx) {
  const float mean = c.mean, factor = c.factor, offset = c.offset, slope = c.slope;
#pragma GCC ivdep
  for (int64_t i = 0; i < count; ++i) dx[i] = factor * (dy[i] * scale[i] - offset - (x[i] - mean) * slope);
}

MARVIN_CLONES void combine_channel(const float* dy, const float* x, float scale, int64_t count, const Combination& c,
                                   float* dx) {
  const float mean = c.mean, factor = c.factor, offset = c.offset, slope = c.slope;
#pragma GCC ivdep
  for (int64_t i = 0; i < count; ++i) dx[i] = factor * (dy[i] * scale - offset - (x[i] - mean) * slope);
}

// ---- Rows -----------------------------------------------------------------------------------------------------------

template <class Body>
void each_row(const RowShape& shape, Body&& body) {
#pragma omp parallel for schedule(static) if (shape.elements() >= kParallelElements)
  for (int64_t row = 0; row < shape.rows; ++row) body(row);
}

// The rows of a gradient are summed in this many blocks, each into parameters of its own.
struct RowBlocks {
  static constexpr int64_t kMost = 64;
  static constexpr int64_t kElements = 1 << 21;  // of all blocks' parameters
  int64_t rows, count;

  explicit RowBlocks(const RowShape& shape)
      : rows(shape.rows),
        count(std::max<int64_t>(1, std::min({kMost, rows, kElements / std::max<int64_t>(1, shape.parameters())}))) {}
  int64_t begin(int64_t block) const { return rows * block / count; }
};

Combination combination_of(const RowShape& shape, const RowNormGrad& args, int64_t row, const GradientSums& sums) {
  const double count = static_cast<double>(shape.row_elements());
  const float inv_std = args.inv_std[row];
  const double offset = shape.centered ? sums.g / count : 0;
  return {shape.centered ? args.mean[row] : 0.0f, inv_std, static_cast<float>(offset),
          static_cast<float>(sums.g_x / count * inv_std * inv_std)};
}

// Every element has a scale of its own: parameters are summed over the rows of a block, then over the blocks.
void elementwise_grad(const RowShape& shape, const RowNormGrad& args, float* partials) {
  const RowBlocks blocks(shape);
  const int64_t size = shape.row_elements(), parameters = shape.parameters();
  const bool sums_parameters = args.dscale || args.dbias;
#pragma omp parallel for schedule(static) if (shape.elements() >= kParallelElements)
  for (int64_t block = 0; block < blocks.count; ++block) {
    float* dscale = partials + block * 2 * parameters;
    float* dbias = dscale + parameters;
    if (sums_parameters) std::fill_n(dscale, 2 * parameters, 0.0f);
    for (int64_t row = blocks.begin(block); row < blocks.begin(block + 1); ++row) {
      const float *dy = args.dy + row * size, *x = args.x + row * size;
      const int64_t first = row % shape.groups * shape.channels;
      const float* scale = args.scale + first;
      const float mean = shape.centered ? args.mean[row] : 0.0f;
      GradientSums sums;
      for (int64_t i = 0; i < size; i += MomentsBlock::kElements) {
        const int64_t count = std::min(MomentsBlock::kElements, size - i);
        if (sums_parameters) {
          add_block_and_parameters(dy + i, x + i, scale + i, count, mean, args.inv_std[row], dscale + first + i,
                                   dbias + first + i, sums);
        } else {
          add_block<true>(dy + i, x + i, scale + i, count, mean, sums);
        }
      }
      if (args.dx) combine_elements(dy, x, scale, size, combination_of(shape, args, row, sums), args.dx + row * size);
    }
  }
  const auto add_up = [&](const float* first, float* to) {
    if (!to) return;
    parallel_blocks(parameters, 1 << 12, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        double sum = 0;
        for (int64_t block = 0; block < blocks.count; ++block) sum += first[block * 2 * parameters + i];
        to[i] = static_cast<float>(sum);
      }
    });
  };
  add_up(partials, args.dscale);
  add_up(partials + parameters, args.dbias);
}

// Runs of elements have one scale: each is summed once, for dx and for its parameters.
void channelwise_grad(const RowShape& shape, const RowNormGrad& args, GradientSums* sums) {
  const int64_t channels = shape.channels, inner = shape.inner;
  each_row(shape, [&](int64_t row) {
    const float *dy = args.dy + row * shape.row_elements(), *x = args.x + row * shape.row_elements();
    const float* scale = args.scale + row % shape.groups * channels;
    const float mean = shape.centered ? args.mean[row] : 0.0f;
    GradientSums total;
    for (int64_t c = 0; c < channels; ++c) {
      GradientSums& channel = sums[row * channels + c];
      channel = {};
      for (int64_t i = c * inner; i < (c + 1) * inner; i += MomentsBlock::kElements)
        add_block<false>(dy + i, x + i, nullptr, std::min(MomentsBlock::kElements, (c + 1) * inner - i), mean, channel);
      total.g += channel.g * scale[c];
      total.g_x += channel.g_x * scale[c];
      channel.g_x *= args.inv_std[row];
    }
    if (!args.dx) return;
    const Combination combination = combination_of(shape, args, row, total);
    float* dx = args.dx + row * shape.row_elements();
    for (int64_t c = 0; c < channels; ++c)
      combine_channel(dy + c * inner, x + c * inner, scale[c], inner, combination, dx + c * inner);
  });
  for (int64_t i = 0; i < shape.parameters(); ++i) {
    GradientSums total;
    for (int64_t at = i; at < shape.rows * channels; at += shape.parameters()) {
      total.g += sums[at].g;
      total.g_x += sums[at].g_x;
    }
    if (args.dscale) args.dscale[i] = static_cast<float>(total.g_x);
    if (args.dbias) args.dbias[i] = static_cast<float>(total.g);
  }
}

}  // namespace

void row_norm(const RowShape& shape, const RowNorm& args) {
  const int64_t size = shape.row_elements();
  each_row(shape, [&](int64_t row) {
    const float* x = args.x + row * size;
    const Moments moments = moments_of(x, size);
    const double squares =
        shape.centered ? moments.squares : moments.squares + moments.count * moments.mean * moments.mean;
    const float mean = shape.centered ? static_cast<float>(moments.mean) : 0.0f;
    const float inv_std = static_cast<float>(1 / std::sqrt(squares / static_cast<double>(size) + args.epsilon));
    const int64_t first = row % shape.groups * shape.channels;
    float* y = args.y + row * size;
    if (shape.inner == 1) {
      normalize_elements(x, size, mean, inv_std, args.scale + first, args.bias ? args.bias + first : nullptr, y);
    } else {
      for (int64_t c = 0; c < shape.channels; ++c) {
        normalize_channel(x + c * shape.inner, shape.inner, mean, inv_std * args.scale[first + c],
                          args.bias ? args.bias[first + c] : 0.0f, y + c * shape.inner);
      }
    }
    if (args.mean) args.mean[row] = mean;
    if (args.inv_std) args.inv_std[row] = inv_std;
  });
}

int64_t row_norm_grad_scratch_bytes(const RowShape& shape) {
  if (shape.inner > 1) return shape.rows * shape.channels * static_cast<int64_t>(sizeof(GradientSums));
  return RowBlocks(shape).count * 2 * shape.parameters() * static_cast<int64_t>(sizeof(float));
}

void row_norm_grad(const RowShape& shape, const RowNormGrad& args, std::byte* scratch) {
  if (shape.inner > 1) return channelwise_grad(shape, args, reinterpret_cast<GradientSums*>(scratch));
  elementwise_grad(shape, args, reinterpret_cast<float*>(scratch));
}

}  // namespace marvin
