// Matrix products of words of one or two bytes by the 16-bit dot products of dot.h.
#pragma once

#include "runtime/kernels/dot.h"
#include "runtime/kernels/gemm.h"

namespace marvin {

// y = float32(exact sum) * scale.
class GemmWords {
 public:
  static bool admits(const GemmShape& shape);

  // Plans for the threads that OpenMP would use now.
  GemmWords(Gemm gemm, int b_bytes);
  int64_t scratch_bytes() const;
  // The words are of a_bits and b_bits, at most 8 or 16 by container. scale is a power of two.
  void run(Words a, int a_bits, Words b, int b_bits, float scale, float* y, std::byte* scratch) const;

 private:
  void pack_b(Words b, const DotScheme& scheme, int64_t first_pair, int64_t pairs, std::byte* const* packed) const;
  void pack_a(Words a, int64_t first_row, int64_t rows, int16_t* packed) const;
  void multiply(Words a, int64_t first_row, int64_t rows, const std::byte* const* packed_b, const DotScheme& scheme,
                float scale, float* y, std::byte* packed_a) const;

  Gemm gemm_;
  int b_bytes_;
  int threads_;
  int64_t pairs_;                            // of products in a sum
  int64_t block_;                            // rows of a task
  int64_t a_bytes_, b_packed_bytes_;         // of a task's rows, and of an item's b
  std::vector<int32_t> b_rows_, a_columns_;  // where row k of b, and of a transposed a, begins; -1 behind the last
};

}  // namespace marvin
