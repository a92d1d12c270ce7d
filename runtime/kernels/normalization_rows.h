// What normalization_last.h does to a few rows, with AVX-512 where the machine has it. The bits are the same without.
#pragma once

#include <cstdint>

namespace marvin {

// Rows are summed as four sums, of every fourth row each, which are added in pairs.

// Of every channel's elements: the mean in float32, the mean of what they are away from that, and the sum of squares of
// what they are away from both together: the corrected two-pass algorithm.
void row_moments(const float* x, int64_t rows, int64_t channels, float* mean, float* rest, float* squares);

// Of every channel: the sums of dy, and of dy * (x - mean).
void row_products(const float* dy, const float* x, const float* mean, int64_t rows, int64_t channels, float* sum,
                  float* product);

// Of every channel: the sum of x.
void row_sums(const float* x, int64_t rows, int64_t channels, float* sum);

// y = (x - mean) * factor + bias.
struct RowScaling {
  const float *mean, *factor, *bias;
};
void scale_rows(const float* x, int64_t rows, int64_t channels, const RowScaling& args, float* y);

// dx = factor * (dy - offset - (x - mean) * slope).
struct RowCombination {
  const float *mean, *factor, *offset, *slope;
};
void combine_rows(const float* dy, const float* x, int64_t rows, int64_t channels, const RowCombination& args,
                  float* dx);

}  // namespace marvin
