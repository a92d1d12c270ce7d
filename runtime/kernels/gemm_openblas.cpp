#include <cblas.h>
#include <omp.h>

#include <algorithm>

#include "runtime/kernels/gemm.h"
#include "runtime/kernels/scratch.h"

namespace marvin {
namespace {

void blas(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, int m, int n, int k, const float* a, int lda, const float* b, int ldb,
          float* y) {
  cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, 1, a, lda, b, ldb, 0, y, n);
}

void blas(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, int m, int n, int k, const double* a, int lda, const double* b,
          int ldb, double* y) {
  cblas_dgemm(CblasRowMajor, ta, tb, m, n, k, 1, a, lda, b, ldb, 0, y, n);
}

// The products over k in [begin, end). A batch that can occupy every thread is spread over them, one product to each.
template <class T>
void multiply(const Gemm& gemm, const T* a, const T* b, T* y, int64_t begin, int64_t end) {
  const GemmShape& s = gemm.shape;
  const CBLAS_TRANSPOSE ta = s.trans_a ? CblasTrans : CblasNoTrans, tb = s.trans_b ? CblasTrans : CblasNoTrans;
  const int m = static_cast<int>(s.m), n = static_cast<int>(s.n), k = static_cast<int>(end - begin);
  const int lda = static_cast<int>(s.trans_a ? s.m : s.k), ldb = static_cast<int>(s.trans_b ? s.k : s.n);
  const T* a_begin = a + begin * (s.trans_a ? s.m : 1);
  const T* b_begin = b + begin * (s.trans_b ? 1 : s.n);
  const int64_t batch = static_cast<int64_t>(gemm.a_offsets.size());
#pragma omp parallel for schedule(static) if (batch > 1 && batch >= omp_get_max_threads())
  for (int64_t i = 0; i < batch; ++i) {
    const size_t item = static_cast<size_t>(i);
    blas(ta, tb, m, n, k, a_begin + gemm.a_offsets[item], lda, b_begin + gemm.b_offsets[item], ldb, y + i * s.m * s.n);
  }
}

constexpr int64_t kPadding = 3 * 64;  // what the roundings of Carver can add up to
constexpr int64_t kByteChunk = exact_chunk_f32(8, 8);

}  // namespace

void gemm_openblas(const Gemm& gemm, const float* a, const float* b, float* y) {
  multiply(gemm, a, b, y, 0, gemm.shape.k);
}

void gemm_openblas(const Gemm& gemm, const double* a, const double* b, double* y) {
  multiply(gemm, a, b, y, 0, gemm.shape.k);
}

int64_t gemm_exact_f32_scratch_bytes(const Gemm& gemm) {
  const int64_t sum_bytes = sum_for_f32(gemm.shape.k) == Sum::f32 ? 0 : 8;
  return (gemm.a_elements + gemm.b_elements) * 4 + gemm.y_elements * sum_bytes + kPadding;
}

void gemm_exact_f32(const Gemm& gemm, Words a, Words b, float scale, float* y, std::byte* scratch) {
  Carver carver(scratch);
  float* a_wide = carver.take<float>(gemm.a_elements);
  float* b_wide = carver.take<float>(gemm.b_elements);
  double* sums = carver.take<double>(gemm.y_elements);
  const Sum sum = sum_for_f32(gemm.shape.k);
  widen(a, gemm.a_elements, a_wide);
  widen(b, gemm.b_elements, b_wide);
  for (int64_t begin = 0; begin < gemm.shape.k; begin += kByteChunk) {
    multiply(gemm, a_wide, b_wide, y, begin, std::min(begin + kByteChunk, gemm.shape.k));
    if (sum != Sum::f32) add_part(y, gemm.y_elements, begin == 0, sums);
  }
  round_sums(sum == Sum::f32 ? static_cast<const void*>(y) : sums, sum, gemm.y_elements, scale, y);
}

int64_t gemm_exact_f64_scratch_bytes(const Gemm& gemm, int a_word_bytes, int b_word_bytes) {
  const Sum sum = sum_for_f64(gemm.shape.k, word_bits(a_word_bytes), word_bits(b_word_bytes));
  const int64_t sum_bytes = sum == Sum::f64 ? 0 : bytes_of(sum);
  return (gemm.a_elements + gemm.b_elements) * 8 + gemm.y_elements * (8 + sum_bytes) + kPadding;
}

void gemm_exact_f64(const Gemm& gemm, Words a, Words b, float scale, float* y, std::byte* scratch) {
  const int a_bits = word_bits(a.bytes), b_bits = word_bits(b.bytes);
  const Sum sum = sum_for_f64(gemm.shape.k, a_bits, b_bits);
  const int64_t chunk = exact_chunk_f64(a_bits, b_bits);
  Carver carver(scratch);
  double* a_wide = carver.take<double>(gemm.a_elements);
  double* b_wide = carver.take<double>(gemm.b_elements);
  double* part = carver.take<double>(gemm.y_elements);
  void* sums = sum == Sum::f64 ? static_cast<void*>(part) : carver.rest();
  widen(a, gemm.a_elements, a_wide);
  widen(b, gemm.b_elements, b_wide);
  for (int64_t begin = 0; begin < gemm.shape.k; begin += chunk) {
    multiply(gemm, a_wide, b_wide, part, begin, std::min(begin + chunk, gemm.shape.k));
    if (sum != Sum::f64) add_part(part, gemm.y_elements, begin == 0, sum, sums);
  }
  round_sums(sums, sum, gemm.y_elements, scale, y);
}

}  // namespace marvin
