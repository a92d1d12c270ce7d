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

// Three vectors of the channels for each block.
constexpr int64_t kPartials = 3;
float* partials(std::byte* scratch, int64_t block, int64_t channels) {
  return reinterpret_cast<float*>(scratch) + block * kPartials * channels;
}
const float* partials(const std::byte* scratch, int64_t block, int64_t channels) {
  return reinterpret_cast<const float*>(scratch) + block * kPartials * channels;
}

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

// A vector of the channels, repeated so that loops over few channels are long. Of many channels it is the vector itself.
constexpr int64_t kRepeated = 256;
class Repeated {
 public:
  Repeated(const float* vector, int64_t channels) : data_(vector) {
    if (2 * channels > kRepeated) return;
    const int64_t count = repeats(channels) * channels;
    for (int64_t i = 0; i < count; i += channels) std::copy_n(vector, channels, copies_ + i);
    data_ = copies_;
  }
  static int64_t repeats(int64_t channels) { return std::max<int64_t>(1, kRepeated / channels); }
  const float* data() const { return data_; }

 private:
  float copies_[kRepeated];
  const float* data_;
};

// Calls body(first element, elements) for as many rows at once as vectors are repeated.
template <class Body>
void each_run(int64_t rows, int64_t channels, Body&& body) {
  const int64_t run = Repeated::repeats(channels);
  for (int64_t row = 0; row < rows; row += run) body(row * channels, std::min(run, rows - row) * channels);
}

MARVIN_CLONES void normalize_run(const float* x, int64_t count, const float* mean, const float* inv_std,
                                 const float* scale, const float* bias, float* y) {
#pragma GCC ivdep
  for (int64_t i = 0; i < count; ++i) y[i] = (x[i] - mean[i]) * (inv_std[i] * scale[i]) + bias[i];
}

MARVIN_CLONES void combine_run(const float* dy, const float* x, int64_t count, const float* mean, const float* inv_std,
                               const float* scale, const float* offset, const float* slope, float* dx) {
#pragma GCC ivdep
  for (int64_t i = 0; i < count; ++i) {
    dx[i] = inv_std[i] * scale[i] * (dy[i] - offset[i] - (x[i] - mean[i]) * slope[i]);
  }
}

void put(float* vector, int64_t channel, double value) {
  if (vector) vector[channel] = static_cast<float>(value);
}

// Mean and population variance of a channel from its blocks'.
struct Statistics {
  double mean = 0, variance = 0;
};
Statistics statistics_of(int64_t rows, int64_t channels, const std::byte* scratch, int64_t channel) {
  const double count = static_cast<double>(rows);
  const int64_t blocks = blocks_of(rows);
  const auto mean_of = [&](int64_t i) {
    const float* block = partials(scratch, i, channels) + channel;
    return static_cast<double>(block[0]) + block[channels];
  };
  const auto rows_of = [&](int64_t i) {
    return static_cast<double>(std::min(kNormalizationRows, rows - i * kNormalizationRows));
  };
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < blocks; ++i) sum += rows_of(i) * mean_of(i);
  const double mean = sum / count;
  for (int64_t i = 0; i < blocks; ++i) {
    const double away = mean_of(i) - mean;
    squares += partials(scratch, i, channels)[2 * channels + channel] + rows_of(i) * away * away;
  }
  return {mean, squares / count};
}

}  // namespace

int64_t batch_norm_scratch_bytes(int64_t rows, int64_t channels) {
  return blocks_of(rows) * kPartials * channels * static_cast<int64_t>(sizeof(float));
}

void batch_norm_moments(const float* x, int64_t rows, int64_t channels, std::byte* scratch, int64_t first) {
  each_block(rows, channels, [&](int64_t block, int64_t row, int64_t count) {
    float* sums = partials(scratch, first / kNormalizationRows + block, channels);
    block_moments(x + row * channels, count, channels, sums, sums + channels, sums + 2 * channels);
  });
}

void batch_norm_statistics(int64_t rows, int64_t channels, bool training, const BatchStatistics& args,
                           const std::byte* scratch) {
  const double kept = training ? args.momentum : 1;
  for (int64_t c = 0; c < channels; ++c) {
    const double given_mean = args.mean[c], given_variance = args.variance[c];
    const Statistics used =
        training ? statistics_of(rows, channels, scratch, c) : Statistics{given_mean, given_variance};
    put(args.batch_mean, c, used.mean);
    put(args.inv_std, c, 1 / std::sqrt(used.variance + args.epsilon));
    put(args.running_mean, c, kept * given_mean + (1 - kept) * used.mean);
    put(args.running_variance, c, kept * given_variance + (1 - kept) * used.variance);
  }
}

void batch_norm_rows(const float* x, int64_t rows, int64_t channels, const float* scale, const float* bias,
                     const float* mean, const float* inv_std, float* y) {
  const Repeated means(mean, channels), stds(inv_std, channels), scales(scale, channels), biases(bias, channels);
  each_block(rows, channels, [&](int64_t, int64_t row, int64_t count) {
    each_run(count, channels, [&](int64_t run, int64_t n) {
      const int64_t at = row * channels + run;
      normalize_run(x + at, n, means.data(), stds.data(), scales.data(), biases.data(), y + at);
    });
  });
}

void batch_norm_grad_sums(const float* dy, const float* x, const float* mean, int64_t rows, int64_t channels,
                          std::byte* scratch, int64_t first) {
  each_block(rows, channels, [&](int64_t block, int64_t row, int64_t count) {
    float* sums = partials(scratch, first / kNormalizationRows + block, channels);
    block_gradients(dy + row * channels, x + row * channels, mean, count, channels, sums, sums + channels);
  });
}

void batch_norm_gradients(int64_t rows, int64_t channels, bool constant_statistics, const float* inv_std,
                          const BatchNormGradients& args, const std::byte* scratch) {
  const double count = static_cast<double>(rows);
  for (int64_t c = 0; c < channels; ++c) {
    double dy = 0, dy_x = 0;
    for (int64_t i = 0; i < blocks_of(rows); ++i) {
      dy += partials(scratch, i, channels)[c];
      dy_x += partials(scratch, i, channels)[channels + c];
    }
    const double scale = inv_std[c];
    put(args.offset, c, constant_statistics ? 0 : dy / count);
    put(args.slope, c, constant_statistics ? 0 : dy_x / count * scale * scale);
    put(args.dscale, c, dy_x * scale);
    put(args.dbias, c, dy);
  }
}

void batch_norm_grad_rows(const float* dy, const float* x, int64_t rows, int64_t channels, const BatchNormGradRows& args,
                          float* dx) {
  const Repeated means(args.mean, channels), stds(args.inv_std, channels), scales(args.scale, channels),
      offsets(args.offset, channels), slopes(args.slope, channels);
  each_block(rows, channels, [&](int64_t, int64_t row, int64_t count) {
    each_run(count, channels, [&](int64_t run, int64_t n) {
      const int64_t at = row * channels + run;
      combine_run(dy + at, x + at, n, means.data(), stds.data(), scales.data(), offsets.data(), slopes.data(), dx + at);
    });
  });
}

}  // namespace marvin
