#include "tests/ops/samples.h"

namespace marvin {

std::span<const Sample> index_samples() {
  static const std::vector<Sample> samples = {
      {.name = "Slice with steps", .graph = R"(graph g {
         input %x: f32[4,7]
         constant %starts: i64[2] = {3, 1}
         constant %ends: i64[2] = {-9, 100}
         constant %axes: i64[2] = {0, -1}
         constant %steps: i64[2] = {-2, 3}
         %y = Slice(%x, %starts, %ends, %axes, %steps)
         output %y })"},
      {.name = "Slice of the first axes", .graph = R"(graph g {
         input %x: f32[4,7]
         constant %starts: i32[1] = {1}
         constant %ends: i32[1] = {-1}
         %y = Slice(%x, %starts, %ends)
         output %y })"},
      {.name = "SliceGrad",
       .graph = R"(graph g {
         input %dy: f32[2]
         constant %shape: i64[1] = {5}
         constant %starts: i64[1] = {1}
         constant %ends: i64[1] = {3}
         %dx = SliceGrad(%dy, %shape, %starts, %ends)
         output %dx })",
       .differentiable = false},
      {.name = "Concat", .graph = R"(graph g {
         input %a: f32[2,3,2]
         input %b: f32[2,1,2]
         %y = Concat(%a, %b, %a) {axis=-2}
         output %y })"},
      {.name = "Concat of shapes",
       .graph = R"(graph g {
         constant %a: i64[1] = {2}
         constant %b: i64[2] = {-1, 3}
         %y = Concat(%a, %b) {axis=0}
         output %y })",
       .differentiable = false},
      {.name = "Split in equal parts",
       .graph = "graph g { input %x: f32[2,6] %a, %b, %c = Split(%x) {axis=1} output %a output %b output %c }"},
      {.name = "Split in given parts, of which one is not read", .graph = R"(graph g {
         input %x: f32[6,2]
         constant %parts: i64[3] = {1, 3, 2}
         %a, %b, %c = Split(%x, %parts)
         output %a output %c })"},
      {.name = "Split in a number of parts, of which the last is shorter",
       .graph = "graph g { input %x: f32[2,5] %a, %b = Split(%x) {axis=-1, num_outputs=2} output %a output %b }"},
      {.name = "Pad with zeros", .graph = R"(graph g {
         input %x: f32[2,3]
         constant %pads: i64[4] = {1, 2, 0, -1}
         %y = Pad(%x, %pads)
         output %y })"},
      {.name = "Pad with a value", .graph = R"(graph g {
         input %x: f32[2,3]
         constant %pads: i64[4] = {0, 1, 0, 1}
         parameter %value: f32[1]
         %y = Pad(%x, %pads, %value)
         output %y })"},
      {.name = "Pad by reflection", .graph = R"(graph g {
         input %x: f32[2,3,4]
         constant %pads: i64[6] = {0, 2, 1, 0, 1, 3}
         %y = Pad(%x, %pads) {mode="reflect"}
         output %y })"},
      {.name = "Pad by repeating the edge", .graph = R"(graph g {
         input %x: f32[2,3]
         constant %pads: i64[4] = {1, 2, 1, 0}
         %y = Pad(%x, %pads) {mode="edge"}
         output %y })"},
      {.name = "Pad by continuing periodically, of two axes", .graph = R"(graph g {
         input %x: f32[2,3,4]
         constant %pads: i64[4] = {9, 1, -1, 2}
         constant %axes: i32[2] = {-1, 0}
         %y = Pad(%x, %pads, _, %axes) {mode="wrap"}
         output %y })"},
      {.name = "Pad by reflection of what negative pads leave", .graph = R"(graph g {
         input %x: f32[5]
         constant %pads: i64[2] = {-1, 5}
         %y = Pad(%x, %pads) {mode="reflect"}
         output %y })"},
      {.name = "CenterCropPad of two axes", .graph = R"(graph g {
         input %x: f32[5,3,2]
         constant %shape: i64[2] = {2, 5}
         %y = CenterCropPad(%x, %shape) {axes=[0,-1]}
         output %y })"},
      {.name = "CenterCropPad of all axes",
       .graph = "graph g { input %x: f32[4,3] constant %s: i64[2] = {3, 4} %y = CenterCropPad(%x, %s) output %y }"},
      {.name = "PadGrad",
       .graph = R"(graph g {
         input %dy: f32[5]
         constant %shape: i64[1] = {3}
         constant %pads: i64[2] = {1, 1}
         %dx = PadGrad(%dy, %shape, %pads) {mode="edge"}
         output %dx })",
       .differentiable = false},
  };
  return samples;
}

}  // namespace marvin
