// Weighted sums along one axis: what resizing an axis is, and its gradient.
#pragma once

#include <cstdint>

namespace marvin {

// Row o of the output is the sum of weight[o][t] * row index[o][t] of the input.
template <class T>
struct RowSums {
  int64_t in = 1, out = 1, taps = 1;
  const int64_t* index;  // [out][taps], in [0, in)
  const T* weight;       // [out][taps]
};

// y[outer][out][inner] from x[outer][in][inner]. Terms are added in the order of the taps.
template <class T>
void sum_rows(const RowSums<T>& sums, int64_t outer, int64_t inner, const T* x, T* y);

}  // namespace marvin
