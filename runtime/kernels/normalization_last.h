// Batch normalization of channels-last images, seen as rows of channels; see normalization.h for what is computed.
//
// Statistics and gradients are sums over rows, normalizing goes row by row: each takes all rows or, one after the other
// or at once, tiles of them. Rows are summed in float32 in blocks of fixed size, blocks in float64 in order, so results
// depend neither on tiles nor on the number of threads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/kernels/normalization_rows.h"

namespace marvin {

constexpr int64_t kNormalizationRows = 32;  // of a block; tiles begin at multiples of it

// Of scratch, in which the functions of a batch meet; `rows` are those of the batch.
int64_t batch_norm_scratch_bytes(int64_t rows, int64_t channels);

// Takes the moments of the rows from `first` on, at which x points.
void batch_norm_moments(const float* x, int64_t rows, int64_t channels, std::byte* scratch, int64_t first = 0);

// What a batch's moments make of the running statistics; outputs may be null, and may be written over inputs.
struct BatchStatistics {
  const float *scale, *mean, *variance;                                    // the latter two running
  float *batch_mean, *inv_std, *factor, *running_mean, *running_variance;  // factor = scale * inv_std
  double epsilon = 0;
  double momentum = 0;  // running = momentum * given + (1 - momentum) * of this batch
};
// By the batch's own mean and population variance; where not `training`, by those given.
void batch_norm_statistics(int64_t rows, int64_t channels, bool training, const BatchStatistics& args,
                           std::byte* scratch);

void batch_norm_rows(const float* x, int64_t rows, int64_t channels, const RowScaling& args, float* y);

// Takes the sums of dy and dy * (x - mean) over the rows from `first` on, at which dy and x point.
void batch_norm_grad_sums(const float* dy, const float* x, const float* mean, int64_t rows, int64_t channels,
                          std::byte* scratch, int64_t first = 0);

// The gradients of scale and bias, and what batch_norm_grad_rows takes beside the mean; all outputs may be null.
struct BatchNormGradients {
  const float *scale, *inv_std;
  float *dscale, *dbias, *factor, *offset, *slope;
};
void batch_norm_gradients(int64_t rows, int64_t channels, bool constant_statistics, const BatchNormGradients& args,
                          std::byte* scratch);

void batch_norm_grad_rows(const float* dy, const float* x, int64_t rows, int64_t channels, const RowCombination& args,
                          float* dx);

}  // namespace marvin
