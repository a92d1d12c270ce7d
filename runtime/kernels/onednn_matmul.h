// Matrix products on oneDNN.
#pragma once

#include "runtime/kernels/gemm.h"
#include "runtime/kernels/onednn.h"

namespace marvin {

// y = op(a) op(b) * scale + bias, prepared: the scale and the bias [n] are given per run.
class OnednnMatmul {
 public:
  enum class Operands : uint8_t { f32, s8 };  // scaled is s8 alone

  // Whether there is a primitive for the shape: no empty extent, not too many leading axes; for s8 also that it is
  // exact.
  static bool admits(const GemmShape& shape, Operands operands);

  OnednnMatmul(const GemmShape& shape, Operands operands, bool biased);
  int64_t scratch_bytes() const { return scratch_bytes_; }
  void run(const void* a, const void* b, float scale, const float* bias, float* y, std::byte* scratch);

 private:
  OnednnCall call_;
  int64_t scratch_bytes_ = 0;
  int scale_argument_ = 0, bias_argument_ = 0;  // 0: there is none
};

}  // namespace marvin
