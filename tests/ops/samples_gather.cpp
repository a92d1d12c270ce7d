#include "tests/ops/samples.h"

namespace marvin {

std::span<const Sample> gather_samples() {
  static const std::vector<Sample> samples = {
      {.name = "Gather of rows, some twice", .graph = R"(graph g {
         input %x: f32[4,3]
         constant %i: i64[2,2] = {2, 0, -1, 2}
         %y = Gather(%x, %i)
         output %y })"},
      {.name = "Gather along the last axis",
       .graph = "graph g { input %x: f32[2,4] constant %i: i32[] = {1} %y = Gather(%x, %i) {axis=-1} output %y }"},
      {.name = "GatherGrad",
       .graph = R"(graph g {
         input %dy: f32[3,40]
         constant %i: i64[3] = {1, 1, -1}
         constant %shape: i64[2] = {4, 40}
         %dx = GatherGrad(%dy, %i, %shape)
         output %dx })",
       .differentiable = false},
      {.name = "Gather of bytes",
       .graph = "graph g { input %x: bool[3,2] constant %i: i64[2] = {2, 0} %y = Gather(%x, %i) output %y }",
       .differentiable = false},
      {.name = "GatherElements along the first axis, one twice", .graph = R"(graph g {
         input %x: f32[3,3]
         constant %i: i64[2,3] = {1, -1, 0, 1, 0, 2}
         %y = GatherElements(%x, %i)
         output %y })"},
      {.name = "GatherElements along the last axis", .graph = R"(graph g {
         input %x: f32[2,2,4]
         constant %i: i32[2,1,3] = {3, 0, -4, 2, 2, 1}
         %y = GatherElements(%x, %i) {axis=-1}
         output %y })"},
      {.name = "GatherElements by indices that are data",
       .graph = "graph g { input %x: f32[4,3] input %i: i64[2,3] %y = GatherElements(%x, %i) output %y }"},
      {.name = "GatherElementsGrad",
       .graph = R"(graph g {
         input %dy: f32[2,3]
         constant %i: i64[2,3] = {1, 1, 0, 1, 0, 0}
         constant %shape: i64[2] = {2, 5}
         %dx = GatherElementsGrad(%dy, %i, %shape) {axis=1}
         output %dx })",
       .differentiable = false},
      {.name = "GatherND of elements", .graph = R"(graph g {
         input %x: f32[2,3]
         constant %i: i64[3,2] = {0, 2, -1, -3, 0, 2}
         %y = GatherND(%x, %i)
         output %y })"},
      {.name = "GatherND of slices", .graph = R"(graph g {
         input %x: f32[2,3,40]
         constant %i: i64[2,1,2] = {0, 1, 1, 0}
         %y = GatherND(%x, %i)
         output %y })"},
      {.name = "GatherND behind a batch axis", .graph = R"(graph g {
         input %x: f32[2,3,2]
         constant %i: i64[2,3,1] = {1, 0, 1, 2, -1, 0}
         %y = GatherND(%x, %i) {batch_dims=1}
         output %y })"},
      {.name = "GatherNDGrad",
       .graph = R"(graph g {
         input %dy: f32[3,2]
         constant %i: i64[3,1] = {1, 1, 0}
         constant %shape: i64[2] = {4, 2}
         %dx = GatherNDGrad(%dy, %i, %shape)
         output %dx })",
       .differentiable = false},
      {.name = "ScatterElements", .graph = R"(graph g {
         input %x: f32[3,3]
         constant %i: i64[2,3] = {1, 0, 2, 0, -1, 1}
         input %u: f32[2,3]
         %y = ScatterElements(%x, %i, %u)
         output %y })"},
      {.name = "ScatterElements that adds, some twice", .graph = R"(graph g {
         input %x: f32[2,5]
         constant %i: i32[1,4] = {1, 3, 1, -4}
         input %u: f32[1,4]
         %y = ScatterElements(%x, %i, %u) {axis=1, reduction="add"}
         output %y })"},
      {.name = "ScatterElements that multiplies", .graph = R"(graph g {
         input %x: f32[2,3]
         constant %i: i64[3,2] = {0, 1, 0, 0, 1, 0}
         input %u: f32[3,2]
         %y = ScatterElements(%x, %i, %u) {reduction="mul"}
         output %y })"},
      {.name = "ScatterElements that keeps the greatest", .graph = R"(graph g {
         input %x: f32[2,3]
         constant %i: i64[3,2] = {0, 1, 0, 0, 1, 0}
         input %u: f32[3,2]
         %y = ScatterElements(%x, %i, %u) {reduction="max"}
         output %y })"},
      {.name = "ScatterElements that keeps the least, of integers",
       .graph = R"(graph g {
         input %x: i8[2,3]
         constant %i: i64[3,2] = {0, 1, 0, 0, 1, 0}
         input %u: i8[3,2]
         %y = ScatterElements(%x, %i, %u) {reduction="min"}
         output %y })",
       .differentiable = false},
      {.name = "ScatterND", .graph = R"(graph g {
         input %x: f32[4,3]
         constant %i: i64[2,1] = {3, 1}
         input %u: f32[2,3]
         %y = ScatterND(%x, %i, %u)
         output %y })"},
      {.name = "ScatterND that adds, one slice twice", .graph = R"(graph g {
         input %x: f32[2,2,3]
         constant %i: i64[3,2] = {0, 1, -2, -1, 1, 0}
         input %u: f32[3,3]
         %y = ScatterND(%x, %i, %u) {reduction="add"}
         output %y })"},
      {.name = "ScatterND that multiplies", .graph = R"(graph g {
         input %x: f32[3]
         constant %i: i64[3,1] = {0, 2, 0}
         input %u: f32[3]
         %y = ScatterND(%x, %i, %u) {reduction="mul"}
         output %y })"},
      {.name = "ScatterND that keeps the least", .graph = R"(graph g {
         input %x: f32[3,2]
         constant %i: i64[3,1] = {0, 2, 0}
         input %u: f32[3,2]
         %y = ScatterND(%x, %i, %u) {reduction="min"}
         output %y })"},
      {.name = "Scatter", .graph = R"(graph g {
         input %x: f32[1,5]
         constant %i: i64[1,2] = {1, 3}
         input %u: f32[1,2]
         %y = Scatter(%x, %i, %u) {axis=1}
         output %y })"},
      {.name = "TensorScatter from the begin", .graph = R"(graph g {
         input %cache: f32[2,3,4,2]
         input %update: f32[2,3,2,2]
         %y = TensorScatter(%cache, %update)
         output %y })"},
      {.name = "TensorScatter around the end", .graph = R"(graph g {
         input %cache: f32[2,4,2]
         input %update: f32[2,3,2]
         input %at: i64[2]
         %y = TensorScatter(%cache, %update, %at) {mode="circular"}
         output %y })"},
  };
  return samples;
}

}  // namespace marvin
