#include "tests/ops/samples.h"

namespace marvin {

std::span<const Sample> normalization_samples() {
  static const std::vector<Sample> samples = {
      {.name = "BatchNormalization, training, images",
       .graph = R"(graph g {
         input %x: f32[4,3,3,5]
         parameter %scale: f32[3]
         parameter %b: f32[3]
         input %mean: f32[3]
         input %var: f32[3]
         %y, %m, %v = BatchNormalization(%x, %scale, %b, %mean, %var) {training_mode=1, epsilon=0.1}
         output %y })",
       .low = 0.1f,
       .high = 2,
       .tolerance = 5e-3},
      {.name = "BatchNormalization, training, vectors",
       .graph = R"(graph g {
         input %x: f32[6,4]
         parameter %scale: f32[4]
         parameter %b: f32[4]
         input %mean: f32[4]
         input %var: f32[4]
         %y = BatchNormalization(%x, %scale, %b, %mean, %var) {training_mode=1, epsilon=0.1}
         output %y })",
       .low = 0.1f,
       .high = 2,
       .tolerance = 5e-3},
      {.name = "BatchNormalization, inference",
       .graph = R"(graph g {
         input %x: f32[3,4,5]
         parameter %scale: f32[4]
         parameter %b: f32[4]
         constant %mean: f32[4] = {0.5, 1, 2, 3}
         constant %var: f32[4] = {0.5, 1, 2, 3}
         %y = BatchNormalization(%x, %scale, %b, %mean, %var)
         output %y })",
       .low = 0.1f,
       .high = 2},
      {.name = "BatchNormalizationGrad",
       .graph = R"(graph g {
         input %dy: f32[2,3,4]
         input %x: f32[2,3,4]
         input %scale: f32[3]
         input %mean: f32[3]
         input %inv_std: f32[3]
         %dx, %ds, %db = BatchNormalizationGrad(%dy, %x, %scale, %mean, %inv_std) {training_mode=1}
         output %dx output %ds output %db })",
       .low = 0.1f,
       .differentiable = false},
  };
  return samples;
}

}  // namespace marvin
