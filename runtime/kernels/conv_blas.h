// What the convolutions over OpenBLAS share: one product per call, on the calling thread's own matrices.
#pragma once

#include <cblas.h>

#include <cstddef>
#include <cstdint>

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

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Parts of a scratch buffer, one after the other, each aligned to a cache line.
class Carver {
 public:
  explicit Carver(std::byte* memory) : memory_(memory) {}
  template <class T>
  T* take(int64_t count) {
    T* part = reinterpret_cast<T*>(memory_);
    memory_ += bytes_of<T>(count);
    return part;
  }
  template <class T>
  static constexpr int64_t bytes_of(int64_t count) {
    return ceil_div(count * static_cast<int64_t>(sizeof(T)), 64) * 64;
  }

 private:
  std::byte* memory_;
};

}  // namespace marvin
