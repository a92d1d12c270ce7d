#include "tests/ops/samples.h"

namespace marvin {

std::span<const Sample> softmax_samples() {
  static const std::vector<Sample> samples = {
      {.name = "Softmax", .graph = "graph g { input %x: f32[3,7] %y = Softmax(%x) output %y }", .low = -3, .high = 3},
      {.name = "Softmax along a middle axis",
       .graph = "graph g { input %x: f32[2,3,70] %y = Softmax(%x) {axis=1} output %y }",
       .low = -3,
       .high = 3},
      {.name = "SoftmaxGrad",
       .graph = "graph g { input %dy: f32[2,3] input %y: f32[2,3] %dx = SoftmaxGrad(%dy, %y) output %dx }",
       .differentiable = false},
      {.name = "Softmax of rows longer than a vector",
       .graph = "graph g { input %x: f32[3,39] %y = Softmax(%x) output %y }",
       .low = -3,
       .high = 3},
      {.name = "SoftmaxGrad of rows longer than a vector",
       .graph = "graph g { input %dy: f32[3,39] input %y: f32[3,39] %dx = SoftmaxGrad(%dy, %y) output %dx }",
       .differentiable = false},
      {.name = "LogSoftmax of rows longer than a piece",
       .graph = "graph g { input %x: f32[2,277] %y = LogSoftmax(%x) output %y }",
       .differentiable = false},
      {.name = "LogSoftmax",
       .graph = "graph g { input %x: f32[3,7] %y = LogSoftmax(%x) output %y }",
       .low = -3,
       .high = 3},
      {.name = "LogSoftmax along the first axis",
       .graph = "graph g { input %x: f32[4,3,5] %y = LogSoftmax(%x) {axis=0} output %y }",
       .low = -3,
       .high = 3},
      {.name = "LogSoftmaxGrad of rows longer than a vector",
       .graph = "graph g { input %dy: f32[2,39] input %y: f32[2,39] %dx = LogSoftmaxGrad(%dy, %y) output %dx }",
       .differentiable = false},
      {.name = "LogSoftmaxGrad",
       .graph = "graph g { input %dy: f32[2,3] input %y: f32[2,3] %dx = LogSoftmaxGrad(%dy, %y) output %dx }",
       .differentiable = false},
  };
  return samples;
}

}  // namespace marvin
