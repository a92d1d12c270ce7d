// What the ops compute that gather, scatter, select and rearrange: where ONNX's own cases do not look.
#include <catch2/catch.hpp>

#include "passes/differentiate.h"
#include "tests/ops/examples.h"

namespace marvin {
namespace {

// The gradients of loss = sum(%g * %y) by the parameters %x and %u of a graph of this body, evaluated at their values.
std::pair<Tensor, Tensor> gradients_of(std::string_view body, const Values& values) {
  Graph graph = from_text(
      cat("graph g { ", body, " %weighted = Mul(%g, %y) %loss = ReduceSum(%weighted) {keepdims=0} output %loss }"));
  graph.loss = graph.find("loss");
  const std::vector<ValueId> gradients = differentiate(graph, {graph.find("x"), graph.find("u")});
  for (const ValueId gradient : gradients) graph.outputs.push_back(gradient);
  const Values results = interpret(graph, values);
  return {results.at(graph[gradients[0]].name), results.at(graph[gradients[1]].name)};
}

// Of ScatterElements along one axis of three elements.
void check_scatter_gradient(std::string_view reduction, const std::vector<float>& x, const std::vector<float>& u,
                            std::string_view dx, std::string_view du) {
  const auto tensor = [](const std::vector<float>& values) {
    return Tensor::of<float>({std::ssize(values)}, std::span<const float>(values));
  };
  const auto [x_gradient, u_gradient] =
      gradients_of(cat("parameter %x: f32[3] parameter %u: f32[6] constant %i: i64[6] = {0, 0, 1, 2, 2, 0} "
                       "constant %g: f32[3] = {1, 10, 90} %y = ScatterElements(%x, %i, %u) {reduction=\"",
                       reduction, "\"}"),
                   {{"x", tensor(x)}, {"u", tensor(u)}});
  INFO(reduction);
  CHECK(elements_text(x_gradient, kAll) == dx);
  CHECK(elements_text(u_gradient, kAll) == du);
}

}  // namespace

TEST_CASE("gathering takes elements of every width, slices of slices and tuples behind batch axes") {
  static const Example examples[] = {
      {"Gather of i16", "constant %x: i16[2,2] = {1, 2, 3, 4} constant %i: i64[1] = {-1} %y = Gather(%x, %i)",
       "i16[1,2]", "{3, 4}"},
      {"Gather of u64", "constant %x: u64[3] = {1, 2, 3} constant %i: i32[2] = {2, 0} %y = Gather(%x, %i)", "u64[2]",
       "{3, 1}"},
      {"Gather by no index", "constant %x: bool[3] = {1, 0, 1} constant %i: i32[0] = {} %y = Gather(%x, %i)", "bool[0]",
       "{}"},
      {"GatherElements of fewer rows than there are",
       "constant %x: i8[3,3] = {1, 2, 3, 4, 5, 6, 7, 8, 9} constant %i: i64[1,2] = {2, -3} %y = GatherElements(%x, %i)",
       "i8[1,2]", "{7, 2}"},
      {"GatherND behind two batch axes",
       "constant %x: i32[1,2,3] = {1, 2, 3, 4, 5, 6} constant %i: i64[1,2,1] = {2, -3} %y = GatherND(%x, %i) "
       "{batch_dims=2}",
       "i32[1,2]", "{3, 4}"},
      {"GatherND of whole slices",
       "constant %x: i32[2,2] = {1, 2, 3, 4} constant %i: i64[3,1] = {1, 0, -1} %y = GatherND(%x, %i)", "i32[3,2]",
       "{3, 4, 1, 2, 3, 4}"},
  };
  check(examples);
}

TEST_CASE("scattering keeps the last update, or combines all of them") {
  static const Example examples[] = {
      {"the last one stays",
       "constant %x: i32[3] = {1, 2, 3} constant %i: i64[3] = {1, 1, -1} constant %u: i32[3] = {7, 8, 9} "
       "%y = ScatterElements(%x, %i, %u)",
       "i32[3]", "{1, 8, 9}"},
      {"of bools",
       "constant %x: bool[2] = {1, 0} constant %i: i64[1] = {1} constant %u: bool[1] = {1} "
       "%y = ScatterElements(%x, %i, %u)",
       "bool[2]", "{1, 1}"},
      {"mul",
       "constant %x: u8[2] = {3, 5} constant %i: i64[2] = {0, 0} constant %u: u8[2] = {10, 10} "
       "%y = ScatterElements(%x, %i, %u) {reduction=\"mul\"}",
       "u8[2]", "{44, 5}"},
      {"max with NaN",
       "constant %x: f32[2] = {3.0, nan} constant %i: i64[2] = {0, 1} constant %u: f32[2] = {nan, 10.0} "
       "%y = ScatterElements(%x, %i, %u) {reduction=\"max\"}",
       "f32[2]", "{nan, nan}"},
      {"slices, min",
       "constant %x: i32[2,2] = {1, 2, 3, 4} constant %i: i64[2,1] = {1, 1} constant %u: i32[2,2] = {9, 1, 2, 8} "
       "%y = ScatterND(%x, %i, %u) {reduction=\"min\"}",
       "i32[2,2]", "{1, 2, 2, 1}"},
      {"by no tuple",
       "constant %x: i32[2] = {1, 2} constant %i: i64[0,1] = {} constant %u: i32[0] = {} %y = ScatterND(%x, %i, %u)",
       "i32[2]", "{1, 2}"},
      {"a cache around its end",
       "constant %x: i32[2,4,1] = {1, 2, 3, 4, 5, 6, 7, 8} constant %u: i32[2,2,1] = {10, 11, 12, 13} "
       "constant %at: i64[2] = {3, 1} %y = TensorScatter(%x, %u, %at) {mode=\"circular\"}",
       "i32[2,4,1]", "{11, 2, 3, 10, 5, 12, 13, 8}"},
  };
  check(examples);
}

TEST_CASE("gradients of scattering are PyTorch's at zeros and ties") {
  check_scatter_gradient("mul", {2, 3, 4}, {3, 4, 0, 6, 7, 2}, "{24.0, 0.0, 3780.0}",
                         "{16.0, 12.0, 30.0, 2520.0, 2160.0, 24.0}");
  check_scatter_gradient("mul", {2, 3, 0}, {0, 4, 5, 6, 7, 2}, "{0.0, 50.0, 3780.0}",
                         "{16.0, 0.0, 30.0, 0.0, 0.0, 0.0}");
  check_scatter_gradient("mul", {2, 3, 1}, {0, 0, 5, 0, 7, 2}, "{0.0, 50.0, 0.0}", "{0.0, 0.0, 30.0, 630.0, 0.0, 0.0}");
  check_scatter_gradient("max", {2, 3, 7}, {2, 1, 5, 7, 7, 2}, "{0.33333334, 0.0, 30.0}",
                         "{0.33333334, 0.0, 10.0, 30.0, 30.0, 0.33333334}");
  check_scatter_gradient("min", {2, 3, 7}, {2, 3, 5, 7, 7, 2}, "{0.33333334, 10.0, 30.0}",
                         "{0.33333334, 0.0, 0.0, 30.0, 30.0, 0.33333334}");
}

TEST_CASE("TopK ranks NaN first, equal elements by index and every type by its order") {
  static const Example examples[] = {
      {"NaN and ties",
       "constant %x: f32[5] = {1.0, nan, 3.0, 3.0, -1.0} constant %k: i64[1] = {4} _, %y = TopK(%x, %k)", "i64[4]",
       "{1, 2, 3, 0}"},
      {"smallest",
       "constant %x: f64[5] = {0.0, -2.0, -0.0, -3.5, nan} constant %k: i64[1] = {5} _, %y = TopK(%x, %k) "
       "{largest=0}",
       "i64[5]", "{3, 1, 0, 2, 4}"},
      {"signed", "constant %x: i8[4] = {-128, 127, -1, 0} constant %k: i64[1] = {3} %y = TopK(%x, %k)", "i8[3]",
       "{127, 0, -1}"},
      {"unsigned", "constant %x: u8[4] = {128, 127, 255, 0} constant %k: i64[1] = {3} %y = TopK(%x, %k)", "u8[3]",
       "{255, 128, 127}"},
      {"along the first axis",
       "constant %x: i64[3,2] = {1, 6, 5, 4, 3, 2} constant %k: i64[1] = {2} %y = TopK(%x, %k) {axis=0}", "i64[2,2]",
       "{5, 6, 3, 4}"},
      {"none", "constant %x: i64[3] = {1, 6, 5} constant %k: i64[1] = {0} %y = TopK(%x, %k)", "i64[0]", "{}"},
  };
  check(examples);
}

TEST_CASE("ops whose output is as long as what they find find it") {
  static const Example examples[] = {
      {"OneHot beyond its depth",
       "constant %i: f32[4] = {1.9, 3.0, -3.0, nan} constant %d: i64[] = {3} constant %v: i32[2] = {5, 7} "
       "%y = OneHot(%i, %d, %v)",
       "i32[4,3]", "{5, 7, 5, 5, 5, 5, 7, 5, 5, 5, 5, 5}"},
      {"Compress by fewer conditions than elements",
       "constant %x: i16[2,2] = {1, 2, 3, 4} constant %c: bool[3] = {0, 1, 1} %y = Compress(%x, %c)", "i16[2]",
       "{2, 3}"},
      {"NonZero of -0 and NaN", "constant %x: f32[3] = {-0.0, nan, -1.0} %y = NonZero(%x)", "i64[1,2]", "{1, 2}"},
      {"NonZero of a scalar", "constant %x: i32[] = {3} %y = NonZero(%x)", "i64[1,1]", "{0}"},
      {"NonZero of nothing", "constant %x: bool[2,3] = {0, 0, 0, 0, 0, 0} %y = NonZero(%x)", "i64[2,0]", "{}"},
      {"Unique of negative numbers", "constant %x: f32[5] = {0.0, -1.0, -0.0, 2.0, -1.0} %y = Unique(%x)", "f32[3]",
       "{-1.0, 0.0, 2.0}"},
      {"Unique as they appear, how often", "constant %x: i32[5] = {3, 1, 3, 2, 1} _, _, _, %y = Unique(%x) {sorted=0}",
       "i64[3]", "{2, 2, 1}"},
      {"Unique columns", "constant %x: u8[2,3] = {1, 0, 1, 2, 3, 2} %y = Unique(%x) {axis=-1}", "u8[2,2]",
       "{0, 1, 3, 2}"},
      {"NonMaxSuppression without a number of boxes",
       "constant %b: f32[1,1,4] = {0.0, 0.0, 1.0, 1.0} constant %s: f32[1,1,1] = {0.5} %y = NonMaxSuppression(%b, %s)",
       "i64[0,3]", "{}"},
  };
  check(examples);
}

TEST_CASE("ops that rearrange go by place") {
  static const Example examples[] = {
      {"Trilu far from the diagonal",
       "constant %x: i32[2,2] = {1, 2, 3, 4} constant %k: i64[] = {9223372036854775807} %y = Trilu(%x, %k) {upper=0}",
       "i32[2,2]", "{1, 2, 3, 4}"},
      {"ReverseSequence of nothing and of all",
       "constant %x: i32[2,3] = {1, 2, 3, 4, 5, 6} constant %l: i64[2] = {0, 3} "
       "%y = ReverseSequence(%x, %l) {batch_axis=0, time_axis=1}",
       "i32[2,3]", "{1, 2, 3, 6, 5, 4}"},
      {"Pad by continuing periodically",
       "constant %x: i32[3] = {1, 2, 3} constant %p: i64[2] = {4, 2} %y = Pad(%x, %p) {mode=\"wrap\"}", "i32[9]",
       "{3, 1, 2, 3, 1, 2, 3, 1, 2}"},
      {"Pad continues what negative pads leave",
       "constant %x: i32[4] = {1, 2, 3, 4} constant %p: i64[2] = {-1, 2} %y = Pad(%x, %p) {mode=\"wrap\"}", "i32[5]",
       "{2, 3, 4, 2, 3}"},
      {"Pad of one axis",
       "constant %x: bool[1,2] = {1, 1} constant %p: i64[2] = {1, 0} constant %a: i64[1] = {-1} %y = Pad(%x, %p, _, "
       "%a)",
       "bool[1,3]", "{0, 1, 1}"},
      {"CenterCropPad rounds down what comes before",
       "constant %x: i32[2,5] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10} constant %s: i64[2] = {3, 2} %y = CenterCropPad(%x, "
       "%s)",
       "i32[3,2]", "{2, 3, 7, 8, 0, 0}"},
      {"Split with a short last part",
       "constant %x: i32[7] = {0, 1, 2, 3, 4, 5, 6} _, _, %y = Split(%x) {num_outputs=3}", "i32[1]", "{6}"},
      {"Range of integers beyond what a double holds",
       "constant %a: i64[] = {9223372036854775800} constant %b: i64[] = {9223372036854775807} constant %d: i64[] = {3} "
       "%y = Range(%a, %b, %d)",
       "i64[3]", "{9223372036854775800, 9223372036854775803, 9223372036854775806}"},
      {"Range of unsigned integers",
       "constant %a: u8[] = {250} constant %b: u8[] = {255} constant %d: u8[] = {2} "
       "%y = Range(%a, %b, %d)",
       "u8[3]", "{250, 252, 254}"},
      {"Slice in steps beyond everything",
       "constant %x: i32[2,2] = {1, 2, 3, 4} constant %s: i64[1] = {1} constant %e: i64[1] = {-100} "
       "constant %a: i64[1] = {0} constant %t: i64[1] = {-9223372036854775807} %y = Slice(%x, %s, %e, %a, %t)",
       "i32[1,2]", "{3, 4}"},
      {"Col2Im adds up overlaps",
       "constant %x: f32[1,4,4] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16} constant %i: i64[2] = {3, 3} "
       "constant %b: i64[2] = {2, 2} %y = Col2Im(%x, %i, %b)",
       "f32[1,1,3,3]", "{1.0, 7.0, 6.0, 12.0, 34.0, 22.0, 11.0, 27.0, 16.0}"},
      {"Col2Im with stride and dilation",
       "constant %x: f32[1,4,2] = {1, 2, 3, 4, 5, 6, 7, 8} constant %i: i64[2] = {4, 3} constant %b: i64[2] = {2, 2} "
       "%y = Col2Im(%x, %i, %b) {dilations=[2,1], strides=[1,2]}",
       "f32[1,1,4,3]", "{1.0, 3.0, 0.0, 2.0, 4.0, 0.0, 5.0, 7.0, 0.0, 6.0, 8.0, 0.0}"},
  };
  check(examples);
}

TEST_CASE("what cannot be gathered, scattered or selected is refused with a reason") {
  static const std::pair<std::string_view, std::string_view> refusals[] = {
      {"input %x: f32[3] constant %i: i64[1] = {3} %y = Gather(%x, %i)", "the index 3"},
      {"input %x: f32[3,2] constant %i: i64[1,2] = {0, -4} %y = GatherElements(%x, %i)", "the index -4"},
      {"input %x: f32[3,2] input %i: i64[1,3] %y = GatherElements(%x, %i)", "do not fit"},
      {"input %x: f32[3,2] input %i: i64[1] %y = GatherElements(%x, %i)", "do not fit"},
      {"input %x: f32[3,2] input %i: i64[1,3] %y = GatherND(%x, %i)", "do not pick"},
      {"input %x: f32[3,2] input %i: i64[1,0] %y = GatherND(%x, %i)", "do not pick"},
      {"input %x: f32[3,2] input %i: i64[] %y = GatherND(%x, %i)", "do not pick"},
      {"input %x: f32[3,2] input %i: i64[2,1] %y = GatherND(%x, %i) {batch_dims=1}", "do not pick"},
      {"input %x: f32[3,2] input %i: i64[2,1] %y = GatherND(%x, %i) {batch_dims=-1}", "batch_dims -1"},
      {"input %x: f32[3] input %i: i64[2] input %u: f32[1] %y = ScatterElements(%x, %i, %u)", "updates must be of [2]"},
      {"input %x: f32[3] input %i: i64[2] input %u: f32[2] %y = ScatterElements(%x, %i, %u) {reduction=\"sum\"}",
       "'sum'"},
      {"input %x: bool[3] input %i: i64[2] input %u: bool[2] %y = ScatterElements(%x, %i, %u) {reduction=\"add\"}",
       "must be of numbers"},
      {"input %x: f32[3,2] input %i: i64[1,1] input %u: f32[1] %y = ScatterND(%x, %i, %u)", "updates must be of [1,2]"},
      {"input %x: f32[2,4] input %u: f32[2,5] %y = TensorScatter(%x, %u) {axis=1}", "does not fit"},
      {"input %x: f32[3] constant %k: i64[1] = {4} %y = TopK(%x, %k)", "k is 4"},
      {"input %x: f32[3] input %k: i64[1] %y = TopK(%x, %k)", "k depends on data"},
      {"input %i: i64[3] input %d: i64[] constant %v: f32[2] = {0, 1} %y = OneHot(%i, %d, %v)",
       "depth depends on data"},
      {"input %i: i64[3] constant %d: f32[] = {inf} constant %v: f32[2] = {0, 1} %y = OneHot(%i, %d, %v)",
       "must not be negative or infinite"},
      {"input %x: f32[3] input %c: bool[3] %y = Compress(%x, %c)", "shape depends on the elements of operand 1"},
      {"input %x: f32[3] constant %c: bool[4] = {1, 1, 1, 1} %y = Compress(%x, %c)", "at most 3 bools"},
      {"input %x: f32[3] %y = NonZero(%x)", "shape depends on the elements of operand 0"},
      {"input %x: f32[3] %y = Unique(%x)", "shape depends on the elements of operand 0"},
      {"input %b: f32[1,2,4] input %s: f32[1,1,2] %y = NonMaxSuppression(%b, %s)", "depends on boxes"},
      {"input %x: f32[3] %y = Trilu(%x)", "must be of matrices"},
      {"input %x: f32[3,2] constant %l: i64[2] = {4, 0} %y = ReverseSequence(%x, %l)", "a sequence of 4 elements"},
      {"input %x: f32[1,6,2,2] %y = DepthToSpace(%x) {blocksize=2}", "do not make blocks"},
      {"input %x: f32[1,6,2,3] %y = SpaceToDepth(%x) {blocksize=2}", "not made of blocks"},
      {"input %x: f32[1,6,2,2] %y = DepthToSpace(%x) {blocksize=0}", "blocksize of 0"},
      {"input %x: f32[4] constant %p: i64[2] = {-4, 2} %y = Pad(%x, %p) {mode=\"edge\"}", "leave nothing to show"},
      {"input %x: f32[4] constant %p: i64[2] = {1, 9223372036854775807} %y = Pad(%x, %p)", "a pad of"},
      {"input %x: f32[4] constant %p: i64[4] = {1, 1, 1, 1} constant %a: i64[2] = {0, -1} %y = Pad(%x, %p, _, %a)",
       "listed twice"},
      {"input %x: f32[4] constant %r: i64[1] = {4611686018427387904} %y = Tile(%x, %r)", "absurdly large"},
      {"input %x: f32[5] %a, %b, %c, %d = Split(%x) {num_outputs=4}", "do not make up"},
      {"input %x: f32[5] %a, %b = Split(%x) {num_outputs=3}", "num_outputs is 3"},
      {"input %x: f32[1,4,3] constant %i: i64[2] = {3, 3} constant %b: i64[2] = {2, 2} %y = Col2Im(%x, %i, %b)",
       "is not [n, c * 4, 4]"},
  };
  for (const auto& [body, reason] : refusals) {
    INFO(body);
    CHECK_THAT(refusal_of(body), Catch::Contains(std::string(reason)));
  }
}

TEST_CASE("indices that arrive at run time are checked then") {
  const Graph graph =
      from_text("graph g { input %x: f32[3,2] input %i: i64[1,2] %y = GatherElements(%x, %i) output %y }");
  const Values good = {{"x", Tensor(Type{DType::f32, {3, 2}})}, {"i", Tensor::of<int64_t>({1, 2}, {-3, 2})}};
  CHECK_NOTHROW(interpret(graph, good));
  const Values bad = {{"x", Tensor(Type{DType::f32, {3, 2}})}, {"i", Tensor::of<int64_t>({1, 2}, {0, 3})}};
  CHECK_THROWS_WITH(interpret(graph, bad), Catch::Contains("the index 3 is out of the range of 3 elements"));
}

}  // namespace marvin
