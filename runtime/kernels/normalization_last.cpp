#include "runtime/kernels/normalization_last.h"

#include <algorithm>
#include <cmath>

#include "runtime/kernels/parallel.h"
#include "runtime/kernels/scratch.h"

namespace marvin {
namespace {

// ---- Blocks of rows -------------------------------------------------------------------------------------------------

int64_t blocks_of(int64_t rows) { return ceil_div(rows, kNormalizationRows); }

// Calls body(block, first row, rows) for the blocks of `rows` rows, in parallel where there are many elements.
template <class Body>
void each_block(int64_t rows, int64_t channels, Body&& body) {
  const auto run = [&](int64_t block) {
    const int64_t first = block * kNormalizationRows;
    body(block, first, std::min(kNormalizationRows, rows - first));
  };
  const int64_t blocks = blocks_of(rows);
  if (rows * channels < kParallelElements) {
    for (int64_t block = 0; block < blocks; ++block) run(block);
    return;
  }
#pragma omp parallel for schedule(static)
  for (int64_t block = 0; block < blocks; ++block) run(block);
}

constexpr int64_t kSharedRows = 512;  // that a thread takes at once where there are no sums

// Three vectors of the channels for each block.
constexpr int64_t kPartials = 3;
float* partials(std::byte* scratch, int64_t block, int64_t channels) {
  return reinterpret_cast<float*>(scratch) + block * kPartials * channels;
}
const float* partials(const std::byte* scratch, int64_t block, int64_t channels) {
  return reinterpret_cast<const float*>(scratch) + block * kPartials * channels;
}

void put(float* vector, int64_t channel, double value) {
  if (vector) vector[channel] = static_cast<float>(value);
}

double rows_of(int64_t rows, int64_t block) {
  return static_cast<double>(std::min(kNormalizationRows, rows - block * kNormalizationRows));
}

// Two vectors of the channels in float64, behind the blocks'.
struct Totals {
  Totals(std::byte* scratch, int64_t rows, int64_t channels)
      : first(reinterpret_cast<double*>(scratch + ceil_div(blocks_of(rows) * kPartials * channels, 2) * 8)),
        second(first + channels) {}
  double *first, *second;
};

// Mean and population variance of every channel from its blocks'.
MARVIN_CLONES void combine_moments(int64_t rows, int64_t channels, const std::byte* scratch, double* mean,
                                   double* variance) {
  const double count = static_cast<double>(rows);
  for (int64_t c = 0; c < channels; ++c) mean[c] = variance[c] = 0;
  for (int64_t i = 0; i < blocks_of(rows); ++i) {
    const float* block = partials(scratch, i, channels);
    const double weight = rows_of(rows, i);
    for (int64_t c = 0; c < channels; ++c) mean[c] += weight * (static_cast<double>(block[c]) + block[channels + c]);
  }
  for (int64_t c = 0; c < channels; ++c) mean[c] /= count;
  for (int64_t i = 0; i < blocks_of(rows); ++i) {
    const float* block = partials(scratch, i, channels);
    const double weight = rows_of(rows, i);
    for (int64_t c = 0; c < channels; ++c) {
      const double away = static_cast<double>(block[c]) + block[channels + c] - mean[c];
      variance[c] += block[2 * channels + c] + weight * away * away;
    }
  }
  for (int64_t c = 0; c < channels; ++c) variance[c] /= count;
}

// The sums over the blocks of their first two vectors.
MARVIN_CLONES void add_blocks(int64_t rows, int64_t channels, const std::byte* scratch, double* first, double* second) {
  for (int64_t c = 0; c < channels; ++c) first[c] = second[c] = 0;
  for (int64_t i = 0; i < blocks_of(rows); ++i) {
    const float* block = partials(scratch, i, channels);
    for (int64_t c = 0; c < channels; ++c) {
      first[c] += block[c];
      second[c] += block[channels + c];
    }
  }
}

}  // namespace

int64_t batch_norm_scratch_bytes(int64_t rows, int64_t channels) {
  return (ceil_div(blocks_of(rows) * kPartials * channels, 2) + 2 * channels) * static_cast<int64_t>(sizeof(double));
}

void batch_norm_moments(const float* x, int64_t rows, int64_t channels, std::byte* scratch, int64_t first) {
  each_block(rows, channels, [&](int64_t block, int64_t row, int64_t count) {
    float* sums = partials(scratch, first / kNormalizationRows + block, channels);
    row_moments(x + row * channels, count, channels, sums, sums + channels, sums + 2 * channels);
  });
}

void batch_norm_statistics(int64_t rows, int64_t channels, bool training, const BatchStatistics& args,
                           std::byte* scratch) {
  const double kept = training ? args.momentum : 1;
  const Totals batch(scratch, rows, channels);
  if (training) combine_moments(rows, channels, scratch, batch.first, batch.second);
  for (int64_t c = 0; c < channels; ++c) {
    const double given_mean = args.mean[c], given_variance = args.variance[c];
    const double mean = training ? batch.first[c] : given_mean;
    const double variance = training ? batch.second[c] : given_variance;
    const double inv_std = 1 / std::sqrt(variance + args.epsilon);
    put(args.batch_mean, c, mean);
    put(args.inv_std, c, inv_std);
    put(args.factor, c, static_cast<float>(inv_std) * args.scale[c]);
    put(args.running_mean, c, kept * given_mean + (1 - kept) * mean);
    put(args.running_variance, c, kept * given_variance + (1 - kept) * variance);
  }
}

void batch_norm_rows(const float* x, int64_t rows, int64_t channels, const RowScaling& args, float* y) {
  parallel_blocks(rows * channels, kSharedRows * channels, [&](int64_t begin, int64_t end) {
    scale_rows(x + begin, (end - begin) / channels, channels, args, y + begin);
  });
}

void batch_norm_grad_sums(const float* dy, const float* x, const float* mean, int64_t rows, int64_t channels,
                          std::byte* scratch, int64_t first) {
  each_block(rows, channels, [&](int64_t block, int64_t row, int64_t count) {
    float* sums = partials(scratch, first / kNormalizationRows + block, channels);
    row_products(dy + row * channels, x + row * channels, mean, count, channels, sums, sums + channels);
  });
}

void batch_norm_gradients(int64_t rows, int64_t channels, bool constant_statistics, const BatchNormGradients& args,
                          std::byte* scratch) {
  const double count = static_cast<double>(rows);
  const Totals totals(scratch, rows, channels);
  add_blocks(rows, channels, scratch, totals.first, totals.second);
  for (int64_t c = 0; c < channels; ++c) {
    const double dy = totals.first[c], dy_x = totals.second[c];
    const double inv_std = args.inv_std[c];
    put(args.factor, c, args.scale[c] * args.inv_std[c]);
    put(args.offset, c, constant_statistics ? 0 : dy / count);
    put(args.slope, c, constant_statistics ? 0 : dy_x / count * inv_std * inv_std);
    put(args.dscale, c, dy_x * inv_std);
    put(args.dbias, c, dy);
  }
}

void batch_norm_grad_rows(const float* dy, const float* x, int64_t rows, int64_t channels, const RowCombination& args,
                          float* dx) {
  parallel_blocks(rows * channels, kSharedRows * channels, [&](int64_t begin, int64_t end) {
    combine_rows(dy + begin, x + begin, (end - begin) / channels, channels, args, dx + begin);
  });
}

}  // namespace marvin
