#include "tests/ops/samples.h"

namespace marvin {

std::span<const Sample> generator_samples() {
  static const std::vector<Sample> samples = {
      {.name = "EyeLike",
       .graph = R"(graph g {
         input %x: f32[3,4]
         %as_given = EyeLike(%x)
         %above = EyeLike(%x) {dtype=7, k=2}
         %outside = EyeLike(%x) {dtype=9, k=-9}
         output %as_given output %above output %outside })",
       .differentiable = false},
      {.name = "windows",
       .graph = R"(graph g {
         constant %size: i64[] = {9}
         constant %one: i32[] = {1}
         %hann = HannWindow(%size)
         %hamming = HammingWindow(%size) {periodic=0, output_datatype=11}
         %blackman = BlackmanWindow(%size) {periodic=0}
         %single = HannWindow(%one) {periodic=0}
         output %hann output %hamming output %blackman output %single })",
       .differentiable = false},
      {.name = "MelWeightMatrix",
       .graph = R"(graph g {
         constant %bands: i64[] = {8}
         constant %length: i64[] = {16}
         constant %rate: i64[] = {8192}
         constant %low: f32[] = {0}
         constant %high: f32[] = {4096}
         %y = MelWeightMatrix(%bands, %length, %rate, %low, %high)
         output %y })",
       .differentiable = false},
      {.name = "RandomNormal and RandomNormalLike",
       .graph = R"(graph g {
         input %x: f64[2,3]
         %y = RandomNormal() {mean=1.0, scale=0.5, seed=3.0, shape=[4,5]}
         %like = RandomNormalLike(%x)
         %half = RandomNormalLike(%x) {dtype=10}
         output %y output %like output %half })",
       .differentiable = false},
      {.name = "RandomUniform and RandomUniformLike",
       .graph = R"(graph g {
         input %x: f64[2,3]
         %y = RandomUniform() {low=1.0, high=3.0, seed=3.0, shape=[4,5]}
         %like = RandomUniformLike(%x) {dtype=1}
         output %y output %like })",
       .differentiable = false},
      {.name = "Bernoulli",
       .graph = R"(graph g {
         input %p: f32[7]
         %y = Bernoulli(%p)
         %z = Bernoulli(%p) {dtype=9, seed=1.0}
         output %y output %z })",
       .low = 0,
       .differentiable = false},
      {.name = "Multinomial",
       .graph = R"(graph g {
         input %x: f32[2,4]
         %y = Multinomial(%x) {sample_size=5}
         %z = Multinomial(%x) {sample_size=3, dtype=7}
         output %y output %z })",
       .differentiable = false},
  };
  return samples;
}

}  // namespace marvin
