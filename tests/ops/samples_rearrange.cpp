#include "tests/ops/samples.h"

namespace marvin {

std::span<const Sample> rearrange_samples() {
  static const std::vector<Sample> samples = {
      {.name = "TopK", .graph = R"(graph g {
         input %x: f32[3,7]
         constant %k: i64[1] = {3}
         %y, %i = TopK(%x, %k)
         output %y output %i })"},
      {.name = "TopK of the smallest along the first axis, values alone", .graph = R"(graph g {
         input %x: f32[5,2,3]
         constant %k: i64[1] = {2}
         %y = TopK(%x, %k) {axis=0, largest=0, sorted=0}
         output %y })"},
      {.name = "OneHot", .graph = R"(graph g {
         constant %i: i64[2,3] = {0, 2, -1, 5, -4, 1}
         constant %depth: i64[] = {3}
         parameter %values: f32[2]
         %y = OneHot(%i, %depth, %values)
         output %y })"},
      {.name = "OneHot along a middle axis, of bytes",
       .graph = R"(graph g {
         input %i: f32[2,3]
         constant %depth: f32[1] = {3.0}
         constant %values: u8[2] = {7, 9}
         %y = OneHot(%i, %depth, %values) {axis=1}
         output %y })",
       .differentiable = false},
      {.name = "Trilu, upper", .graph = "graph g { input %x: f32[2,3,4] %y = Trilu(%x) output %y }"},
      {.name = "Trilu, lower beside the diagonal",
       .graph = "graph g { input %x: f32[3,4] constant %k: i64[] = {-1} %y = Trilu(%x, %k) {upper=0} output %y }"},
      {.name = "ReverseSequence, time first", .graph = R"(graph g {
         input %x: f32[4,3,2]
         constant %lengths: i64[3] = {4, 1, 3}
         %y = ReverseSequence(%x, %lengths)
         output %y })"},
      {.name = "ReverseSequence, batch first", .graph = R"(graph g {
         input %x: f32[2,4]
         input %lengths: i64[2]
         %y = ReverseSequence(%x, %lengths) {batch_axis=0, time_axis=1}
         output %y })"},
      {.name = "DepthToSpace of depth last",
       .graph = "graph g { input %x: f32[2,8,2,3] %y = DepthToSpace(%x) {blocksize=2} output %y }"},
      {.name = "DepthToSpace of depth first",
       .graph = "graph g { input %x: f32[1,9,1,2] %y = DepthToSpace(%x) {blocksize=3, mode=\"CRD\"} output %y }"},
      {.name = "SpaceToDepth",
       .graph = "graph g { input %x: f32[2,2,4,6] %y = SpaceToDepth(%x) {blocksize=2} output %y }"},
      {.name = "Compress along an axis", .graph = R"(graph g {
         input %x: f32[2,4,2]
         constant %c: bool[3] = {1, 0, 1}
         %y = Compress(%x, %c) {axis=-2}
         output %y })"},
      {.name = "Compress of all elements", .graph = R"(graph g {
         input %x: f32[2,2]
         constant %c: bool[4] = {0, 1, 1, 0}
         %y = Compress(%x, %c)
         output %y })"},
      {.name = "NonZero",
       .graph = "graph g { constant %x: f32[2,2] = {1.0, -0.0, 0.0, 3.0} %y = NonZero(%x) output %y }",
       .differentiable = false},
      {.name = "Unique elements",
       .graph = R"(graph g {
         constant %x: i32[2,3] = {5, 3, 5, -1, 3, 5}
         %y, %first, %inverse, %counts = Unique(%x)
         output %y output %first output %inverse output %counts })",
       .differentiable = false},
      {.name = "Unique slices as they appear",
       .graph = R"(graph g {
         constant %x: f32[2,3] = {2.0, 1.0, 2.0, 0.5, 0.5, 0.5}
         %y, %first, %inverse, %counts = Unique(%x) {axis=1, sorted=0}
         output %y output %first output %inverse output %counts })",
       .differentiable = false},
      {.name = "NonMaxSuppression",
       .graph = R"(graph g {
         constant %boxes: f32[1,3,4] = {0.0, 0.0, 1.0, 1.0, 0.0, 0.1, 1.0, 1.1, 0.0, 10.0, 1.0, 11.0}
         constant %scores: f32[1,1,3] = {0.9, 0.75, 0.6}
         constant %most: i64[] = {3}
         constant %overlap: f32[] = {0.5}
         %y = NonMaxSuppression(%boxes, %scores, %most, %overlap)
         output %y })",
       .differentiable = false},
      {.name = "Col2Im with padding, stride and dilation", .graph = R"(graph g {
         input %x: f32[2,8,4]
         constant %image: i64[2] = {5, 4}
         constant %block: i64[2] = {2, 2}
         %y = Col2Im(%x, %image, %block) {dilations=[2,1], pads=[1,0,0,1], strides=[2,2]}
         output %y })"},
      {.name = "Col2Im of one axis", .graph = R"(graph g {
         input %x: f32[1,6,4]
         constant %image: i64[1] = {5}
         constant %block: i64[1] = {2}
         %y = Col2Im(%x, %image, %block)
         output %y })"},
      {.name = "Col2ImGrad",
       .graph = R"(graph g {
         input %dy: f32[1,1,3,3]
         constant %image: i64[2] = {3, 3}
         constant %block: i64[2] = {2, 2}
         %dx = Col2ImGrad(%dy, %image, %block)
         output %dx })",
       .differentiable = false},
  };
  return samples;
}

}  // namespace marvin
