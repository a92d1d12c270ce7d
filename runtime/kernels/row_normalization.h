// Normalization of row-major float32 rows by their own statistics: layer, group, instance and root-mean-square
// normalization. Rows are shared among threads and sums over rows are taken in blocks that depend on the shape alone,
// so results do not depend on how many threads there are.
#pragma once

#include <cstddef>
#include <cstdint>

namespace marvin {

// x[row][channel][i]: scale and bias of row r and channel c are those at (r % groups) * channels + c.
struct RowShape {
  int64_t rows = 1, channels = 1, inner = 1, groups = 1;
  bool centered = true;  // false: the mean is not taken away, and the variance is the mean square

  int64_t row_elements() const { return channels * inner; }
  int64_t elements() const { return rows * row_elements(); }
  int64_t parameters() const { return groups * channels; }
};

// y = (x - mean) * inv_std * scale + bias, inv_std = 1 / sqrt(population variance + epsilon). bias, mean[rows] and
// inv_std[rows] may be null. Outputs may be written over inputs of the same shape.
struct RowNorm {
  const float *x, *scale, *bias;
  float *y, *mean, *inv_std;
  double epsilon = 0;
};
void row_norm(const RowShape& shape, const RowNorm& args);

// The outputs may be null, and may be written over inputs. mean is null where rows are not centered.
struct RowNormGrad {
  const float *dy, *x, *scale, *mean, *inv_std;
  float *dx, *dscale, *dbias;
};

// With xhat = (x - mean) * inv_std and g = dy * scale: dx = inv_std * (g - mean of g - xhat * mean of (g * xhat)) over
// rows, without the second term where they are not centered; dscale = sum dy * xhat; dbias = sum dy.
int64_t row_norm_grad_scratch_bytes(const RowShape& shape);
void row_norm_grad(const RowShape& shape, const RowNormGrad& args, std::byte* scratch);

}  // namespace marvin
