// What the basic ops compute, element for element: ONNX's semantics where they are easy to get wrong.
#include <omp.h>

#include <catch2/catch.hpp>
#include <limits>
#include <numeric>

#include "passes/differentiate.h"
#include "tests/ops/examples.h"

namespace marvin {
namespace {

Tensor evaluated(std::string_view op, const std::vector<Tensor>& inputs, const Attrs& attrs = {}) {
  std::vector<const Tensor*> pointers;
  for (const Tensor& input : inputs) pointers.push_back(&input);
  return evaluate(op_named(op), pointers, attrs, 1)[0];
}

Tensor random_floats(const Shape& shape, unsigned seed = 3) {
  std::mt19937 random(seed);
  Tensor tensor(Type{DType::f32, shape});
  for (float& element : tensor.as<float>()) element = static_cast<float>((random() >> 8) * 0x1p-24 - 0.25);
  return tensor;
}

// d.x of sum(y), where the body makes %y of the parameter %x.
std::string gradient_text(std::string_view body, const Tensor& x) {
  Graph graph = from_text(cat("graph g { parameter %x: ", text_of(x.type()), " ", body, " output %y }"));
  graph.loss =
      graph[append(graph, {.op = "ReduceSum", .inputs = graph.outputs, .attrs = {{"keepdims", int64_t{0}}}}, {"loss"})]
          .outputs[0];
  graph.outputs = differentiate(graph, {graph.find("x")});
  return elements_text(interpret(graph, {{"x", x}}).at(graph[graph.outputs[0]].name), kAll);
}

}  // namespace

TEST_CASE("unary ops compute what ONNX says at the edges of their domains") {
  static const Example examples[] = {
      {"Round takes the even one of two", "constant %x: f32[6] = {0.5, 1.5, 2.5, -0.5, -1.5, -2.6} %y = Round(%x)",
       "f32[6]", "{0.0, 2.0, 2.0, -0.0, -2.0, -3.0}"},
      {"Floor and Ceil go down and up",
       "constant %x: f32[2] = {-1.5, 1.5} %f = Floor(%x) %c = Ceil(%x) %y = Concat(%f, %c) {axis=0}", "f32[4]",
       "{-2.0, 1.0, -1.0, 2.0}"},
      {"Sign of zero and NaN", "constant %x: f32[4] = {-3, 0, 2, nan} %y = Sign(%x)", "f32[4]",
       "{-1.0, 0.0, 1.0, nan}"},
      {"Abs of the lowest integer wraps", "constant %x: i8[2] = {-128, -5} %y = Abs(%x)", "i8[2]", "{-128, 5}"},
      {"Relu keeps NaN", "constant %x: f32[3] = {-1, nan, 2} %y = Relu(%x)", "f32[3]", "{0.0, nan, 2.0}"},
      {"Clip keeps NaN and obeys max above min",
       "constant %x: f32[4] = {-3, nan, 1.5, 9} constant %a: f32[] = {2} constant %b: f32[] = {1} %y = Clip(%x, %a, "
       "%b)",
       "f32[4]", "{1.0, nan, 1.0, 1.0}"},
      {"Clip of integers without min", "constant %x: i32[3] = {-7, 3, 9} constant %b: i32[] = {4} %y = Clip(%x, _, %b)",
       "i32[3]", "{-7, 3, 4}"},
      {"Cast cuts off towards zero and saturates",
       "constant %x: f32[6] = {-1.9, 1.9, 300, -300, nan, 127.5} %y = Cast(%x) {to=3}", "i8[6]",
       "{-1, 1, 127, -128, 0, 127}"},
      {"Cast to i64 saturates", "constant %x: f32[2] = {1e30, -inf} %y = Cast(%x) {to=7}", "i64[2]",
       "{9223372036854775807, -9223372036854775808}"},
      {"Cast of integers keeps the low bits", "constant %x: i32[3] = {257, -1, 128} %y = Cast(%x) {to=2}", "u8[3]",
       "{1, 255, 128}"},
      {"Cast to bool asks for zero", "constant %x: f32[3] = {0, -0.5, nan} %y = Cast(%x) {to=9}", "bool[3]",
       "{0, 1, 1}"},
      {"Softplus does not overflow", "constant %x: f32[2] = {200, -200} %y = Softplus(%x)", "f32[2]", "{200.0, 0.0}"},
      {"Sigmoid does not overflow", "constant %x: f32[2] = {200, -200} %y = Sigmoid(%x)", "f32[2]", "{1.0, 0.0}"},
      {"HardSigmoid has ONNX's defaults", "constant %x: f32[3] = {-3, 1.25, 9} %y = HardSigmoid(%x)", "f32[3]",
       "{0.0, 0.75, 1.0}"},
      {"HardSwish", "constant %x: f32[4] = {-4, -1.5, 3, 8} %y = HardSwish(%x)", "f32[4]", "{-0.0, -0.375, 3.0, 8.0}"},
      {"Not", "constant %x: bool[2] = {0, 1} %y = Not(%x)", "bool[2]", "{1, 0}"},
  };
  check(examples);
}

TEST_CASE("binary ops broadcast, wrap and truncate as ONNX says") {
  static const Example examples[] = {
      {"Add broadcasts both ways", "constant %a: i32[2,1] = {10, 20} constant %b: i32[3] = {1, 2, 3} %y = Add(%a, %b)",
       "i32[2,3]", "{11, 12, 13, 21, 22, 23}"},
      {"Add broadcasts axes in the middle",
       "constant %a: i32[2,1,2] = {1, 2, 3, 4} constant %b: i32[1,2,1] = {10, 20} %y = Add(%a, %b)", "i32[2,2,2]",
       "{11, 12, 21, 22, 13, 14, 23, 24}"},
      {"Add to nothing", "constant %a: f32[0,3] = {} constant %b: f32[3] = {1, 2, 3} %y = Add(%a, %b)", "f32[0,3]",
       "{}"},
      {"Mul wraps", "constant %a: i8[2] = {100, -128} constant %b: i8[] = {2} %y = Mul(%a, %b)", "i8[2]", "{-56, 0}"},
      {"Sub wraps", "constant %a: u8[] = {1} constant %b: u8[2] = {2, 1} %y = Sub(%a, %b)", "u8[2]", "{255, 0}"},
      {"Div truncates towards zero and survives zero",
       "constant %a: i32[5] = {7, -7, 7, 5, -2147483648} constant %b: i32[5] = {2, 2, -2, 0, -1} %y = Div(%a, %b)",
       "i32[5]", "{3, -3, -3, 0, -2147483648}"},
      {"Div of floats by zero", "constant %a: f32[2] = {1, -1} constant %b: f32[] = {0} %y = Div(%a, %b)", "f32[2]",
       "{inf, -inf}"},
      {"Pow of integers", "constant %a: i64[4] = {3, -2, 1, 2} constant %b: i64[4] = {4, 3, -5, -1} %y = Pow(%a, %b)",
       "i64[4]", "{81, -8, 1, 0}"},
      {"Pow takes the base's type", "constant %a: i32[2] = {4, 9} constant %b: f32[] = {0.5} %y = Pow(%a, %b)",
       "i32[2]", "{2, 3}"},
      {"Pow with the exponents that are multiplied out",
       "constant %a: f32[7] = {5, 3, -2, 16, 16, 4, 2} constant %b: f32[7] = {1, 2, 3, 0.5, -0.5, -1, 4} %y = Pow(%a, "
       "%b)",
       "f32[7]", "{5.0, 9.0, -8.0, 4.0, 0.25, 0.25, 16.0}"},
      {"Pow of scalars by 2", "constant %a: f32[2,1] = {3, -4} constant %b: f32[1] = {2} %y = Pow(%a, %b)", "f32[2,1]",
       "{9.0, 16.0}"},
      {"Max passes NaN from either side",
       "constant %a: f32[3] = {1, nan, 3} constant %b: f32[3] = {nan, 2, 5} %y = Max(%a, %b)", "f32[3]",
       "{nan, nan, 5.0}"},
      {"Min of three shapes",
       "constant %a: i64[2,1] = {5, 0} constant %b: i64[3] = {1, 7, 9} constant %c: i64[] = {6} %y = Min(%a, %b, %c)",
       "i64[2,3]", "{1, 5, 5, 0, 0, 0}"},
      {"Mean", "constant %a: f32[2] = {1, 2} constant %b: f32[] = {4} %y = Mean(%a, %b, %b)", "f32[2]",
       "{3.0, 3.3333333}"},
      {"PRelu", "constant %x: f32[2,2] = {-1, 2, -3, -4} constant %s: f32[2] = {0.5, 2} %y = PRelu(%x, %s)", "f32[2,2]",
       "{-0.5, 2.0, -1.5, -8.0}"},
      {"nothing compares with NaN but not being less",
       "constant %a: f32[3] = {1, nan, 3} constant %b: f32[] = {1} %y = LessOrEqual(%a, %b)", "bool[3]", "{1, 0, 0}"},
      {"Equal of bools", "constant %a: bool[2] = {0, 1} constant %b: bool[] = {1} %y = Equal(%a, %b)", "bool[2]",
       "{0, 1}"},
      {"Xor", "constant %a: bool[2,1] = {0, 1} constant %b: bool[2] = {0, 1} %y = Xor(%a, %b)", "bool[2,2]",
       "{0, 1, 1, 0}"},
      {"Where broadcasts all three",
       "constant %c: bool[2,1] = {1, 0} constant %a: i32[3] = {1, 2, 3} constant %b: i32[] = {9} %y = Where(%c, %a, "
       "%b)",
       "i32[2,3]", "{1, 2, 3, 9, 9, 9}"},
      {"Where broadcasts its condition only",
       "constant %c: bool[3] = {1, 0, 1} constant %a: i32[2,1] = {1, 2} constant %b: i32[1] = {9} %y = Where(%c, %a, "
       "%b)",
       "i32[2,3]", "{1, 9, 1, 2, 9, 2}"},
  };
  check(examples);
}

TEST_CASE("reductions treat axes, empty ones and ties as ONNX says") {
  static const Example examples[] = {
      {"ReduceSum over all by default", "constant %x: f32[2,2] = {1, 2, 3, 4} %y = ReduceSum(%x)", "f32[1,1]",
       "{10.0}"},
      {"ReduceSum with empty axes is over all",
       "constant %x: i32[2,2] = {1, 2, 3, 4} constant %a: i64[0] = {} %y = ReduceSum(%x, %a) {keepdims=0}", "i32[]",
       "{10}"},
      {"ReduceSum with empty axes and noop",
       "constant %x: i32[2,2] = {1, 2, 3, 4} constant %a: i64[0] = {} %y = ReduceSum(%x, %a) {noop_with_empty_axes=1}",
       "i32[2,2]", "{1, 2, 3, 4}"},
      {"ReduceSum tells square axes apart",
       "constant %x: i32[2,2] = {1, 2, 3, 4} constant %a: i64[1] = {-2} %y = ReduceSum(%x, %a) {keepdims=0}", "i32[2]",
       "{4, 6}"},
      {"ReduceSum over the outer and the inner axis",
       "constant %x: i32[2,2,2] = {1, 2, 3, 4, 5, 6, 7, 8} constant %a: i64[2] = {0, 2} %y = ReduceSum(%x, %a)",
       "i32[1,2,1]", "{14, 22}"},
      {"ReduceSum of nothing", "constant %x: f32[2,0] = {} constant %a: i64[1] = {1} %y = ReduceSum(%x, %a)",
       "f32[2,1]", "{0.0, 0.0}"},
      {"ReduceMax of nothing", "constant %x: f32[0] = {} %y = ReduceMax(%x) {keepdims=0}", "f32[]", "{-inf}"},
      {"ReduceMin of integers",
       "constant %x: u8[2,2] = {7, 200, 3, 9} constant %a: i64[1] = {1} %y = ReduceMin(%x, %a) {keepdims=0}", "u8[2]",
       "{7, 3}"},
      {"ReduceMax passes NaN",
       "constant %x: f32[2,2] = {1, nan, 3, 2} constant %a: i64[1] = {1} %y = ReduceMax(%x, %a)", "f32[2,1]",
       "{nan, 3.0}"},
      {"ReduceMean of integers truncates", "constant %x: i32[3] = {-1, -3, -1} %y = ReduceMean(%x)", "i32[1]", "{-1}"},
      {"ReduceL2", "constant %x: f32[2,2] = {3, 4, 0, 0} constant %a: i64[1] = {1} %y = ReduceL2(%x, %a) {keepdims=0}",
       "f32[2]", "{5.0, 0.0}"},
      {"ReduceSumSquare", "constant %x: f32[3] = {1, -2, 3} %y = ReduceSumSquare(%x)", "f32[1]", "{14.0}"},
      {"ArgMax takes the first of ties",
       "constant %x: f32[2,3] = {1, 3, 3, 5, 5, 2} %y = ArgMax(%x) {axis=1, keepdims=0}", "i64[2]", "{1, 0}"},
      {"ArgMax takes the last of ties if asked",
       "constant %x: f32[2,3] = {1, 3, 3, 5, 5, 2} %y = ArgMax(%x) {axis=-1, keepdims=0, select_last_index=1}",
       "i64[2]", "{2, 1}"},
      {"ArgMin along the outer axis", "constant %x: i32[2,3] = {1, 3, 3, 5, 2, 2} %y = ArgMin(%x)", "i64[1,3]",
       "{0, 1, 1}"},
      {"ArgMax finds the first NaN", "constant %x: f32[4] = {1, nan, 9, nan} %y = ArgMax(%x) {keepdims=0}", "i64[]",
       "{1}"},
  };
  check(examples);
}

TEST_CASE("shape ops follow ONNX's conventions of 0, -1 and negative axes") {
  static const Example examples[] = {
      {"Reshape copies 0 and computes -1",
       "constant %x: i32[2,3,2] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11} constant %s: i64[3] = {0, -1, 1} %y = "
       "Reshape(%x, %s)",
       "i32[2,6,1]", "{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}"},
      {"Reshape with allowzero",
       "constant %x: f32[0,3] = {} constant %s: i64[2] = {3, 0} %y = Reshape(%x, %s) {allowzero=1}", "f32[3,0]", "{}"},
      {"Unsqueeze counts axes of the output",
       "constant %x: i32[2] = {1, 2} constant %a: i64[2] = {-1, 0} %y = Unsqueeze(%x, %a)", "i32[1,2,1]", "{1, 2}"},
      {"Squeeze of one axis", "constant %x: i32[1,2,1] = {1, 2} constant %a: i64[1] = {0} %y = Squeeze(%x, %a)",
       "i32[2,1]", "{1, 2}"},
      {"Shape with negative bounds", "constant %x: i8[1,2,3] = {0, 0, 0, 0, 0, 0} %y = Shape(%x) {start=-2, end=9}",
       "i64[2]", "{2, 3}"},
      {"Size", "constant %x: i8[1,2,3] = {0, 0, 0, 0, 0, 0} %y = Size(%x)", "i64[]", "{6}"},
      {"ConstantOfShape", "constant %s: i64[1] = {2} %y = ConstantOfShape(%s) {to=6, value=-4.0}", "i32[2]",
       "{-4, -4}"},
      {"Range stops before its limit",
       "constant %a: f32[] = {1} constant %b: f32[] = {2.5} constant %c: f32[] = {0.5} %y = Range(%a, %b, %c)",
       "f32[3]", "{1.0, 1.5, 2.0}"},
      {"Range in the wrong direction is empty",
       "constant %a: i32[] = {1} constant %b: i32[] = {5} constant %c: i32[] = {-1} %y = Range(%a, %b, %c)", "i32[0]",
       "{}"},
      {"Transpose", "constant %x: i32[2,1,3] = {1, 2, 3, 4, 5, 6} %y = Transpose(%x) {perm=[2,0,1]}", "i32[3,2,1]",
       "{1, 4, 2, 5, 3, 6}"},
      {"Expand keeps what the shape has less of",
       "constant %x: i32[2,1] = {1, 2} constant %s: i64[2] = {1, 3} %y = Expand(%x, %s)", "i32[2,3]",
       "{1, 1, 1, 2, 2, 2}"},
      {"Expand adds axes", "constant %x: bool[2] = {0, 1} constant %s: i64[2] = {2, 1} %y = Expand(%x, %s)",
       "bool[2,2]", "{0, 1, 0, 1}"},
      {"Tile", "constant %x: i32[2,2] = {1, 2, 3, 4} constant %r: i64[2] = {2, 2} %y = Tile(%x, %r)", "i32[4,4]",
       "{1, 2, 1, 2, 3, 4, 3, 4, 1, 2, 1, 2, 3, 4, 3, 4}"},
      {"Tile to nothing", "constant %x: i32[2] = {1, 2} constant %r: i64[1] = {0} %y = Tile(%x, %r)", "i32[0]", "{}"},
  };
  check(examples);
}

TEST_CASE("index ops count from the end, clamp and mirror as ONNX says") {
  static const Example examples[] = {
      {"Slice backwards over everything",
       "constant %x: i32[4] = {0, 1, 2, 3} constant %s: i64[1] = {-1} constant %e: i64[1] = {-9223372036854775808} "
       "constant %a: i64[1] = {0} constant %t: i64[1] = {-1} %y = Slice(%x, %s, %e, %a, %t)",
       "i32[4]", "{3, 2, 1, 0}"},
      {"Slice backwards by two, end excluded",
       "constant %x: i32[6] = {0, 1, 2, 3, 4, 5} constant %s: i64[1] = {100} constant %e: i64[1] = {1} "
       "constant %a: i64[1] = {-1} constant %t: i64[1] = {-2} %y = Slice(%x, %s, %e, %a, %t)",
       "i32[2]", "{5, 3}"},
      {"Slice clamps",
       "constant %x: i32[4] = {0, 1, 2, 3} constant %s: i32[1] = {-100} constant %e: i32[1] = {100} %y = Slice(%x, %s, "
       "%e)",
       "i32[4]", "{0, 1, 2, 3}"},
      {"Slice may be empty",
       "constant %x: i32[4] = {0, 1, 2, 3} constant %s: i64[1] = {3} constant %e: i64[1] = {2} %y = Slice(%x, %s, %e)",
       "i32[0]", "{}"},
      {"Slice of the second axis in steps of two",
       "constant %x: i32[2,5] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9} constant %s: i64[1] = {1} constant %e: i64[1] = {5} "
       "constant %a: i64[1] = {1} constant %t: i64[1] = {2} %y = Slice(%x, %s, %e, %a, %t)",
       "i32[2,2]", "{1, 3, 6, 8}"},
      {"Concat along the inner axis",
       "constant %a: i32[2,1] = {1, 2} constant %b: i32[2,2] = {3, 4, 5, 6} %y = Concat(%a, %b) {axis=-1}", "i32[2,3]",
       "{1, 3, 4, 2, 5, 6}"},
      {"Split in uneven parts",
       "constant %x: i32[2,4] = {0, 1, 2, 3, 4, 5, 6, 7} constant %s: i64[2] = {1, 3} _, %y = Split(%x, %s) {axis=1}",
       "i32[2,3]", "{1, 2, 3, 5, 6, 7}"},
      {"Split in equal parts", "constant %x: i32[4] = {0, 1, 2, 3} %a, %y = Split(%x)", "i32[2]", "{2, 3}"},
      {"Gather with a negative index",
       "constant %x: i32[3,2] = {0, 1, 2, 3, 4, 5} constant %i: i64[2] = {-1, 0} %y = Gather(%x, %i)", "i32[2,2]",
       "{4, 5, 0, 1}"},
      {"Gather by a scalar drops the axis",
       "constant %x: i32[3,2] = {0, 1, 2, 3, 4, 5} constant %i: i32[] = {1} %y = Gather(%x, %i) {axis=1}", "i32[3]",
       "{1, 3, 5}"},
      {"GatherGrad adds up what was taken twice",
       "constant %dy: f32[3,1] = {1, 2, 4} constant %i: i64[3] = {1, -1, 1} constant %s: i64[2] = {3, 1} %y = "
       "GatherGrad(%dy, %i, %s)",
       "f32[3,1]", "{0.0, 5.0, 2.0}"},
      {"Pad by reflection does not repeat the ends",
       "constant %x: i32[3] = {1, 2, 3} constant %p: i64[2] = {2, 2} %y = Pad(%x, %p) {mode=\"reflect\"}", "i32[7]",
       "{3, 2, 1, 2, 3, 2, 1}"},
      {"Pad by reflection beyond the extent",
       "constant %x: i32[2] = {1, 2} constant %p: i64[2] = {3, 2} %y = Pad(%x, %p) {mode=\"reflect\"}", "i32[7]",
       "{2, 1, 2, 1, 2, 1, 2}"},
      {"Pad by the edge",
       "constant %x: i32[2,2] = {1, 2, 3, 4} constant %p: i64[4] = {1, 0, 0, 1} %y = Pad(%x, %p) {mode=\"edge\"}",
       "i32[3,3]", "{1, 2, 2, 1, 2, 2, 3, 4, 4}"},
      {"Pad with a value on one side and less on the other",
       "constant %x: i32[1,3] = {1, 2, 3} constant %p: i64[4] = {0, -1, 1, 2} constant %v: i32[] = {7} %y = Pad(%x, "
       "%p, %v)",
       "i32[2,4]", "{2, 3, 7, 7, 7, 7, 7, 7}"},
      {"Pad may leave nothing of an axis",
       "constant %x: i32[2] = {1, 2} constant %p: i64[2] = {-3, 2} %y = Pad(%x, %p)", "i32[1]", "{0}"},
  };
  check(examples);
}

TEST_CASE("what the basic ops cannot compute is refused with a reason") {
  static const std::pair<std::string_view, std::string_view> refusals[] = {
      {"input %a: f32[2] input %b: f32[3] %y = Add(%a, %b)", "broadcast"},
      {"input %a: f32[2] input %b: i32[2] %y = Mul(%a, %b)", "same element type"},
      {"input %a: bool[2] %y = Add(%a, %a)", "must be of numbers"},
      {"input %a: i32[2] %y = Exp(%a)", "must be of floats"},
      {"input %a: f32[2] %y = Not(%a)", "must be of bools"},
      {"input %a: f32[2] %y = Cast(%a) {to=27}", "element type number 27"},
      {"input %a: f32[2] %y = Cast(%a) {to=8}", "STRING"},
      {"input %a: f32[2] input %s: i64[1] %y = Reshape(%a, %s)", "depends on data"},
      {"input %a: f32[2] constant %s: i64[2] = {-1, -1} %y = Reshape(%a, %s)", "two axes open"},
      {"input %a: f32[2] constant %s: i64[1] = {-3} %y = Reshape(%a, %s)", "negative extent"},
      {"input %a: f32[2] constant %s: i64[4] = {4294967296, -1, 4294967296, 2} %y = Reshape(%a, %s)", "absurdly large"},
      {"input %a: f32[0,16777216,16777216,16777216] %y = Flatten(%a)", "absurdly large"},
      {"input %a: f32[5,4611686018427387904,0] %y = Flatten(%a)", "absurdly large"},
      {"input %a: i32[1099511627776,0] %y = EyeLike(%a)", "absurdly large"},
      {"input %a: f32[2] constant %s: i64[1] = {0} %y = Squeeze(%a, %s)", "not 1"},
      {"input %a: f32[2] constant %s: i64[2] = {0, 0} %y = Unsqueeze(%a, %s)", "listed twice"},
      {"input %a: f32[2] constant %s: i64[1] = {1} %y = ReduceSum(%a, %s)", "axis 1"},
      {"input %a: f32[2] constant %s: i32[1] = {0} %y = ReduceSum(%a, %s)", "must be i64"},
      {"input %a: f32[0] %y = ArgMax(%a)", "empty"},
      {"input %a: f32[2,3] %y = Transpose(%a) {perm=[0,0]}", "does not permute"},
      {"input %a: f32[2,3] input %b: f32[2,4] %y = Concat(%a, %b) {axis=0}", "differ beyond axis 0"},
      {"input %a: f32[5] %y, %z = Split(%a)", "do not make up"},
      {"input %a: f32[5] constant %s: i64[2] = {6, -1} %y, %z = Split(%a, %s)", "do not make up"},
      {"input %a: f32[5] input %i: f32[1] %y = Gather(%a, %i)", "i32 or i64"},
      {"input %a: f32[5] constant %p: i64[2] = {1, 1} %y = Pad(%a, %p) {mode=\"odd\"}", "mode 'odd'"},
      {"input %a: f32[5] constant %p: i64[2] = {-3, -3} %y = Pad(%a, %p)", "take away"},
      {"input %a: f32[5] constant %s: i64[1] = {0} constant %t: i64[1] = {0} %y = Slice(%a, %s, %s, %s, %t)",
       "step of 0"},
      {"constant %a: i64[] = {0} %y = Range(%a, %a, %a)", "step of 0"},
      {"input %a: f32[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1] %y = Relu(%a)", "more than 16 axes"},
  };
  for (const auto& [body, reason] : refusals) {
    INFO(body);
    CHECK_THAT(refusal_of(body), Catch::Contains(std::string(reason)));
  }
}

TEST_CASE("Gather refuses an index that is out of range") {
  CHECK_THROWS_AS(result_of("constant %x: f32[3] = {1, 2, 3} constant %i: i64[1] = {3} %y = Gather(%x, %i)"), Error);
  CHECK_THROWS_AS(result_of("constant %x: f32[3] = {1, 2, 3} constant %i: i32[1] = {-4} %y = Gather(%x, %i)"), Error);
}

TEST_CASE("gradients at ties, bounds and singular points are PyTorch's") {
  const Tensor x = Tensor::of<float>({4}, {0.0f, 2.0f, 1.0f, 2.0f});
  CHECK(gradient_text("%y = ReduceMax(%x) {keepdims=0}", x) == "{0.0, 0.5, 0.0, 0.5}");
  CHECK(gradient_text("constant %c: f32[] = {2} %y = Max(%x, %c)", x) == "{0.0, 0.5, 0.0, 0.5}");
  CHECK(gradient_text("constant %a: f32[] = {0} constant %b: f32[] = {1} %y = Clip(%x, %a, %b)", x) ==
        "{1.0, 0.0, 1.0, 0.0}");
  CHECK(gradient_text("%y = Abs(%x)", x) == "{0.0, 1.0, 1.0, 1.0}");
  CHECK(gradient_text("%y = Relu(%x)", x) == "{0.0, 1.0, 1.0, 1.0}");
  CHECK(gradient_text("constant %b: f32[] = {0} %y = Pow(%x, %b)", x) == "{0.0, 0.0, 0.0, 0.0}");
  CHECK(gradient_text("constant %z: f32[] = {0} %s = Mul(%x, %z) %y = ReduceL2(%s)", x) == "{0.0, 0.0, 0.0, 0.0}");
}

TEST_CASE("training may pass ops without a derivative") {
  const Tensor x = Tensor::of<float>({3}, {0.25f, -1.5f, 2.0f});
  // round(x) + x, and x chosen by a comparison.
  CHECK(gradient_text("%r = Round(%x) %y = Add(%r, %x)", x) == "{1.0, 1.0, 1.0}");
  CHECK(gradient_text("%z = Sign(%x) %g = Greater(%x, %z) %y = Where(%g, %x, %z)", x) == "{0.0, 0.0, 1.0}");
}

TEST_CASE("reductions have the same bits for any number of threads") {
  const int threads = omp_get_max_threads();
  const Tensor x = random_floats({6, 3, 90, 40});
  const std::vector<std::vector<int64_t>> cases = {{0, 2, 3}, {0, 1}, {3}, {1, 3}, {0, 1, 2, 3}, {0}};
  for (const std::vector<int64_t>& axes : cases) {
    const Tensor operand = Tensor::of<int64_t>({static_cast<int64_t>(axes.size())}, std::span<const int64_t>(axes));
    omp_set_num_threads(1);
    const Tensor serial = evaluated("ReduceSum", {x, operand});
    omp_set_num_threads(5);
    const Tensor parallel = evaluated("ReduceSum", {x, operand});
    omp_set_num_threads(threads);
    INFO("axes " << text_of(axes));
    CHECK(serial == parallel);
  }
}

TEST_CASE("ReduceSum of many floats is within one rounding of the exact sum") {
  const Tensor x = random_floats({300, 7, 50});
  const std::span<const float> elements = x.as<float>();
  const double exact = std::accumulate(elements.begin(), elements.end(), 0.0);
  CHECK(evaluated("ReduceSum", {x}, {{"keepdims", int64_t{0}}}).as<float>()[0] == static_cast<float>(exact));
  const Tensor columns = evaluated("ReduceSum", {x, Tensor::of<int64_t>({2}, {0, 2})}, {{"keepdims", int64_t{0}}});
  for (int64_t c = 0; c < 7; ++c) {
    double sum = 0;
    for (int64_t n = 0; n < 300; ++n)
      for (int64_t k = 0; k < 50; ++k) sum += static_cast<double>(elements[static_cast<size_t>((n * 7 + c) * 50 + k)]);
    CHECK(columns.as<float>()[static_cast<size_t>(c)] == Approx(sum).epsilon(1e-7));
  }
}

TEST_CASE("elementwise ops may write over any operand of the output's type") {
  for (const std::string_view name : {"Add", "Sub", "Mul", "Div", "Pow", "ReluGrad", "HardSwishGrad"}) {
    const OpDef& op = op_named(name);
    REQUIRE(op.in_place);
    const Tensor a = random_floats({3, 11, 401}, 1), b = random_floats({3, 11, 401}, 2);
    const Tensor expected = evaluated(name, {a, b});
    const Type* types[] = {&a.type(), &b.type()};
    const Attrs attrs;
    const KernelQuery query{types, {types, 1}, attrs};
    for (const size_t overwritten : {0, 1}) {
      Tensor inputs[] = {a, b};
      const void* in[] = {inputs[0].data(), inputs[1].data()};
      void* out[] = {inputs[overwritten].data()};
      op.kernels.back().run({.in = in, .out = out, .query = query, .in_formats = {}, .out_format = {}, .random = {}});
      INFO(name << " over operand " << overwritten);
      CHECK(elements_text(inputs[overwritten], kAll) == elements_text(expected, kAll));
    }
  }
}

TEST_CASE("Transpose agrees with its definition for every permutation of three axes and every element size") {
  const Shape shape = {33, 5, 40};
  std::vector<int64_t> perm = {0, 1, 2};
  do {
    for (const DType dtype : {DType::u8, DType::i16, DType::f32, DType::i64}) {
      visit(dtype, [&](auto zero) {
        using T = decltype(zero);
        Tensor x(Type{dtype, shape});
        for (size_t i = 0; i < x.as<T>().size(); ++i) x.as<T>()[i] = static_cast<T>(i * 7);
        const Tensor y = evaluated("Transpose", {x}, {{"perm", perm}});
        const Shape& out = y.type().shape;
        int64_t wrong = 0, position = 0;
        int64_t at[3];
        for (at[0] = 0; at[0] < out[0]; ++at[0])
          for (at[1] = 0; at[1] < out[1]; ++at[1])
            for (at[2] = 0; at[2] < out[2]; ++at[2], ++position) {
              int64_t from[3];
              for (size_t i = 0; i < 3; ++i) from[perm[i]] = at[i];
              const int64_t source = (from[0] * shape[1] + from[1]) * shape[2] + from[2];
              wrong += y.as<T>()[static_cast<size_t>(position)] != x.as<T>()[static_cast<size_t>(source)];
            }
        INFO("perm " << text_of(perm) << " of " << text_of(y.type()));
        CHECK(wrong == 0);
      });
    }
  } while (std::next_permutation(perm.begin(), perm.end()));
}

}  // namespace marvin
