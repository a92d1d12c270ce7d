#include "tests/ops/samples.h"

namespace marvin {

std::span<const Sample> dropout_samples() {
  static const std::vector<Sample> samples = {
      {.name = "Dropout, training", .graph = R"(graph g {
         input %x: f32[3,7]
         constant %ratio: f32[] = {0.25}
         constant %training: bool[] = {1}
         %y, %mask = Dropout(%x, %ratio, %training)
         output %y output %mask })"},
      {.name = "Dropout, training, ratio left out", .graph = R"(graph g {
         input %x: f32[3,7]
         constant %training: bool[] = {1}
         %y = Dropout(%x, _, %training) {seed=3}
         output %y })"},
      {.name = "Dropout, inference", .graph = "graph g { input %x: f32[3,7] %y = Dropout(%x) output %y }"},
      {.name = "DropoutGrad",
       .graph = R"(graph g {
         input %dy: f32[3,7]
         constant %mask: bool[3,7] = {1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 1, 0}
         constant %ratio: f32[] = {0.25}
         constant %training: bool[] = {1}
         %dx = DropoutGrad(%dy, %mask, %ratio, %training)
         output %dx })",
       .differentiable = false},
  };
  return samples;
}

}  // namespace marvin
