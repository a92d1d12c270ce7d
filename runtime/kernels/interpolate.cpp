#include "runtime/kernels/interpolate.h"

#include <algorithm>

#include "runtime/kernels/parallel.h"

namespace marvin {
namespace {

constexpr int64_t kShortRow = 8;  // below this many elements vectors are taken along the axis itself

// One row of `inner` elements.
template <class T>
MARVIN_CLONES void sum_row(const int64_t* index, const T* weight, int64_t taps, int64_t inner, const T* x, T* y) {
  const T* first = x + index[0] * inner;
  const T a = weight[0];
  if (taps == 1 && a == 1) {
    std::copy_n(first, inner, y);
  } else if (taps == 2) {
    const T* second = x + index[1] * inner;
    const T b = weight[1];
#pragma GCC ivdep
    for (int64_t i = 0; i < inner; ++i) y[i] = a * first[i] + b * second[i];
  } else {
#pragma GCC ivdep
    for (int64_t i = 0; i < inner; ++i) y[i] = a * first[i];
    for (int64_t t = 1; t < taps; ++t) {
      const T* row = x + index[t] * inner;
      const T b = weight[t];
#pragma GCC ivdep
      for (int64_t i = 0; i < inner; ++i) y[i] += b * row[i];
    }
  }
}

// All rows of one slice, of few elements each.
template <class T>
MARVIN_CLONES void sum_short_rows(const RowSums<T>& sums, int64_t inner, const T* x, T* y) {
  const int64_t taps = sums.taps;
  for (int64_t o = 0; o < sums.out; ++o) {
    const int64_t* index = sums.index + o * taps;
    const T* weight = sums.weight + o * taps;
    for (int64_t i = 0; i < inner; ++i) {
      T sum = weight[0] * x[index[0] * inner + i];
      for (int64_t t = 1; t < taps; ++t) sum += weight[t] * x[index[t] * inner + i];
      y[o * inner + i] = sum;
    }
  }
}

}  // namespace

template <class T>
void sum_rows(const RowSums<T>& sums, int64_t outer, int64_t inner, const T* x, T* y) {
  const bool is_short = inner < kShortRow;
  const int64_t tasks = is_short ? outer : outer * sums.out;
  [[maybe_unused]] const int64_t work = outer * sums.out * sums.taps * inner;
#pragma omp parallel for schedule(static) if (work >= kParallelElements)
  for (int64_t task = 0; task < tasks; ++task) {
    if (is_short) {
      sum_short_rows(sums, inner, x + task * sums.in * inner, y + task * sums.out * inner);
    } else {
      const int64_t o = task % sums.out;
      sum_row(sums.index + o * sums.taps, sums.weight + o * sums.taps, sums.taps, inner,
              x + task / sums.out * sums.in * inner, y + task * inner);
    }
  }
}
template void sum_rows(const RowSums<float>&, int64_t, int64_t, const float*, float*);
template void sum_rows(const RowSums<double>&, int64_t, int64_t, const double*, double*);

}  // namespace marvin
