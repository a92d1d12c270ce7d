// Values of mathematical ops where ONNX's conformance cases do not reach: PyTorch's, or known ones.
#include <cmath>

#include "passes/differentiate.h"
#include "runtime/ir/text.h"
#include "tests/ops/interpret.h"
#include "tests/ops/run_op.h"

namespace marvin {
namespace {

Tensor value_of(std::string_view body) {
  const Graph graph = from_text(cat("graph g { ", body, " output %y }"));
  return interpret(graph, {}).at("y");
}

std::string text_of_value(std::string_view body) {
  const Tensor value = value_of(body);
  return cat(text_of(value.type()), " ", elements_text(value, 1000));
}

// d.x of sum(y), where the body makes %y of %x.
Tensor gradient_of(std::string_view body, const Tensor& x) {
  Graph graph = from_text(cat("graph g { parameter %x: ", text_of(x.type()), " ", body, " output %y }"));
  graph.loss = graph[append(graph, {.op = "ReduceSum", .inputs = graph.outputs}, {"loss"})].outputs[0];
  graph.outputs = differentiate(graph, {graph.find("x")});
  return interpret(graph, {{"x", x}}).at(graph[graph.outputs[0]].name);
}

std::string refusal_of(std::string_view body) {
  try {
    from_text(cat("graph g { ", body, " }"));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("activations have the values that PyTorch gives them") {
  const auto check = [](std::string_view op, std::string_view attrs, const Floats& want) {
    INFO(op);
    check_close(value_of(cat("constant %x: f32[5] = {-2, -0.4, 0, 0.3, 1.7} %y = ", op, "(%x) ", attrs)), want);
  };
  check("Celu", "", {-0.864664733f, -0.329679966f, 0, 0.3f, 1.7f});
  check("Selu", "", {-1.52016652f, -0.579610109f, 0, 0.315210313f, 1.78619182f});
  check("Gelu", "", {-0.0455000997f, -0.137831345f, 0, 0.185373425f, 1.62423885f});
  check("Gelu", R"({approximate="tanh"})", {-0.0454022884f, -0.137838826f, 0, 0.185370937f, 1.62410593f});
  check("Mish", "", {-0.252501458f, -0.188916489f, 0, 0.20800139f, 1.62076807f});
  check("Swish", "", {-0.238405839f, -0.160524949f, 0, 0.172332764f, 1.43740916f});
  check("Softsign", "", {-0.666666687f, -0.285714298f, 0, 0.230769247f, 0.629629612f});
  check("Shrink", "{bias=0.5}", {-1.5f, 0, 0, 0, 1.2f});
  check("Shrink", "", {-2, 0, 0, 0, 1.7f});
  check("ThresholdedRelu", "{alpha=0.3}", {0, 0, 0, 0, 1.7f});
}

TEST_CASE("activations neither overflow nor lose NaN far from zero") {
  constexpr std::string_view kFar = "constant %x: f32[4] = {-300, 300, 3e38, nan} ";
  CHECK(text_of_value(cat(kFar, "%y = Mish(%x)")) == "f32[4] {-0.0, 300.0, 3e+38, nan}");
  CHECK(text_of_value(cat(kFar, "%y = Swish(%x)")) == "f32[4] {-0.0, 300.0, 3e+38, nan}");
  CHECK(text_of_value(cat(kFar, "%y = Gelu(%x)")) == "f32[4] {-0.0, 300.0, 3e+38, nan}");
  CHECK(text_of_value(cat(kFar, "%y = ThresholdedRelu(%x)")) == "f32[4] {0.0, 300.0, 3e+38, nan}");
}

TEST_CASE("Mod takes the divisor's sign, and the dividend's with fmod") {
  constexpr std::string_view kIntegers =
      "constant %a: i32[6] = {-4, 7, 5, 4, -7, 8} constant %b: i32[6] = {2, -3, 8, -2, 3, 5} ";
  CHECK(text_of_value(cat(kIntegers, "%y = Mod(%a, %b)")) == "i32[6] {0, -2, 5, 0, 2, 3}");
  CHECK(text_of_value(cat(kIntegers, "%y = Mod(%a, %b) {fmod=1}")) == "i32[6] {0, 1, 5, 0, -1, 3}");
  CHECK(text_of_value("constant %a: i8[2] = {-128, 5} constant %b: i8[2] = {-1, 0} %y = Mod(%a, %b)") ==
        "i8[2] {0, 0}");
  CHECK(text_of_value("constant %a: f32[2] = {-7.5, 7.5} constant %b: f32[2] = {2, -2} %y = Mod(%a, %b) {fmod=1}") ==
        "f32[2] {-1.5, 1.5}");
  CHECK(refusal_of("input %a: f32[2] %y = Mod(%a, %a) output %y").find("fmod=1") != std::string::npos);
}

TEST_CASE("unsigned arithmetic wraps at its own width") {
  constexpr std::string_view kWords = "constant %a: u16[2] = {65535, 3} constant %b: u16[2] = {65535, 5} ";
  CHECK(text_of_value(cat(kWords, "%y = Mul(%a, %b)")) == "u16[2] {1, 15}");
  CHECK(text_of_value(cat(kWords, "%y = Sub(%a, %b)")) == "u16[2] {0, 65534}");
  CHECK(text_of_value(cat(kWords, "%y = Max(%a, %b)")) == "u16[2] {65535, 5}");
  CHECK(text_of_value("constant %a: i32[3] = {-2, 3, 2} constant %b: i64[3] = {3, 2, -1} %y = Pow(%a, %b)") ==
        "i32[3] {-8, 9, 0}");
}

TEST_CASE("BitShift by the width of the word or more leaves nothing") {
  constexpr std::string_view kBytes = "constant %a: u8[3] = {1, 255, 255} constant %b: u8[3] = {7, 8, 200} ";
  CHECK(text_of_value(cat(kBytes, R"(%y = BitShift(%a, %b) {direction="LEFT"})")) == "u8[3] {128, 0, 0}");
  CHECK(text_of_value(cat(kBytes, R"(%y = BitShift(%a, %b) {direction="RIGHT"})")) == "u8[3] {0, 0, 0}");
  CHECK(refusal_of(R"(input %a: i8[2] %y = BitShift(%a, %a) {direction="LEFT"} output %y)").find("unsigned") !=
        std::string::npos);
  CHECK(refusal_of("input %a: u8[2] %y = BitShift(%a, %a) output %y").find("LEFT or RIGHT") != std::string::npos);
}

TEST_CASE("gradients of products with zeros and of ties are PyTorch's") {
  const Tensor zeros = floats({3, 3}, {1, 2, 0, 0, 0, 3, 2, 3, 4});
  check_close(gradient_of("constant %a: i64[1] = {1} %y = ReduceProd(%x, %a)", zeros), {0, 0, 2, 0, 0, 0, 12, 8, 6});
  const Tensor ties = floats({2, 3}, {1, 3, 3, 2, 2, 2});
  constexpr float kThird = 1.0f / 3;
  check_close(gradient_of("constant %a: i64[1] = {1} %y = ReduceMax(%x, %a)", ties),
              {0, 0.5, 0.5, kThird, kThird, kThird});
}

TEST_CASE("ReduceLogSumExp neither overflows nor trips over infinities") {
  constexpr std::string_view kRows = "constant %a: i64[1] = {1} %y = ReduceLogSumExp(%x, %a) {keepdims=0}";
  CHECK(text_of_value(cat("constant %x: f32[5,2] = {1000, 1000, -inf, -inf, -inf, 2, inf, 1, nan, 1} ", kRows)) ==
        "f32[5] {1000.6932, -inf, 2.0, inf, nan}");
}

TEST_CASE("reductions over no axes work on every element") {
  constexpr std::string_view kX = "constant %x: f32[2] = {-3, 2} ";
  CHECK(text_of_value(cat(kX, "%y = ReduceL1(%x) {noop_with_empty_axes=1}")) == "f32[2] {3.0, 2.0}");
  CHECK(text_of_value(cat(kX, "%y = ReduceSumSquare(%x) {noop_with_empty_axes=1}")) == "f32[2] {9.0, 4.0}");
  CHECK(text_of_value(cat(kX, "%y = ReduceMax(%x) {noop_with_empty_axes=1}")) == "f32[2] {-3.0, 2.0}");
}

TEST_CASE("reductions of nothing and of bools") {
  CHECK(text_of_value("constant %x: bool[0] = {} %y = ReduceMax(%x) {keepdims=0}") == "bool[] {0}");
  CHECK(text_of_value("constant %x: bool[0] = {} %y = ReduceMin(%x) {keepdims=0}") == "bool[] {1}");
  CHECK(text_of_value("constant %x: bool[2,2] = {1, 0, 1, 1} constant %a: i64[1] = {1} %y = ReduceMin(%x, %a)") ==
        "bool[2,1] {0, 1}");
  CHECK(text_of_value("constant %x: f32[0] = {} %y = ReduceProd(%x) {keepdims=0}") == "f32[] {1.0}");
}

TEST_CASE("LpNormalization leaves zero rows zero") {
  CHECK(text_of_value("constant %x: f32[2,2] = {3, 4, 0, 0} %y = LpNormalization(%x)") ==
        "f32[2,2] {0.6, 0.8, 0.0, 0.0}");
  CHECK(text_of_value("constant %x: f32[2,2] = {3, -1, 0, 0} %y = LpNormalization(%x) {p=1}") ==
        "f32[2,2] {0.75, -0.25, 0.0, 0.0}");
  CHECK(refusal_of("input %x: f32[2] %y = LpNormalization(%x) {p=3} output %y").find("p is 1 or 2") !=
        std::string::npos);
}

TEST_CASE("generators refuse sizes that are not positive, unknown or huge") {
  CHECK(refusal_of("constant %n: i64[] = {0} %y = HannWindow(%n) output %y").find("positive") != std::string::npos);
  CHECK_FALSE(refusal_of("constant %n: i64[] = {4611686018427387904} %y = HannWindow(%n) output %y").empty());
  CHECK(refusal_of("input %n: i64[] %y = HannWindow(%n) output %y").find("depends on data") != std::string::npos);
  CHECK(refusal_of("%y = RandomNormal() {shape=[-1]} output %y").find("negative") != std::string::npos);
  CHECK(refusal_of("%y = RandomNormal() {shape=[2], dtype=7} output %y").find("floats") != std::string::npos);
}

TEST_CASE("random tensors have the moments that their attributes say, and repeat") {
  const Tensor normal = value_of("%y = RandomNormal() {mean=3.0, scale=2.0, shape=[100,100]}");
  double sum = 0, squares = 0;
  for (const float x : normal.as<float>()) sum += x, squares += static_cast<double>(x) * x;
  CHECK(sum / 1e4 == Approx(3).margin(0.1));
  CHECK(squares / 1e4 - sum / 1e4 * sum / 1e4 == Approx(4).margin(0.2));
  CHECK(value_of("%y = RandomNormal() {mean=3.0, scale=2.0, shape=[100,100]}") == normal);
  CHECK_FALSE(value_of("%y = RandomNormal() {mean=3.0, scale=2.0, shape=[100,100], seed=1.0}") == normal);

  const Tensor uniform = value_of("%y = RandomUniform() {low=-1.0, high=3.0, shape=[10000]}");
  double total = 0;
  for (const float x : uniform.as<float>()) {
    REQUIRE((x >= -1 && x <= 3));
    total += x;
  }
  CHECK(total / 1e4 == Approx(1).margin(0.05));
}

TEST_CASE("Bernoulli and Multinomial draw with the probabilities that they are given") {
  const Tensor coins = value_of(
      "constant %p: f32[1] = {0.3} constant %n: i64[1] = {10000} %ps = Expand(%p, %n) %y = Bernoulli(%ps) {dtype=6}");
  int64_t heads = 0;
  for (const int32_t coin : coins.as<int32_t>()) heads += coin;
  CHECK(heads == Approx(3000).margin(150));

  const Tensor drawn =
      value_of("constant %x: f32[1,3] = {0, 1.0986123, -inf} %y = Multinomial(%x) {sample_size=10000, dtype=7}");
  int64_t counts[3] = {};
  for (const int64_t label : drawn.as<int64_t>()) ++counts[label];
  CHECK(counts[0] == Approx(2500).margin(150));
  CHECK(counts[2] == 0);
}

TEST_CASE("label smoothing, class weights and ignored labels are PyTorch's cross entropy") {
  const Tensor x = floats({4, 3}, {0.5f, -1, 2, 1.5f, 0.25f, -0.75f, 0, 1, -2, 2, -1, 0.5f});
  constexpr std::string_view kLabels = "constant %t: i64[4] = {2, 0, 1, 1} constant %w: f32[3] = {0.5, 2, 1} ";
  const auto check = [&](std::string_view loss, const Floats& values, const Floats& gradient) {
    const std::string body = cat(kLabels, "%y = SoftmaxCrossEntropyLoss", loss);
    INFO(body);
    const Graph graph = from_text(cat("graph g { input %x: f32[4,3] ", body, " output %y }"));
    check_close(interpret(graph, {{"x", x}}).at("y"), values);
    check_close(gradient_of(body, x), gradient);
  };
  check("(%x, %t) {label_smoothing=0.1}", {1.1030769f},
        {0.035489265f, 0.0014448091f, -0.036934078f, -0.053723246f, 0.043125816f, 0.010597431f, 0.056540787f,
         -0.056987196f, 0.00044642389f, 0.18806592f, -0.22355519f, 0.035489265f});
  check("(%x, %t, %w) {label_smoothing=0.25, ignore_index=0}", {1.4576391f},
        {0.0281855f, -0.025184883f, -0.0030006166f, 0, 0, 0, 0.084652908f, -0.080570534f, -0.0040823477f, 0.27317229f,
         -0.319318f, 0.046145726f});
  check(R"((%x, %t, %w) {label_smoothing=0.25, reduction="none"})", {0.81386596f, 0.61628175f, 0.91698015f, 5.5573497f},
        {0.14092748f, -0.12592441f, -0.015003109f, 0.062293552f, -0.029442284f, -0.032851297f, 0.4232645f, -0.40285265f,
         -0.020411741f, 1.3658613f, -1.5965899f, 0.23072861f});
}

TEST_CASE("a label that is no class is refused when it arrives") {
  const Graph graph = from_text(
      "graph g { input %x: f32[1,3] constant %t: i64[1] = {3} "
      "%y = SoftmaxCrossEntropyLoss(%x, %t) output %y }");
  CHECK_THROWS_WITH(interpret(graph, {{"x", floats({1, 3}, {0, 0, 0})}}),
                    Catch::Contains("label 0 is 3, out of the range of 3 classes"));
}

}  // namespace marvin
