// Matrix products y = op(a) op(b), one or a batch, of dense row-major operands: on OpenBLAS, exactly for words, and by
// plain loops. y is [batch,m,n], op(a) [batch,m,k], op(b) [batch,k,n].
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/kernels/exact.h"

namespace marvin {

struct GemmShape {
  int64_t m = 0, n = 0, k = 0;
  bool trans_a = false, trans_b = false;  // a is stored [k,m], b is stored [n,k]
  // The leading extents: of equal rank, pairwise equal or 1, which broadcasts. None for a single product.
  std::vector<int64_t> a_batch, b_batch;

  std::vector<int64_t> batch() const;
};

// A shape and what every run with it needs, made at plan time.
struct Gemm {
  explicit Gemm(GemmShape shape);
  GemmShape shape;
  std::vector<int64_t> a_offsets, b_offsets;  // where each product of the batch finds its operands, in elements
  int64_t a_elements, b_elements, y_elements;
};

// y = alpha * y + beta * c in place, for one [m,n] y and c at c[i * c_row + j * c_column]; no c when it is null.
template <class T>
void gemm_epilogue(int64_t m, int64_t n, T alpha, T beta, const T* c, int64_t c_row, int64_t c_column, T* y);

// ---- OpenBLAS: m, n and k at least 1 and below 2^31 -----------------------------------------------------------------

void gemm_openblas(const Gemm& gemm, const float* a, const float* b, float* y);
void gemm_openblas(const Gemm& gemm, const double* a, const double* b, double* y);

// y = float32(exact sum) * scale in float32 containers, for words of one byte; see exact.h.
int64_t gemm_exact_f32_scratch_bytes(const Gemm& gemm);
void gemm_exact_f32(const Gemm& gemm, Words a, Words b, float scale, float* y, std::byte* scratch);

// The same in float64 containers, for all words.
int64_t gemm_exact_f64_scratch_bytes(const Gemm& gemm, int a_word_bytes, int b_word_bytes);
void gemm_exact_f64(const Gemm& gemm, Words a, Words b, float scale, float* y, std::byte* scratch);

// ---- Reference: any extents -----------------------------------------------------------------------------------------

// Sums in float64.
void gemm_reference(const Gemm& gemm, const float* a, const float* b, float* y);
void gemm_reference(const Gemm& gemm, const double* a, const double* b, double* y);
// y = float32(sum) * scale, summed in 128 bits.
void gemm_reference(const Gemm& gemm, Words a, Words b, float scale, float* y);

}  // namespace marvin
