#include "tests/ops/samples.h"

namespace marvin {

std::span<const Sample> quantize_samples() {
  static const std::vector<Sample> samples = {
      {.name = "Quantize, nearest",
       .graph = "graph g { input %x: f32[3,70] %q, %stats = Quantize(%x) output %q }",
       .differentiable = false},
      {.name = "Quantize, stochastic, channels last, 16 bits",
       .graph = R"(graph g {
         input %x: f32[2,5,9,9]
         %q, %stats = Quantize(%x) {storage="i16", channels_last=1, stochastic=1}
         output %q })",
       .differentiable = false},
      {.name = "Observe", .graph = "graph g { input %x: f32[2,3000] %s = Observe(%x) output %s }", .differentiable = false},
      {.name = "Sample", .graph = "graph g { input %x: f32[2,300] %s = Sample(%x) {limit=130} output %s }", .differentiable = false},
  };
  return samples;
}

}  // namespace marvin
