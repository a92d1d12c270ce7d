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
      {.name = "ChannelSum", .graph = R"(graph g {
         input %x: f32[3,5,4,2] input %m: f32[4,3] input %long: f32[2,3,600]
         %y = ChannelSum(%x) %z = ChannelSum(%m) %s = ChannelSum(%long)
         output %y output %z output %s })"},
      {.name = "ChannelSum, channels-last",
       .graph = R"(graph g {
         input %x: f32[3,5,4,7] %last = Reorder(%x) {channels_last=1} %y = ChannelSum(%last) output %y })",
       .differentiable = false},
      {.name = "BatchNormStatistics and BatchNormApply, training",
       .graph = R"(graph g {
         input %x: f32[2,3,5,4]
         input %scale: f32[3]
         input %b: f32[3]
         input %mean: f32[3]
         input %var: f32[3]
         %last = Reorder(%x) {channels_last=1}
         %m, %i, %f, %rm, %rv = BatchNormStatistics(%last, %scale, %mean, %var) {training_mode=1, epsilon=0.1}
         %y = BatchNormApply(%last, %m, %f, %b)
         %rows = Reorder(%y)
         output %rows output %m output %i output %rm output %rv })",
       .low = 0.1f,
       .high = 2,
       .differentiable = false},
      {.name = "BatchNormStatistics, inference",
       .graph = R"(graph g {
         input %x: f32[2,3,5,4]
         input %scale: f32[3]
         input %mean: f32[3]
         input %var: f32[3]
         %last = Reorder(%x) {channels_last=1}
         %m, %i, %f, %rm, %rv = BatchNormStatistics(%last, %scale, %mean, %var)
         output %m output %i output %f output %rm output %rv })",
       .low = 0.1f,
       .high = 2,
       .differentiable = false},
      {.name = "BatchNormGradSums and BatchNormGradApply",
       .graph = R"(graph g {
         input %dy: f32[2,3,5,4]
         input %x: f32[2,3,5,4]
         input %scale: f32[3]
         input %mean: f32[3]
         input %inv_std: f32[3]
         %dl = Reorder(%dy) {channels_last=1}
         %xl = Reorder(%x) {channels_last=1}
         %ds, %db, %f, %o, %s = BatchNormGradSums(%dl, %xl, %scale, %mean, %inv_std) {training_mode=1}
         %dx = BatchNormGradApply(%dl, %xl, %mean, %f, %o, %s)
         %rows = Reorder(%dx)
         output %rows output %ds output %db })",
       .low = 0.1f,
       .differentiable = false},
      {.name = "Normalization, one scale per element, both statistics read",
       .graph = R"(graph g {
         input %x: f32[3,5,8]
         parameter %scale: f32[8]
         parameter %bias: f32[8]
         %y, %mean, %inv_std = Normalization(%x, %scale, %bias) {epsilon=0.1}
         output %y output %mean output %inv_std })",
       .tolerance = 5e-3},
      {.name = "Normalization, long rows, no scale",
       .graph = R"(graph g {
         input %x: f32[2,37,40]
         %y = Normalization(%x) {axis=1, epsilon=0.1}
         output %y })",
       .tolerance = 1e-2},
      {.name = "Normalization, not centered, per row",
       .graph = R"(graph g {
         input %x: f32[2,3,4,5]
         parameter %scale: f32[2,3,1,1]
         %y, _, %inv_std = Normalization(%x, %scale) {axis=-2, centered=0, epsilon=0.1}
         output %y output %inv_std })",
       .tolerance = 5e-3},
      {.name = "NormalizationGrad",
       .graph = R"(graph g {
         input %dy: f32[4,6]
         input %x: f32[4,6]
         input %inv_std: f32[4,1]
         input %mean: f32[4,1]
         input %scale: f32[6]
         %dx, %ds, %db = NormalizationGrad(%dy, %x, %inv_std, %mean, %scale) {axis=1}
         output %dx output %ds output %db })",
       .differentiable = false},
      {.name = "LayerNormalization",
       .graph = R"(graph g {
         input %x: f32[70,9]
         parameter %scale: f32[9]
         parameter %bias: f32[9]
         %y, %mean, %inv_std = LayerNormalization(%x, %scale, %bias) {epsilon=0.1}
         output %y output %mean output %inv_std })",
       .tolerance = 5e-3},
      {.name = "LayerNormalization, two axes, a scale for the inner one, no bias",
       .graph = R"(graph g {
         input %x: f32[2,3,4]
         parameter %scale: f32[4]
         %y = LayerNormalization(%x, %scale) {axis=1, epsilon=0.1}
         output %y })",
       .tolerance = 5e-3},
      {.name = "RMSNormalization",
       .graph = R"(graph g {
         input %x: f32[2,3,5]
         parameter %scale: f32[5]
         %y = RMSNormalization(%x, %scale) {epsilon=0.1}
         output %y })",
       .tolerance = 5e-3},
      {.name = "InstanceNormalization",
       .graph = R"(graph g {
         input %x: f32[2,3,4,5]
         parameter %scale: f32[3]
         parameter %bias: f32[3]
         %y = InstanceNormalization(%x, %scale, %bias) {epsilon=0.1}
         output %y })",
       .tolerance = 5e-3},
      {.name = "GroupNormalization",
       .graph = R"(graph g {
         input %x: f32[2,6,3,2]
         parameter %scale: f32[6]
         parameter %bias: f32[6]
         %y = GroupNormalization(%x, %scale, %bias) {num_groups=2, epsilon=0.1}
         output %y })",
       .tolerance = 5e-3},
      {.name = "GroupNormalization of vectors",
       .graph = R"(graph g {
         input %x: f32[3,6]
         parameter %scale: f32[6]
         parameter %bias: f32[6]
         %y = GroupNormalization(%x, %scale, %bias) {num_groups=2, epsilon=0.1}
         output %y })",
       .tolerance = 5e-3},
      {.name = "LRN, 0.75",
       .graph = "graph g { input %x: f32[2,7,3,5] %y = LRN(%x) {size=4, alpha=0.9, bias=0.5} output %y }"},
      {.name = "LRN, more neighbours than channels",
       .graph = "graph g { input %x: f32[2,3,300] %y = LRN(%x) {size=9, alpha=0.9, beta=0.6} output %y }"},
      {.name = "LRNGrad",
       .graph = "graph g { input %dy: f32[1,4,3] input %x: f32[1,4,3] %dx = LRNGrad(%dy, %x) {size=3} output %dx }",
       .differentiable = false},
  };
  return samples;
}

}  // namespace marvin
