#include "tests/ops/samples.h"

namespace marvin {

std::span<const Sample> elementwise_samples() {
  static const std::vector<Sample> samples = {
      {.name = "Relu", .graph = "graph g { input %x: f32[2,30] %y = Relu(%x) output %y }"},
      {.name = "ReluGrad",
       .graph = "graph g { input %dy: f32[2,3] input %y: f32[2,3] %dx = ReluGrad(%dy, %y) output %dx }",
       .differentiable = false},
  };
  return samples;
}

}  // namespace marvin
