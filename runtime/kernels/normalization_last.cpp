#include "runtime/kernels/normalization_last.h"

#include <algorithm>
#include <cmath>

#include "runtime/kernels/parallel.h"
#include "runtime/kernels/scratch.h"

namespace marvin {
namespace {

// ---- Blocks of rows -------------------------------------------------------------------------------------------------

constexpr int64_t kBlockRows = 32;  // few, since float32 sums of more lose what ten steps of a deep network show

struct RowBlocks {
  explicit RowBlocks(const ChannelShape& shape)
      : channels(shape.channels),
        rows(shape.batch * shape.inner),
        count(ceil_div(rows, kBlockRows)) {}
  int64_t rows_of(int64_t i) const { return std::min(kBlockRows, rows - i * kBlockRows); }

  // Calls body(index, rows, first element) for all blocks, in parallel.
  template <class Body>
  void each(Body&& body) const {
#pragma omp parallel for schedule(static) if (rows * channels >= kParallelElements)
    for (int64_t i = 0; i < count; ++i) body(i, rows_of(i), i * kBlockRows * channels);
  }

  int64_t channels, rows, count;
};

// By block and channel, and vectors by channel.
struct Partial {
  Partial(const RowBlocks& blocks, std::byte* scratch) {
    Carver carver(scratch);
    first = carver.take<float>(blocks.count * blocks.channels);
    second = carver.take<float>(blocks.count * blocks.channels);
    third = carver.take<float>(blocks.count * blocks.channels);
    for (float*& vector : vectors) vector = carver.take<float>(blocks.channels);
  }
  float *first, *second, *third;
  float* vectors[4];
};

// ---- Sums of a block ------------------------------------------------------------------------------------------------

// The mean is mean + rest, of which the first has been rounded: the corrected two-pass algorithm.
MARVIN_CLONES void block_moments(const float* x, int64_t rows, int64_t channels, float* mean, float* rest,
                                 float* squares) {
  for (int64_t c = 0; c < channels; ++c) mean[c] = rest[c] = squares[c] = 0;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < channels; ++c) mean[c] += x[r * channels + c];
  const float share = 1.0f / static_cast<float>(rows);
  for (int64_t c = 0; c < channels; ++c) mean[c] *= share;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < channels; ++c) {
      const float away = x[r * channels + c] - mean[c];
      rest[c] += away;
      squares[c] += away * away;
    }
  }
  for (int64_t c = 0; c < channels; ++c) {
    squares[c] -= rest[c] * rest[c] * share;
    rest[c] *= share;
  }
}

MARVIN_CLONES void block_gradients(const float* dy, const float* x, const float* mean, int64_t rows, int64_t channels,
                                   float* sum, float* product) {
  for (int64_t c = 0; c < channels; ++c) sum[c] = product[c] = 0;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t i = r * channels + c;
      sum[c] += dy[i];
      product[c] += dy[i] * (x[i] - mean[c]);
    }
  }
}

// ---- Rows -----------------------------------------------------------------------------------------------------------

MARVIN_CLONES void normalize_rows(const float* x, int64_t rows, int64_t channels, const float* mean,
                                  const float* factor, const float* bias, float* y) {
  for (int64_t r = 0; r < rows; ++r, x += channels, y += channels) {
#pragma GCC ivdep
    for (int64_t c = 0; c < channels; ++c) y[c] = (x[c] - mean[c]) * factor[c] + bias[c];
  }
}

MARVIN_CLONES void combine_rows(const float* dy, const float* x, int64_t rows, int64_t channels, const float* mean,
                                const float* factor, const float* offset, const float* slope, float* dx) {
  for (int64_t r = 0; r < rows; ++r, dy += channels, x += channels, dx += channels) {
#pragma GCC ivdep
    for (int64_t c = 0; c < channels; ++c) dx[c] = factor[c] * (dy[c] - offset[c] - (x[c] - mean[c]) * slope[c]);
  }
}

void put(float* vector, int64_t channel, double value) {
  if (vector) vector[channel] = static_cast<float>(value);
}

