// Weight gradients of batches: products of bytes whose sums are of few products, by the dot products of dot.h.
#pragma once

#include "runtime/kernels/dot.h"
#include "runtime/kernels/gemm.h"

namespace marvin {

// y = float32(exact sum) * scale + bias, of a single product with a stored transposed and b not.
class GemmBytes {
 public:
  // Whether it suits the machine and the shape: b stays in a core's cache.
  static bool admits(const GemmShape& shape);

  // Plans for the threads that OpenMP would use now.
  explicit GemmBytes(const GemmShape& shape);
  int64_t scratch_bytes() const;
  // scale is a power of two; bias, one per column, may be null.
  void run(const int8_t* a, const int8_t* b, float scale, const float* bias, float* y, std::byte* scratch) const;

 private:
  // What a run reads and writes.
  struct Call;
  void pack_columns(const Call& call, int64_t strip) const;
  void multiply(const Call& call, int64_t panel, std::byte* own) const;

  GemmShape shape_;
  int threads_;
  int64_t groups_;                        // of products in a sum
  int64_t strips_, strip_bytes_;          // of b's columns, interleaved
  int64_t panel_bytes_;                   // of a's rows, interleaved
  std::vector<int32_t> a_rows_, b_rows_;  // where row k of the transposed a, and of b, begins; -1 behind the last
};

}  // namespace marvin
