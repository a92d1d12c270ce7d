#include "tests/ops/samples.h"

namespace marvin {

std::span<const Sample> pooling_samples() {
  static const std::vector<Sample> samples = {
      {.name = "MaxPool, 2 x 2",
       .graph = R"(graph g { input %x: f32[2,3,6,9] %y = MaxPool(%x) {kernel_shape=[2,2], strides=[2,2]} output %y })",
       .low = -4,
       .high = 4},
      {.name = "MaxPool, 2 x 2, with indices and taps",
       .graph = R"(graph g {
         input %x: f32[1,2,4,20]
         %y, %indices, %taps = MaxPool(%x) {kernel_shape=[2,2], strides=[2,2]}
         output %y output %indices output %taps })",
       .low = -4,
       .high = 4},
      {.name = "MaxPool, overlapping, padded, ceil_mode",
       .graph = R"(graph g {
         input %x: f32[1,2,6,14]
         %y = MaxPool(%x) {kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1], ceil_mode=1}
         output %y })",
       .low = -4,
       .high = 4},
      {.name = "MaxPool, dilated, column-major indices",
       .graph = R"(graph g {
         input %x: f32[1,2,7,9]
         %y, %indices = MaxPool(%x) {kernel_shape=[2,3], dilations=[2,3], storage_order=1}
         output %y output %indices })",
       .low = -4,
       .high = 4},
      {.name = "MaxPool of one axis, auto_pad",
       .graph = R"(graph g {
         input %x: f32[2,3,11]
         %y = MaxPool(%x) {kernel_shape=[4], strides=[3], auto_pad="SAME_LOWER"}
         output %y })",
       .low = -4,
       .high = 4},
      {.name = "MaxPool of three axes, large windows",
       .graph = R"(graph g {
         input %x: f32[1,2,7,9,8]
         %y, _, %taps = MaxPool(%x) {kernel_shape=[7,7,7], pads=[0,1,1,0,0,0]}
         output %y output %taps })",
       .low = -8,
       .high = 8},
      {.name = "MaxPoolGrad",
       .graph = R"(graph g {
         input %dy: f32[1,2,2,2]
         input %taps: u8[1,2,2,2]
         %dx = MaxPoolGrad(%dy, %taps) {kernel_shape=[2,2], strides=[2,2], input_shape=[1,2,4,5]}
         output %dx })",
       .differentiable = false},
      {.name = "AveragePool, overlapping, padded", .graph = R"(graph g {
         input %x: f32[1,2,8,9]
         %y = AveragePool(%x) {kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]}
         output %y })"},
      {.name = "AveragePool, counting padding, ceil_mode", .graph = R"(graph g {
         input %x: f32[1,2,8,9]
         %y = AveragePool(%x) {kernel_shape=[3,2], strides=[3,1], pads=[1,1,0,1], ceil_mode=1, count_include_pad=1}
         output %y })"},
      {.name = "AveragePool of one axis, auto_pad", .graph = R"(graph g {
         input %x: f32[2,3,150]
         %y = AveragePool(%x) {kernel_shape=[2], auto_pad="SAME_UPPER"}
         output %y })"},
      {.name = "AveragePoolGrad",
       .graph = R"(graph g {
         input %dy: f32[1,2,2,2]
         %dx = AveragePoolGrad(%dy) {kernel_shape=[2,2], strides=[2,2], input_shape=[1,2,4,5]}
         output %dx })",
       .differentiable = false},
      {.name = "GlobalMaxPool",
       .graph = "graph g { input %x: f32[2,3,5,7] %y = GlobalMaxPool(%x) output %y }",
       .low = -4,
       .high = 4},
      {.name = "GlobalMaxPool of a large plane",
       .graph = "graph g { input %x: f32[1,2,300] %y, %taps = GlobalMaxPool(%x) output %y output %taps }",
       .differentiable = false},
      {.name = "GlobalAveragePool", .graph = "graph g { input %x: f32[2,3,5,7] %y = GlobalAveragePool(%x) output %y }"},
      {.name = "GlobalAveragePoolGrad",
       .graph = R"(graph g {
         input %dy: f32[2,3,1,1]
         %dx = GlobalAveragePoolGrad(%dy) {input_shape=[2,3,5,7]}
         output %dx })",
       .differentiable = false},
      {.name = "MaxUnpool", .graph = R"(graph g {
         input %x: f32[1,2,2,2]
         constant %indices: i64[1,2,2,2] = {1, 2, 8, 11, 20, 19, 24, 27}
         constant %shape: i64[4] = {1, 2, 5, 6}
         %y = MaxUnpool(%x, %indices) {kernel_shape=[2,2], strides=[2,2]}
         %z = MaxUnpool(%x, %indices, %shape) {kernel_shape=[2,2], strides=[2,2]}
         output %y output %z })"},
      {.name = "MaxPool of bytes",
       .graph = R"(graph g {
         input %x: u8[1,2,5,9]
         input %z: i8[1,2,5,9]
         %a, %indices = MaxPool(%x) {kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]}
         %b = MaxPool(%z) {kernel_shape=[2,2]}
         output %a output %indices output %b })",
       .differentiable = false},
      {.name = "AveragePool, dilated, counting padding, ceil_mode", .graph = R"(graph g {
         input %x: f32[1,2,7,9]
         %y = AveragePool(%x) {kernel_shape=[3,2], strides=[2,2], dilations=[2,3], pads=[1,1,1,1], ceil_mode=1,
                               count_include_pad=1}
         output %y })"},
      {.name = "LpPool, Euclidean, dilated",
       .graph = R"(graph g {
         input %x: f32[1,2,6,7]
         %y = LpPool(%x) {kernel_shape=[2,3], strides=[1,2], dilations=[2,1], pads=[0,1,1,0]}
         output %y })",
       .tolerance = 5e-3},
      {.name = "LpPool, p of 1 and 3",
       .graph = R"(graph g {
         input %x: f32[1,2,9]
         %one = LpPool(%x) {kernel_shape=[3], strides=[2], p=1, ceil_mode=1}
         %three = LpPool(%x) {kernel_shape=[2], auto_pad="SAME_UPPER", p=3}
         output %one output %three })",
       .tolerance = 5e-3},
      {.name = "LpPoolGrad",
       .graph = R"(graph g {
         input %dy: f32[1,1,2,2]
         input %x: f32[1,1,4,4]
         input %y: f32[1,1,2,2]
         %dx = LpPoolGrad(%dy, %x, %y) {kernel_shape=[2,2], strides=[2,2]}
         output %dx })",
       .differentiable = false},
      {.name = "GlobalLpPool",
       .graph = "graph g { input %x: f32[2,3,2,2,2,2] %y = GlobalLpPool(%x) {p=3} output %y }",
       .tolerance = 5e-3},
      {.name = "GlobalMaxPool and GlobalAveragePool of four axes",
       .graph = R"(graph g {
         input %x: f32[2,3,2,2,3,2]
         %max = GlobalMaxPool(%x)
         %mean = GlobalAveragePool(%x)
         output %max output %mean })",
       .low = -8,
       .high = 8},
  };
  return samples;
}

}  // namespace marvin
