#include "tests/ops/samples.h"

namespace marvin {

std::span<const Sample> shape_samples() {
  static const std::vector<Sample> samples = {
      {.name = "Identity", .graph = "graph g { input %x: f32[2,3] %y = Identity(%x) output %y }"},
      {.name = "Reshape with a computed extent", .graph = R"(graph g {
         input %x: f32[2,3,4]
         constant %s: i64[2] = {0, -1}
         %y = Reshape(%x, %s)
         output %y })"},
      {.name = "Flatten at axis 2", .graph = "graph g { input %x: f32[2,3,4] %y = Flatten(%x) {axis=2} output %y }"},
      {.name = "Squeeze of listed axes",
       .graph = "graph g { input %x: f32[1,3,1] constant %axes: i64[1] = {-1} %y = Squeeze(%x, %axes) output %y }"},
      {.name = "Squeeze of all ones", .graph = "graph g { input %x: f32[1,3,1] %y = Squeeze(%x) output %y }"},
      {.name = "Unsqueeze",
       .graph = "graph g { input %x: f32[3,2] constant %axes: i64[2] = {0, -1} %y = Unsqueeze(%x, %axes) output %y }"},
      {.name = "Shape and Size",
       .graph = R"(graph g {
         input %x: f32[2,3,4]
         %shape = Shape(%x) {start=1, end=-1}
         %size = Size(%x)
         output %shape output %size })",
       .differentiable = false},
      {.name = "ConstantOfShape",
       .graph = R"(graph g {
         constant %shape: i64[2] = {2, 3}
         %y = ConstantOfShape(%shape) {to=7, value=3.0}
         output %y })",
       .differentiable = false},
      {.name = "Range",
       .graph = R"(graph g {
         constant %start: i64[] = {10}
         constant %limit: i64[] = {3}
         constant %delta: i64[] = {-3}
         %y = Range(%start, %limit, %delta)
         output %y })",
       .differentiable = false},
      {.name = "Transpose of images to channels last",
       .graph = "graph g { input %x: f32[2,3,2,4] %y = Transpose(%x) {perm=[0,2,3,1]} output %y }"},
      {.name = "Transpose reversed", .graph = "graph g { input %x: f32[2,3,4] %y = Transpose(%x) output %y }"},
      {.name = "Transpose of outer axes",
       .graph = "graph g { input %x: i16[2,3,4] %y = Transpose(%x) {perm=[1,0,2]} output %y }",
       .differentiable = false},
      {.name = "Transpose beyond one tile", .graph = "graph g { input %x: f32[45,70] %y = Transpose(%x) output %y }"},
      {.name = "Expand both ways",
       .graph = "graph g { input %x: f32[3,1] constant %shape: i64[3] = {2, 1, 4} %y = Expand(%x, %shape) output %y }"},
      {.name = "Tile",
       .graph = "graph g { input %x: f32[2,3] constant %repeats: i64[2] = {3, 2} %y = Tile(%x, %repeats) output %y }"},
      {.name = "TfIdfVectorizer of pairs",
       .graph = R"(graph g {
         constant %x: i64[2,4] = {1, 2, 3, 1, 2, 1, 2, 3}
         %y = TfIdfVectorizer(%x) {mode="TFIDF", min_gram_length=1, max_gram_length=2, max_skip_count=1,
           ngram_counts=[0,1], ngram_indexes=[0,2,1], pool_int64s=[3,1,2,2,3], weights=[0.5,2.0,1.0]}
         output %y })",
       .differentiable = false},
  };
  return samples;
}

}  // namespace marvin
