#include "importer/replace_head.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "tests/importer/model_builder.h"

using namespace marvin;
using Catch::Matchers::Contains;

namespace {

ModelBuilder classifier() {
  ModelBuilder model(13);
  model.input("x", {"n", 4});
  model.initializer("fc.weight", Tensor(Type{DType::f32, {10, 4}}))
      .initializer("fc.bias", Tensor(Type{DType::f32, {10}}));
  model.node("Gemm", {"x", "fc.weight", "fc.bias"}, {"scores"}, {attribute("transB", int64_t{1})}, "fc");
  model.node("Softmax", {"scores"}, {"y"}).output("y");
  return model;
}

const Tensor& parameter(const Graph& graph, const std::string& name) { return *graph[graph.find(name)].data; }

}  // namespace

TEST_CASE("a new head has another width, fresh weights and the old names") {
  const OnnxModel model = with_head(classifier().load(), 3, 7);
  const Graph graph = model.import({.batch = 2});
  CHECK(graph.type_of(graph.find("y")).shape == Shape{2, 3});
  const Tensor& weight = parameter(graph, "fc.weight");
  CHECK(weight.type().shape == Shape{3, 4});
  CHECK(parameter(graph, "fc.bias").type().shape == Shape{3});
  double largest = 0;
  for (const float element : weight.as<float>()) largest = std::max(largest, std::abs(static_cast<double>(element)));
  CHECK(largest > 0.1);
  CHECK(largest <= 0.5);  // 1 / sqrt(4)
}

TEST_CASE("a new head is a function of its seed") {
  const auto weight = [](uint64_t seed) {
    return parameter(with_head(classifier().load(), 3, seed).import({}), "fc.weight");
  };
  CHECK(weight(1) == weight(1));
  CHECK_FALSE(weight(1) == weight(2));
}

TEST_CASE("without a last layer a new head is refused, naming what is in the way") {
  ModelBuilder model(13);
  model.input("x", {2, 3}).node("Relu", {"x"}, {"y"}).output("y");
  CHECK_THAT(error_of([&] { with_head(model.load(), 3, 0); }), Contains("no Gemm, MatMul or Conv"));
  CHECK_THAT(error_of([] { with_head(classifier().load(), 0, 0); }), Contains("--replace-head 0"));
}
