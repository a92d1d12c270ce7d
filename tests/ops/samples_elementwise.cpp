#include "tests/ops/samples.h"

namespace marvin {

std::span<const Sample> elementwise_samples() {
  static const std::vector<Sample> samples = {
      // unary
      {.name = "Abs", .graph = "graph g { input %x: f32[2,5] %y = Abs(%x) output %y }"},
      {.name = "Abs of integers",
       .graph = "graph g { input %x: i8[5] %y = Abs(%x) output %y }",
       .differentiable = false},
      {.name = "Neg", .graph = "graph g { input %x: f32[2,5] %y = Neg(%x) output %y }"},
      {.name = "Sign", .graph = "graph g { input %x: f32[2,5] %y = Sign(%x) output %y }", .differentiable = false},
      {.name = "Reciprocal", .graph = "graph g { input %x: f32[7] %y = Reciprocal(%x) output %y }", .low = 0.5},
      {.name = "Sqrt", .graph = "graph g { input %x: f32[7] %y = Sqrt(%x) output %y }", .low = 0.5},
      {.name = "Exp", .graph = "graph g { input %x: f32[7] %y = Exp(%x) output %y }"},
      {.name = "Log", .graph = "graph g { input %x: f32[7] %y = Log(%x) output %y }", .low = 0.5},
      {.name = "Erf", .graph = "graph g { input %x: f32[7] %y = Erf(%x) output %y }"},
      {.name = "Floor, Ceil and Round",
       .graph = R"(graph g {
         input %x: f32[9]
         %floor = Floor(%x)
         %ceil = Ceil(%x)
         %round = Round(%x)
         output %floor output %ceil output %round })",
       .low = -3,
       .high = 3,
       .differentiable = false},
      {.name = "Not", .graph = "graph g { input %x: bool[5] %y = Not(%x) output %y }", .differentiable = false},
      {.name = "Cast there and back", .graph = R"(graph g {
         input %x: f32[6]
         %d = Cast(%x) {to=11}
         %y = Cast(%d) {to=1}
         output %y })"},
      {.name = "Cast to integers and bool",
       .graph = R"(graph g {
         input %x: f32[6]
         %a = Cast(%x) {to=2}
         %b = Cast(%x) {to=3}
         %c = Cast(%x) {to=5}
         %d = Cast(%x) {to=6}
         %e = Cast(%x) {to=7}
         %f = Cast(%x) {to=9}
         output %a output %b output %c output %d output %e output %f })",
       .low = 0,
       .high = 9,
       .differentiable = false},
      // trigonometry
      {.name = "Sin", .graph = "graph g { input %x: f32[7] %y = Sin(%x) output %y }", .low = -4, .high = 4},
      {.name = "Cos", .graph = "graph g { input %x: f32[7] %y = Cos(%x) output %y }", .low = -4, .high = 4},
      {.name = "Tan", .graph = "graph g { input %x: f32[7] %y = Tan(%x) output %y }"},
      {.name = "Asin", .graph = "graph g { input %x: f32[7] %y = Asin(%x) output %y }", .low = -0.8, .high = 0.8},
      {.name = "Acos", .graph = "graph g { input %x: f32[7] %y = Acos(%x) output %y }", .low = -0.8, .high = 0.8},
      {.name = "Atan", .graph = "graph g { input %x: f32[7] %y = Atan(%x) output %y }", .low = -3, .high = 3},
      {.name = "Sinh", .graph = "graph g { input %x: f32[7] %y = Sinh(%x) output %y }"},
      {.name = "Cosh", .graph = "graph g { input %x: f32[7] %y = Cosh(%x) output %y }"},
      {.name = "Asinh", .graph = "graph g { input %x: f32[7] %y = Asinh(%x) output %y }", .low = -3, .high = 3},
      {.name = "Acosh", .graph = "graph g { input %x: f32[7] %y = Acosh(%x) output %y }", .low = 1.2, .high = 3},
      {.name = "Atanh", .graph = "graph g { input %x: f32[7] %y = Atanh(%x) output %y }", .low = -0.8, .high = 0.8},
      {.name = "CastLike", .graph = R"(graph g {
         input %x: f32[6]
         constant %like: f64[1] = {0}
         %d = CastLike(%x, %like)
         %y = CastLike(%d, %x)
         output %y })"},
      {.name = "CastLike of the same type", .graph = "graph g { input %x: f32[6] %y = CastLike(%x, %x) output %y }"},
      // arithmetic
      {.name = "Add of equal shapes",
       .graph = "graph g { input %a: f32[2,3] input %b: f32[2,3] %y = Add(%a, %b) output %y }"},
      {.name = "Add of one value to itself", .graph = "graph g { input %a: f32[2,3] %y = Add(%a, %a) output %y }"},
      {.name = "Add of a vector per channel",
       .graph = "graph g { input %a: f32[2,3,2,2] input %b: f32[1,3,1,1] %y = Add(%a, %b) output %y }"},
      {.name = "Add of integers",
       .graph = "graph g { input %a: i32[2,3] input %b: i32[3] %y = Add(%a, %b) output %y }",
       .differentiable = false},
      {.name = "Sub with both sides broadcast",
       .graph = "graph g { input %a: f32[4,1] input %b: f32[2,1,3] %y = Sub(%a, %b) output %y }"},
      {.name = "Mul by a scalar", .graph = "graph g { input %a: f32[2,3] input %b: f32[] %y = Mul(%a, %b) output %y }"},
      {.name = "Mul of a scalar",
       .graph = "graph g { input %a: f32[1] input %b: f32[2,3] %y = Mul(%a, %b) output %y }"},
      {.name = "Div",
       .graph = "graph g { input %a: f32[2,3] input %b: f32[3] %y = Div(%a, %b) output %y }",
       .low = 0.5,
       .high = 2},
      {.name = "Pow of two values",
       .graph = "graph g { input %a: f32[2,3] input %b: f32[3] %y = Pow(%a, %b) output %y }",
       .low = 0.5,
       .high = 2},
      {.name = "Pow with a scalar 2",
       .graph = "graph g { input %a: f32[2,3] constant %b: f32[] = {2} %y = Pow(%a, %b) output %y }"},
      {.name = "Pow with an integer exponent",
       .graph = "graph g { input %a: f32[2,3] constant %b: i64[1] = {3} %y = Pow(%a, %b) output %y }"},
      {.name = "Pow with roots and reciprocals",
       .graph = R"(graph g {
         input %a: f32[2,3]
         constant %half: f32[] = {0.5} constant %root: f32[1] = {-0.5} constant %inverse: f32[] = {-1}
         %x = Pow(%a, %half)
         %y = Pow(%a, %root)
         %z = Pow(%a, %inverse)
         output %x output %y output %z })",
       .low = 0.5,
       .high = 2},
      {.name = "Pow of integers",
       .graph = R"(graph g {
         input %a: i32[2,3]
         constant %b: u64[3] = {0, 2, 3}
         constant %two: f32[] = {2}
         %y = Pow(%a, %b)
         %z = Pow(%a, %two)
         output %y output %z })",
       .differentiable = false},
      {.name = "Mod of floats",
       .graph = "graph g { input %a: f32[2,3] input %b: f32[3] %y = Mod(%a, %b) {fmod=1} output %y }",
       .low = 0.5,
       .high = 3},
      {.name = "Mod of integers",
       .graph = R"(graph g {
         input %a: i16[5]
         constant %b: i16[5] = {3, -2, 0, -1, 2}
         %floored = Mod(%a, %b)
         %truncated = Mod(%a, %b) {fmod=1}
         output %floored output %truncated })",
       .differentiable = false},
      {.name = "arithmetic of unsigned integers",
       .graph = R"(graph g {
         input %a: u16[2,3]
         input %b: u16[3]
         %sum = Add(%a, %b)
         %difference = Sub(%a, %b)
         %product = Mul(%a, %b)
         %quotient = Div(%a, %b)
         %most = Max(%a, %b)
         %least = Min(%a, %b)
         output %sum output %difference output %product output %quotient output %most output %least })",
       .differentiable = false},
      {.name = "Max of three", .graph = R"(graph g {
         input %a: f32[2,4]
         input %b: f32[4]
         input %c: f32[2,1]
         %y = Max(%a, %b, %c)
         output %y })"},
      {.name = "Min of two", .graph = "graph g { input %a: f32[1,4] input %b: f32[3,1] %y = Min(%a, %b) output %y }"},
      {.name = "Max of one", .graph = "graph g { input %a: f32[3] %y = Max(%a) output %y }"},
      {.name = "Sum of three",
       .graph = "graph g { input %a: f32[3] input %b: f32[2,1] input %c: f32[] %y = Sum(%a, %b, %c) output %y }"},
      {.name = "Mean of two, one of them twice",
       .graph = "graph g { input %a: f32[3] input %b: f32[2,3] %y = Mean(%a, %b, %a) output %y }"},
      // bits
      {.name = "bits of integers",
       .graph = R"(graph g {
         input %a: i8[3,4]
         input %b: i8[4]
         %and = BitwiseAnd(%a, %b)
         %or = BitwiseOr(%a, %b)
         %xor = BitwiseXor(%a, %b)
         %not = BitwiseNot(%a)
         output %and output %or output %xor output %not })",
       .differentiable = false},
      {.name = "BitShift",
       .graph = R"(graph g {
         input %a: u32[3,4]
         input %b: u32[4]
         %left = BitShift(%a, %b) {direction="LEFT"}
         %right = BitShift(%a, %b) {direction="RIGHT"}
         output %left output %right })",
       .differentiable = false},
      // comparisons
      {.name = "comparisons",
       .graph = R"(graph g {
         input %a: i64[3,8]
         input %b: i64[8]
         %equal = Equal(%a, %b)
         %greater = Greater(%a, %b)
         %less = Less(%a, %b)
         %not_less = GreaterOrEqual(%a, %b)
         %not_greater = LessOrEqual(%a, %b)
         output %equal output %greater output %less output %not_less output %not_greater })",
       .differentiable = false},
      {.name = "logic",
       .graph = R"(graph g {
         constant %a: bool[2,1] = {0, 1}
         constant %b: bool[2] = {0, 1}
         %and = And(%a, %b)
         %or = Or(%a, %b)
         %xor = Xor(%a, %b)
         output %and output %or output %xor })",
       .differentiable = false},
      {.name = "IsNaN and IsInf",
       .graph = R"(graph g {
         input %x: f32[5]
         %l = Log(%x)
         %nan = IsNaN(%l)
         %inf = IsInf(%l)
         %above = IsInf(%l) {detect_negative=0}
         %below = IsInf(%l) {detect_positive=0}
         output %nan output %inf output %above output %below })",
       .differentiable = false},
      {.name = "Where", .graph = R"(graph g {
         constant %c: bool[2,3] = {1, 0, 0, 1, 1, 0}
         input %a: f32[2,3]
         input %b: f32[3]
         %y = Where(%c, %a, %b)
         output %y })"},
      {.name = "Where with a broadcast condition", .graph = R"(graph g {
         constant %c: bool[2,1] = {1, 0}
         input %a: f32[2,3]
         input %b: f32[1]
         %y = Where(%c, %a, %b)
         output %y })"},
  };
  return samples;
}

}  // namespace marvin
