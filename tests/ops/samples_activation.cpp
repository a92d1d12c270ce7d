#include "tests/ops/samples.h"

namespace marvin {

std::span<const Sample> activation_samples() {
  static const std::vector<Sample> samples = {
      {.name = "Relu", .graph = "graph g { input %x: f32[2,30] %y = Relu(%x) output %y }"},
      {.name = "ReluGrad",
       .graph = "graph g { input %dy: f32[2,3] input %y: f32[2,3] %dx = ReluGrad(%dy, %y) output %dx }",
       .differentiable = false},
      {.name = "LeakyRelu", .graph = "graph g { input %x: f32[2,9] %y = LeakyRelu(%x) {alpha=0.3} output %y }"},
      {.name = "PRelu with one slope per channel", .graph = R"(graph g {
         input %x: f32[2,3,4]
         parameter %slope: f32[3,1]
         %y = PRelu(%x, %slope)
         output %y })"},
      {.name = "Elu", .graph = "graph g { input %x: f32[2,9] %y = Elu(%x) {alpha=0.7} output %y }"},
      {.name = "Sigmoid", .graph = "graph g { input %x: f32[2,9] %y = Sigmoid(%x) output %y }", .low = -3, .high = 3},
      {.name = "Tanh", .graph = "graph g { input %x: f32[2,9] %y = Tanh(%x) output %y }", .low = -2, .high = 2},
      {.name = "Softplus", .graph = "graph g { input %x: f32[2,9] %y = Softplus(%x) output %y }"},
      {.name = "HardSigmoid",
       .graph = "graph g { input %x: f32[2,9] %y = HardSigmoid(%x) {alpha=0.25} output %y }",
       .low = -4,
       .high = 4},
      {.name = "HardSwish",
       .graph = "graph g { input %x: f32[2,9] %y = HardSwish(%x) output %y }",
       .low = -5,
       .high = 5},
      {.name = "HardSwishGrad",
       .graph = "graph g { input %dy: f32[2,3] input %x: f32[2,3] %dx = HardSwishGrad(%dy, %x) output %dx }",
       .low = -5,
       .high = 5,
       .differentiable = false},
      {.name = "Clip on both sides", .graph = R"(graph g {
         input %x: f32[2,9]
         constant %min: f32[] = {-0.5}
         constant %max: f32[] = {0.25}
         %y = Clip(%x, %min, %max)
         output %y })"},
      {.name = "Clip from above",
       .graph = "graph g { input %x: f32[9] constant %max: f32[] = {0.25} %y = Clip(%x, _, %max) output %y }"},
      {.name = "ClipGrad",
       .graph = R"(graph g {
         input %dy: f32[9]
         input %x: f32[9]
         constant %min: f32[] = {0.0}
         %dx = ClipGrad(%dy, %x, %min)
         output %dx })",
       .differentiable = false},
      {.name = "Softsign", .graph = "graph g { input %x: f32[2,9] %y = Softsign(%x) output %y }", .low = -3, .high = 3},
      {.name = "ThresholdedRelu",
       .graph = "graph g { input %x: f32[2,9] %y = ThresholdedRelu(%x) {alpha=0.3} output %y }"},
      {.name = "Shrink", .graph = "graph g { input %x: f32[2,9] %y = Shrink(%x) {lambd=0.3, bias=0.1} output %y }"},
      {.name = "Shrink of integers",
       .graph = "graph g { input %x: i32[9] %y = Shrink(%x) {lambd=1.5, bias=1.0} output %y }",
       .differentiable = false},
      {.name = "Celu",
       .graph = "graph g { input %x: f32[2,9] %y = Celu(%x) {alpha=0.7} output %y }",
       .low = -2,
       .high = 2},
      {.name = "Selu", .graph = "graph g { input %x: f32[2,9] %y = Selu(%x) output %y }", .low = -2, .high = 2},
      {.name = "Selu with its own numbers",
       .graph = "graph g { input %x: f32[2,9] %y = Selu(%x) {alpha=0.5, gamma=2.0} output %y }",
       .low = -2,
       .high = 2},
      {.name = "Gelu", .graph = "graph g { input %x: f32[2,9] %y = Gelu(%x) output %y }", .low = -3, .high = 3},
      {.name = "Gelu by tanh",
       .graph = R"(graph g { input %x: f32[2,9] %y = Gelu(%x) {approximate="tanh"} output %y })",
       .low = -3,
       .high = 3},
      {.name = "GeluGrad",
       .graph = "graph g { input %dy: f32[2,3] input %x: f32[2,3] %dx = GeluGrad(%dy, %x) output %dx }",
       .differentiable = false},
      {.name = "Mish", .graph = "graph g { input %x: f32[2,9] %y = Mish(%x) output %y }", .low = -3, .high = 3},
      {.name = "Mish far from 0",
       .graph = "graph g { input %x: f32[9] %y = Mish(%x) output %y }",
       .low = 15,
       .high = 90},
      {.name = "MishGrad",
       .graph = "graph g { input %dy: f32[2,3] input %x: f32[2,3] %dx = MishGrad(%dy, %x) output %dx }",
       .differentiable = false},
      {.name = "Swish", .graph = "graph g { input %x: f32[2,9] %y = Swish(%x) output %y }", .low = -3, .high = 3},
      {.name = "Swish with its own slope",
       .graph = "graph g { input %x: f32[2,9] %y = Swish(%x) {alpha=1.7} output %y }",
       .low = -3,
       .high = 3},
      {.name = "SwishGrad",
       .graph = "graph g { input %dy: f32[2,3] input %x: f32[2,3] %dx = SwishGrad(%dy, %x) output %dx }",
       .differentiable = false},
  };
  return samples;
}

}  // namespace marvin
