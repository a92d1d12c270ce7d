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
      {.name = "QuantizeLinear of a tensor",
       .graph = R"(graph g {
         input %x: f32[3,70]
         constant %scale: f32[] = {0.05}
         constant %zero: u8[] = {100}
         %q = QuantizeLinear(%x, %scale, %zero)
         output %q })",
       .differentiable = false},
      {.name = "QuantizeLinear and back, per channel",
       .graph = R"(graph g {
         input %x: f32[2,3,5]
         constant %scale: f32[3] = {0.05, 0.01, 0.002}
         constant %zero: i16[3] = {1, 2, -3}
         %q = QuantizeLinear(%x, %scale, %zero) {axis=-2}
         constant %other: f32[3] = {0.05, 0.01, 0.003}
         %y = DequantizeLinear(%q, %other, %zero)
         output %y })",
       .differentiable = false},
      {.name = "QuantizeLinear and back, in blocks of which the last is shorter",
       .graph = R"(graph g {
         input %x: i32[2,5,2]
         constant %scale: f32[2,3,2] = {0.5, 0.25, 1.0, 2.0, 4.0, 0.125, 0.5, 0.25, 1.0, 2.0, 4.0, 0.125}
         %q = QuantizeLinear(%x, %scale) {block_size=2, output_dtype=4}
         %y = DequantizeLinear(%q, %scale) {block_size=2}
         output %y })",
       .differentiable = false},
      {.name = "FakeQuantize per channel",
       .graph = R"(graph g {
         input %x: f32[4,3]
         constant %scale: f32[3] = {0.05, 0.01, 0.002}
         constant %zero: f32[3] = {0.0, 1.0, -3.0}
         %y = FakeQuantize(%x, %scale, %zero)
         output %y })",
       .differentiable = false},
      {.name = "FakeQuantizeGrad",
       .graph = R"(graph g {
         input %dy: f32[4,6] input %x: f32[4,6]
         constant %scale: f32[4,3] = {0.5, 0.01, 0.002, 0.5, 0.01, 0.002, 0.5, 0.01, 0.002, 0.5, 0.01, 0.002}
         constant %zero: f32[4,3] = {0.0, 1.0, -3.0, 0.0, 1.0, -3.0, 0.0, 1.0, -3.0, 0.0, 1.0, -3.0}
         %dx = FakeQuantizeGrad(%dy, %x, %scale, %zero) {block_size=2, rounding_mode="HALF_UP", shift_first=1}
         output %dx })",
       .differentiable = false},
      {.name = "DynamicQuantizeLinear",
       .graph = R"(graph g {
         input %x: f32[4,6]
         %q, %scale, %zero = DynamicQuantizeLinear(%x)
         output %q output %scale output %zero })",
       .differentiable = false},
      {.name = "IntQuant per channel",
       .graph = R"(graph g {
         input %x: f32[2,3,2]
         constant %scale: f32[3,1] = {0.5, 0.25, 0.125}
         constant %zero: f32[] = {0.0}
         constant %width: f32[] = {3.0}
         %y = IntQuant(%x, %scale, %zero, %width) {narrow=1, rounding_mode="FLOOR"}
         output %y })",
       .differentiable = false},
      {.name = "BipolarQuant",
       .graph = R"(graph g {
         input %x: f32[2,3]
         constant %scale: f32[] = {0.5}
         %y = BipolarQuant(%x, %scale)
         output %y })",
       .differentiable = false},
  };
  return samples;
}

}  // namespace marvin
