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
  };
  return samples;
}

}  // namespace marvin
