#include "tests/ops/samples.h"

namespace marvin {

std::span<const Sample> reduce_samples() {
  static const std::vector<Sample> samples = {
      {.name = "ReduceSum of rows", .graph = R"(graph g {
         input %x: f32[5,9,17] constant %axes: i64[2] = {0, 1} %y = ReduceSum(%x, %axes) output %y })"},
      {.name = "ReduceSum over n, h and w", .graph = R"(graph g {
         input %x: f32[3,4,5,6]
         constant %axes: i64[3] = {0, 2, -1}
         %y = ReduceSum(%x, %axes) {keepdims=0}
         output %y })"},
      {.name = "ReduceSum over leading axes",
       .graph = "graph g { input %x: f32[3,4,5] constant %axes: i64[2] = {0, 1} %y = ReduceSum(%x, %axes) output %y }"},
      {.name = "ReduceSum over all, in several blocks",
       .graph = "graph g { input %x: f32[5,41,100] %y = ReduceSum(%x) {keepdims=0} output %y }",
       .tolerance = 2e-2},
      {.name = "ReduceSum of many rows, in several blocks", .graph = R"(graph g {
         input %x: f32[2500,3]
         constant %axes: i64[1] = {0}
         %y = ReduceSum(%x, %axes)
         output %y })"},
      {.name = "ReduceSum over no axes",
       .graph = "graph g { input %x: f32[3,4] %y = ReduceSum(%x) {noop_with_empty_axes=1} output %y }"},
      {.name = "ReduceSum of integers",
       .graph = "graph g { input %x: i32[3,4] constant %axes: i64[1] = {1} %y = ReduceSum(%x, %axes) output %y }",
       .differentiable = false},
      {.name = "ReduceMean over h and w",
       .graph =
           "graph g { input %x: f32[2,3,4,5] constant %axes: i64[2] = {2, 3} %y = ReduceMean(%x, %axes) output %y }"},
      {.name = "ReduceMean over all without axes kept",
       .graph = "graph g { input %x: f32[2,3] %y = ReduceMean(%x) {keepdims=0} output %y }"},
      {.name = "ReduceMean over no axes",
       .graph = "graph g { input %x: f32[2,3] constant %axes: i64[0] = {} %y = ReduceMean(%x, %axes) "
                "{noop_with_empty_axes=1} output %y }"},
      {.name = "ReduceMean of unsigned integers",
       .graph = "graph g { input %x: u64[2,3] constant %axes: i64[1] = {1} %y = ReduceMean(%x, %axes) output %y }",
       .differentiable = false},
      {.name = "ReduceSumSquare",
       .graph = "graph g { input %x: f32[2,3,4] constant %axes: i64[1] = {1} %y = ReduceSumSquare(%x, %axes) "
                "{keepdims=0} output %y }"},
      {.name = "ReduceL1",
       .graph = "graph g { input %x: f32[2,3,4] constant %axes: i64[2] = {-1, 0} %y = ReduceL1(%x, %axes) {keepdims=0} "
                "output %y }"},
      {.name = "ReduceL2",
       .graph = "graph g { input %x: f32[2,3,4] constant %axes: i64[1] = {-1} %y = ReduceL2(%x, %axes) {keepdims=0} "
                "output %y }",
       .tolerance = 5e-3},
      {.name = "ReduceLogSum",
       .graph = "graph g { input %x: f32[2,3,4] constant %axes: i64[1] = {1} %y = ReduceLogSum(%x, %axes) output %y }",
       .low = 0.5},
      {.name = "ReduceLogSumExp",
       .graph = "graph g { input %x: f32[2,3,4] constant %axes: i64[2] = {0, 2} %y = ReduceLogSumExp(%x, %axes) "
                "{keepdims=0} output %y }",
       .low = -3,
       .high = 3},
      {.name = "ReduceLogSumExp of large numbers over all",
       .graph = "graph g { input %x: f32[2,3] %y = ReduceLogSumExp(%x) output %y }",
       .low = 90,
       .high = 92},
      {.name = "ReduceProd",
       .graph = "graph g { input %x: f32[2,3,4] constant %axes: i64[1] = {1} %y = ReduceProd(%x, %axes) {keepdims=0} "
                "output %y }",
       .low = 0.5,
       .high = 2},
      {.name = "ReduceProd with one zero, two and none", .graph = R"(graph g {
         input %x: f32[3,3]
         constant %m: f32[3,3] = {1, 0, 1, 0, 1, 0, 1, 1, 1}
         constant %axes: i64[1] = {1}
         %z = Mul(%x, %m)
         %p = ReduceProd(%z, %axes)
         %y = Add(%p, %x)
         output %y })"},
      {.name = "ReduceProd of integers",
       .graph = "graph g { input %x: i64[2,3] constant %axes: i64[1] = {1} %y = ReduceProd(%x, %axes) output %y }",
       .differentiable = false},
      {.name = "ReduceMax",
       .graph = "graph g { input %x: f32[2,3,4] constant %axes: i64[2] = {0, 2} %y = ReduceMax(%x, %axes) {keepdims=0} "
                "output %y }"},
      {.name = "ReduceMin",
       .graph = "graph g { input %x: f32[2,3,4] constant %axes: i64[1] = {1} %y = ReduceMin(%x, %axes) output %y }"},
      {.name = "ReduceMax of bools",
       .graph = "graph g { input %x: bool[2,3] constant %axes: i64[1] = {1} %y = ReduceMax(%x, %axes) output %y }",
       .differentiable = false},
      {.name = "ReduceMin of bytes over all",
       .graph = "graph g { input %x: u8[2,3] %y = ReduceMin(%x) output %y }",
       .differentiable = false},
      {.name = "ArgMax and ArgMin",
       .graph = R"(graph g {
         input %x: f32[2,5,3]
         %most = ArgMax(%x) {axis=1, keepdims=0}
         %least = ArgMin(%x) {axis=-1, select_last_index=1}
         output %most output %least })",
       .differentiable = false},
      {.name = "Hardmax",
       .graph = R"(graph g {
         input %x: f32[2,5,3]
         %y = Hardmax(%x)
         %z = Hardmax(%x) {axis=1}
         output %y output %z })",
       .differentiable = false},
      {.name = "CumSum",
       .graph = "graph g { input %x: f32[2,4,3] constant %axis: i64[] = {1} %y = CumSum(%x, %axis) output %y }"},
      {.name = "CumSum without itself, from the end", .graph = R"(graph g {
         input %x: f32[2,5]
         constant %axis: i32[1] = {-1}
         %y = CumSum(%x, %axis) {exclusive=1, reverse=1}
         output %y })"},
      {.name = "CumSum of integers",
       .graph = "graph g { input %x: i32[4,2] constant %axis: i64[] = {0} %y = CumSum(%x, %axis) output %y }",
       .differentiable = false},
      {.name = "Det", .graph = "graph g { input %x: f32[2,3,3] %y = Det(%x) output %y }"},
      {.name = "Det of a singular matrix", .graph = R"(graph g {
         input %x: f32[1,3]
         constant %shape: i64[2] = {3, 3}
         constant %bump: f32[3,3] = {1, 0, 0, 0, 2, 0, 0, 0, 0}
         %same = Expand(%x, %shape)
         %matrix = Add(%same, %bump)
         %y = Det(%matrix)
         output %y })"},
      {.name = "DetGrad",
       .graph = "graph g { input %dy: f32[2] input %x: f32[2,3,3] %dx = DetGrad(%dy, %x) output %dx }",
       .differentiable = false},
      {.name = "MeanVarianceNormalization",
       .graph = "graph g { input %x: f32[2,3,3,2] %y = MeanVarianceNormalization(%x) output %y }",
       .tolerance = 5e-3},
      {.name = "MeanVarianceNormalization over one axis",
       .graph = "graph g { input %x: f32[2,5] %y = MeanVarianceNormalization(%x) {axes=[-1]} output %y }",
       .tolerance = 2e-2},
      {.name = "LpNormalization",
       .graph = "graph g { input %x: f32[2,5] %y = LpNormalization(%x) output %y }",
       .tolerance = 5e-3},
      {.name = "LpNormalization by magnitudes",
       .graph = "graph g { input %x: f32[3,2] %y = LpNormalization(%x) {axis=0, p=1} output %y }",
       .tolerance = 5e-3},
  };
  return samples;
}

}  // namespace marvin