// Mean and population variance of a channel from its blocks'.
struct Statistics {
  double mean = 0, variance = 0;
};
Statistics statistics_of(const RowBlocks& blocks, const Partial& partial, int64_t channel) {
  const double count = static_cast<double>(blocks.rows);
  const auto mean_of = [&](int64_t i) {
    return static_cast<double>(partial.first[i * blocks.channels + channel]) +
           partial.third[i * blocks.channels + channel];
  };
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < blocks.count; ++i) sum += static_cast<double>(blocks.rows_of(i)) * mean_of(i);
  const double mean = sum / count;
  for (int64_t i = 0; i < blocks.count; ++i) {
    const double away = mean_of(i) - mean;
    squares += partial.second[i * blocks.channels + channel] + static_cast<double>(blocks.rows_of(i)) * away * away;
  }
  return {mean, squares / count};
}

}  // namespace

int64_t batch_norm_last_scratch_bytes(const ChannelShape& shape) {
  const RowBlocks blocks(shape);
  return 3 * Carver::bytes_of<float>(blocks.count * blocks.channels) + 4 * Carver::bytes_of<float>(blocks.channels);
}

void batch_norm_last(const ChannelShape& shape, bool training, const BatchNorm& args, std::byte* scratch) {
  const RowBlocks blocks(shape);
  const Partial partial(blocks, scratch);
  if (training) {
    blocks.each([&](int64_t i, int64_t rows, int64_t first) {
      const int64_t at = i * blocks.channels;
      block_moments(args.x + first, rows, blocks.channels, partial.first + at, partial.third + at, partial.second + at);
    });
  }
  const auto& [means, factors, biases, unused] = partial.vectors;
  for (int64_t c = 0; c < blocks.channels; ++c) {
    const double given_mean = args.mean[c], given_variance = args.variance[c];
    const Statistics used = training ? statistics_of(blocks, partial, c) : Statistics{given_mean, given_variance};
    const double inv_std = 1 / std::sqrt(used.variance + args.epsilon);
    means[c] = static_cast<float>(used.mean);
    factors[c] = static_cast<float>(inv_std) * args.scale[c];
    biases[c] = args.bias[c];
    put(args.saved_mean, c, used.mean);
    put(args.saved_inv_std, c, inv_std);
    const double kept = training ? args.momentum : 1;
    put(args.running_mean, c, kept * given_mean + (1 - kept) * used.mean);
    put(args.running_variance, c, kept * given_variance + (1 - kept) * used.variance);
  }
  blocks.each([&](int64_t, int64_t rows, int64_t first) {
    normalize_rows(args.x + first, rows, blocks.channels, means, factors, biases, args.y + first);
  });
}

void batch_norm_last_grad(const ChannelShape& shape, bool constant_statistics, const BatchNormGrad& args,
                          std::byte* scratch) {
  const RowBlocks blocks(shape);
  const Partial partial(blocks, scratch);
  const bool sums = !constant_statistics || args.dscale || args.dbias;
  if (sums) {
    blocks.each([&](int64_t i, int64_t rows, int64_t first) {
      block_gradients(args.dy + first, args.x + first, args.mean, rows, blocks.channels,
                      partial.first + i * blocks.channels, partial.second + i * blocks.channels);
    });
  }
  const auto& [means, factors, offsets, slopes] = partial.vectors;
  const double count = static_cast<double>(blocks.rows);
  for (int64_t c = 0; c < blocks.channels; ++c) {
    double dy = 0, dy_x = 0;
    for (int64_t i = 0; sums && i < blocks.count; ++i) {
      dy += partial.first[i * blocks.channels + c];
      dy_x += partial.second[i * blocks.channels + c];
    }
    const double inv_std = args.inv_std[c];
    means[c] = args.mean[c];
    factors[c] = args.scale[c] * args.inv_std[c];
    offsets[c] = constant_statistics ? 0 : static_cast<float>(dy / count);
    slopes[c] = constant_statistics ? 0 : static_cast<float>(dy_x / count * inv_std * inv_std);
    put(args.dscale, c, dy_x * inv_std);
    put(args.dbias, c, dy);
  }
  if (!args.dx) return;
  blocks.each([&](int64_t, int64_t rows, int64_t first) {
    combine_rows(args.dy + first, args.x + first, rows, blocks.channels, means, factors, offsets, slopes,
                 args.dx + first);
  });
}

}  // namespace marvin
