#include "tests/ops/samples.h"

namespace marvin {

std::span<const Sample> reduce_samples() {
  static const std::vector<Sample> samples = {
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
       .graph = "graph g { input %x: f32[2,3,4,5] %y = ReduceMean(%x) {axes=[2,3]} output %y }"},
      {.name = "ReduceMean over all without axes kept",
       .graph = "graph g { input %x: f32[2,3] %y = ReduceMean(%x) {keepdims=0} output %y }"},
      {.name = "ReduceSumSquare",
       .graph = "graph g { input %x: f32[2,3,4] %y = ReduceSumSquare(%x) {axes=[1], keepdims=0} output %y }"},
      {.name = "ReduceL2",
       .graph = "graph g { input %x: f32[2,3,4] %y = ReduceL2(%x) {axes=[-1], keepdims=0} output %y }",
       .tolerance = 5e-3},
      {.name = "ReduceMax",
       .graph = "graph g { input %x: f32[2,3,4] %y = ReduceMax(%x) {axes=[0,2], keepdims=0} output %y }"},
      {.name = "ReduceMin", .graph = "graph g { input %x: f32[2,3,4] %y = ReduceMin(%x) {axes=[1]} output %y }"},
      {.name = "ArgMax and ArgMin",
       .graph = R"(graph g {
         input %x: f32[2,5,3]
         %most = ArgMax(%x) {axis=1, keepdims=0}
         %least = ArgMin(%x) {axis=-1, select_last_index=1}
         output %most output %least })",
       .differentiable = false},
  };
  return samples;
}

}  // namespace marvin
