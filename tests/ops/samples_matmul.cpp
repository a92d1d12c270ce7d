#include "tests/ops/samples.h"

namespace marvin {

std::span<const Sample> matmul_samples() {
  static const std::vector<Sample> samples = {
      {.name = "Gemm",
       .graph = "graph g { input %x: f32[4,5] parameter %w: f32[3,5] parameter %b: f32[3] "
                "%y = Gemm(%x, %w, %b) {transB=1} output %y }"},
      {.name = "Gemm, no c", .graph = "graph g { input %a: f32[4,5] input %b: f32[5,3] %y = Gemm(%a, %b) output %y }"},
      {.name = "Gemm, a transposed, scaled, c per row",
       .graph = "graph g { input %a: f32[5,4] input %b: f32[5,3] input %c: f32[4,1] "
                "%y = Gemm(%a, %b, %c) {transA=1, alpha=0.5, beta=-2.0} output %y }"},
      {.name = "Gemm, both transposed, c full",
       .graph = "graph g { input %a: f32[5,4] input %b: f32[3,5] input %c: f32[4,3] "
                "%y = Gemm(%a, %b, %c) {transA=1, transB=1, alpha=3.0} output %y }"},
      {.name = "Gemm, scalar c",
       .graph = "graph g { input %a: f32[2,7] input %b: f32[7,2] input %c: f32[] %y = Gemm(%a, %b, %c) output %y }"},
      {.name = "Gemm, quantized",
       .graph = "graph g { input %a: i8[9,33] input %b: i8[7,33] input %c: f32[7] "
                "%y = Gemm(%a, %b, %c) {transB=1} output %y }",
       .differentiable = false},
      {.name = "Gemm, 8 by 16 bits",
       .graph = "graph g { input %a: i8[9,33] input %b: i16[33,7] %y = Gemm(%a, %b) output %y }",
       .differentiable = false},
      {.name = "MatMul", .graph = "graph g { input %a: f32[4,5] input %b: f32[5,3] %y = MatMul(%a, %b) output %y }"},
      {.name = "MatMul, vector by vector",
       .graph = "graph g { input %a: f32[5] input %b: f32[5] %y = MatMul(%a, %b) output %y }"},
      {.name = "MatMul, vector by matrices",
       .graph = "graph g { input %a: f32[5] input %b: f32[2,5,3] %y = MatMul(%a, %b) output %y }"},
      {.name = "MatMul, matrices by vector",
       .graph = "graph g { input %a: f32[2,4,5] input %b: f32[5] %y = MatMul(%a, %b) output %y }"},
      {.name = "MatMul, matrices by one matrix",
       .graph = "graph g { input %a: f32[2,3,4,5] input %b: f32[5,3] %y = MatMul(%a, %b) output %y }"},
      {.name = "MatMul, matrices by one transposed matrix",
       .graph = "graph g { input %a: f32[2,4,5] input %b: f32[3,5] %y = MatMul(%a, %b) {transB=1} output %y }"},
      {.name = "MatMul, transposed matrices by one matrix",
       .graph = "graph g { input %a: f32[2,5,4] input %b: f32[5,3] %y = MatMul(%a, %b) {transA=1} output %y }"},
      {.name = "MatMul, attention scores",
       .graph = "graph g { input %q: f32[2,3,4,5] input %k: f32[2,3,6,5] %y = MatMul(%q, %k) {transB=1} output %y }"},
      {.name = "MatMul, batches broadcast both ways",
       .graph = "graph g { input %a: f32[2,1,4,5] input %b: f32[3,5,2] %y = MatMul(%a, %b) output %y }"},
      {.name = "MatMul, one matrix by matrices",
       .graph = "graph g { input %a: f32[4,5] input %b: f32[3,5,2] %y = MatMul(%a, %b) output %y }"},
      {.name = "MatMul, both transposed, batched",
       .graph =
           "graph g { input %a: f32[3,5,4] input %b: f32[3,2,5] %y = MatMul(%a, %b) {transA=1, transB=1} output %y }"},
      {.name = "MatMul, quantized attention",
       .graph = "graph g { input %q: i8[2,3,4,5] input %k: i8[2,3,6,5] %y = MatMul(%q, %k) {transB=1} output %y }",
       .differentiable = false},
      {.name = "MatMul, 24 by 16 bits, broadcast",
       .graph = "graph g { input %a: i32[2,1,4,5] input %b: i16[3,5,2] %y = MatMul(%a, %b) output %y }",
       .differentiable = false},
  };
  return samples;
}

}  // namespace marvin
