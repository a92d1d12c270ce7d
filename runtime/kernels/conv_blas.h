// What the convolutions over OpenBLAS share: one product per call, on the calling thread's own matrices, and the way in
// which the work is shared out.
#pragma once

#include <cblas.h>
#include <omp.h>

#include <algorithm>

#include "runtime/kernels/conv_taps.h"
#include "runtime/kernels/scratch.h"

namespace marvin {

// Row-major c[m][n] = a * b + beta * c, where a is [m][k], or [k][m] when transposed, and b is [k][n] or [n][k].
// Leading dimensions are the rows' lengths in memory. Inside a parallel region OpenBLAS stays on the calling thread.
inline void multiply(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float* a, int64_t lda,
                     const float* b, int64_t ldb, float beta, float* c, int64_t ldc) {
  cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans,
              static_cast<int>(m), static_cast<int>(n), static_cast<int>(k), 1.0f, a, static_cast<int>(lda), b,
              static_cast<int>(ldb), beta, c, static_cast<int>(ldc));
}
inline void multiply(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const double* a, int64_t lda,
                     const double* b, int64_t ldb, double beta, double* c, int64_t ldc) {
  cblas_dgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans,
              static_cast<int>(m), static_cast<int>(n), static_cast<int>(k), 1.0, a, static_cast<int>(lda), b,
              static_cast<int>(ldb), beta, c, static_cast<int>(ldc));
}

// Tasks in parallel on at most `threads` threads, each of which has `bytes` of scratch memory of its own.
struct Workers {
  int threads;
  std::byte* scratch;
  int64_t bytes;

  // Calls body(task, memory) for the tasks of [0, count).
  template <class Body>
  void run(int64_t count, Body&& body) const {
#pragma omp parallel for schedule(static) num_threads(std::min(threads, omp_get_max_threads()))
    for (int64_t task = 0; task < count; ++task) body(task, Carver(scratch + omp_get_thread_num() * bytes));
  }
};

// Calls body(group, begin, end, memory) for the output pixels of every group, `tile` at a time.
template <class Body>
void for_each_tile(const TapConv& conv, int64_t tile, const Workers& workers, Body&& body) {
  const int64_t tiles = ceil_div(conv.pixels(), tile);
  workers.run(tiles * conv.groups, [&](int64_t task, Carver memory) {
    const int64_t begin = task % tiles * tile;
    body(task / tiles, begin, std::min(begin + tile, conv.pixels()), memory);
  });
}

// How a weight gradient is shared out.
struct WeightGradSplit {
  int64_t slices = 1;      // of the pixels, each with its own sums
  int64_t out_blocks = 1;  // of a group's output channels
  int64_t tile = 1;        // pixels per product
};

// One slice and one block of output channels: outs of them, from first_out of the group on.
struct WeightGradTask {
  int64_t group, first_out, outs;
  int64_t first_tile, last_tile;  // both included
  int64_t sums;                   // where they begin, in elements
};

// Calls body(task, memory) for all of them.
template <class Body>
void for_each_slice(const TapConv& conv, const WeightGradSplit& split, const Workers& workers, Body&& body) {
  const int64_t tiles = ceil_div(conv.pixels(), split.tile);
  workers.run(split.slices * conv.groups * split.out_blocks, [&](int64_t task, Carver memory) {
    const int64_t slice = task % split.slices;
    const int64_t group = task / split.slices % conv.groups;
    const int64_t block = task / split.slices / conv.groups;
    const int64_t first_out = conv.out * block / split.out_blocks;
    body(WeightGradTask{.group = group,
                        .first_out = first_out,
                        .outs = conv.out * (block + 1) / split.out_blocks - first_out,
                        .first_tile = tiles * slice / split.slices,
                        .last_tile = tiles * (slice + 1) / split.slices - 1,
                        .sums = slice * conv.weight_elements() + (group * conv.out + first_out) * conv.depth()},
         memory);
  });
}

}  // namespace marvin
