#include "runtime/train/gradient_check.h"

#include <catch2/catch.hpp>
#include <random>

#include "runtime/ops/op.h"

namespace marvin {
namespace {

Tensor random_tensor(const Shape& shape) {
  std::mt19937 random(5);
  Tensor tensor(Type{DType::f32, shape});
  for (float& element : tensor.as<float>()) element = static_cast<float>(random() >> 8) * 0x1p-23f - 1;
  return tensor;
}

Graph model(const std::string& activation) {
  Graph graph = from_text(cat("graph g { input %x: f32[4,6] parameter %w: f32[5,6] parameter %b: f32[5]\n",
                              "%a = Gemm(%x, %w, %b) {transB=1} %y = ", activation, "(%a) output %y }"));
  for (const char* name : {"w", "b"}) {
    Value& value = graph[graph.find(name)];
    value.data = std::make_shared<const Tensor>(random_tensor(value.type.shape));
  }
  return graph;
}

TEST_CASE("gradients of a smooth network agree with differences, of parameters and inputs") {
  const std::vector<NamedArray> inputs = {{"x", random_tensor({4, 6})}};
  const std::vector<GradientCheck> checks = check_gradients(model("Tanh"), inputs, 1);
  REQUIRE(checks.size() == 3);
  for (const GradientCheck& check : checks) {
    CAPTURE(check.name, check.error);
    CHECK(check.reached);
    CHECK(check.norm > 0);
    CHECK(check.error < 5e-3);
  }
}

TEST_CASE("a gradient that is deliberately not the derivative is found out") {
  // Its gradient is straight-through: one, while no small step changes the rounded value.
  const Graph graph = from_text(R"(graph g {
    input %x: f32[64]
    constant %scale: f32[] = {1}
    constant %zero: f32[] = {0}
    %y = FakeQuantize(%x, %scale, %zero)
    output %y })");
  Tensor x = random_tensor({64});
  for (float& element : x.as<float>()) element = 0.25f * element;
  const std::vector<GradientCheck> checks = check_gradients(graph, {{"x", x}}, 1);
  REQUIRE(checks.size() == 1);
  CHECK(checks[0].reached);
  CHECK(checks[0].error > 0.1);
}

TEST_CASE("rounding does not make the gradient of a bias in front of a normalization wrong") {
  Graph graph = from_text(R"(graph g {
    input %x: f32[64,6] parameter %w: f32[5,6] parameter %b: f32[5]
    constant %scale: f32[5] = {1, 1, 1, 1, 1} constant %zero: f32[5] = {0, 0, 0, 0, 0}
    %a = Gemm(%x, %w, %b) {transB=1}
    %y, %m, %v = BatchNormalization(%a, %scale, %zero, %zero, %scale) {training_mode=1}
    %z = Relu(%y)
    output %z })");
  for (const char* name : {"w", "b"}) {
    Value& value = graph[graph.find(name)];
    value.data = std::make_shared<const Tensor>(random_tensor(value.type.shape));
  }
  for (const GradientCheck& check : check_gradients(graph, {{"x", random_tensor({64, 6})}}, 1)) {
    CAPTURE(check.name, check.norm, check.error);
    CHECK(check.error < 0.05);
  }
}

TEST_CASE("what no gradient reaches is told apart from what has a wrong one") {
  const Graph graph = from_text("graph g { input %x: f32[8] %y = Round(%x) output %y }");
  const std::vector<GradientCheck> checks = check_gradients(graph, {{"x", random_tensor({8})}}, 1);
  REQUIRE(checks.size() == 1);
  CHECK_FALSE(checks[0].reached);
}

TEST_CASE("a missing input is told by name") {
  CHECK_THROWS_WITH(check_gradients(model("Tanh"), {}, 1), Catch::Contains("no array 'x'"));
}

}  // namespace
}  // namespace marvin
