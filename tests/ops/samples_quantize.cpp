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
      {.name = "Quantize, stochastic, no image",
       .graph = "graph g { input %x: f32[2,5,300] %q, %stats = Quantize(%x) {image=0, stochastic=1} output %q }",
       .differentiable = false},
      {.name = "Dequantize",
       .graph = "graph g { input %x: f32[3,70] %q, _ = Quantize(%x) {storage=\"i16\"} %y = Dequantize(%q) output %y }",
       .differentiable = false},
      {.name = "Reorder there and back",
       .graph = R"(graph g {
         input %x: f32[2,7,5,9] %y = Reorder(%x) {channels_last=1} %z = Relu(%y) %back = Reorder(%z)
         output %back })",
       .differentiable = false},
      {.name = "Observe",
       .graph = "graph g { input %x: f32[2,3000] %s = Observe(%x) output %s }",
       .differentiable = false},
      {.name = "Sample",
       .graph = "graph g { input %x: f32[2,300] %s = Sample(%x) {limit=130} output %s }",
       .differentiable = false},
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
      {.name = "MatMulInteger with zero points per row and column",
       .graph = R"(graph g {
         input %a: u8[3,4] input %b: i8[4,2] input %a_zero: u8[3] input %b_zero: i8[2]
         %y = MatMulInteger(%a, %b, %a_zero, %b_zero)
         output %y })",
       .differentiable = false},
      {.name = "QLinearMatMul",
       .graph = R"(graph g {
         input %a: u8[2,3,4] input %b: i8[4,2]
         constant %a_scale: f32[] = {0.5} constant %a_zero: u8[] = {1}
         constant %b_scale: f32[2] = {0.5, 0.25} constant %b_zero: i8[2] = {1, -1}
         constant %y_scale: f32[] = {0.125} constant %y_zero: i8[] = {7}
         %y = QLinearMatMul(%a, %a_scale, %a_zero, %b, %b_scale, %b_zero, %y_scale, %y_zero)
         output %y })",
       .differentiable = false},
      {.name = "ConvInteger, grouped, strided, dilated, padded",
       .graph = R"(graph g {
         input %x: u8[2,4,7,6] input %w: u8[6,2,3,2] constant %x_zero: u8[] = {2} input %w_zero: u8[6]
         %y = ConvInteger(%x, %w, %x_zero, %w_zero) {group=2, strides=[2,1], dilations=[1,2], pads=[1,0,1,2]}
         output %y })",
       .differentiable = false},
      {.name = "QLinearConv of a sequence",
       .graph = R"(graph g {
         input %x: u8[1,2,8] input %w: i8[3,2,3] constant %bias: i32[3] = {10, -5, 0}
         constant %x_scale: f32[] = {0.5} constant %x_zero: u8[] = {1}
         constant %w_scale: f32[3] = {0.5, 0.25, 1.0} constant %w_zero: i8[3] = {0, 1, 2}
         constant %y_scale: f32[] = {0.25} constant %y_zero: u8[] = {100}
         %y = QLinearConv(%x, %x_scale, %x_zero, %w, %w_scale, %w_zero, %y_scale, %y_zero, %bias) {auto_pad="SAME_LOWER"}
         output %y })",
       .differentiable = false},
  };
  return samples;
}

}  // namespace marvin
