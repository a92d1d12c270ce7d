#include "runtime/train/initialize.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "runtime/ops/op.h"

namespace marvin {
namespace {

Graph layer() {
  return from_text(R"(graph g { input %x: f32[2,64,3,3]
    parameter %weight: f32[128,64,3,3] parameter %bias: f32[128]
    %y = Conv(%x, %weight, %bias) {pads=[1,1,1,1]} output %y })");
}

struct Statistics {
  double variance = 0, largest = 0;
};

Statistics statistics_of(const std::string& scheme) {
  Graph graph = layer();
  initialize(graph, scheme, 3);
  const Tensor& weight = *graph[graph.find("weight")].data;
  Statistics result;
  for (const float element : weight.as<float>()) {
    const double number = static_cast<double>(element);
    result.variance += number * number / static_cast<double>(weight.type().elements());
    result.largest = std::max(result.largest, std::abs(number));
  }
  for (const float element : graph[graph.find("bias")].data->as<float>()) CHECK(element == 0);
  return result;
}

constexpr double kFanIn = 64 * 9, kFanOut = 128 * 9;

TEST_CASE("he draws with variance 2 / fan in") {
  CHECK(statistics_of("he").variance == Approx(2 / kFanIn).epsilon(0.02));
}

TEST_CASE("frozen parameters keep the values that they came with") {
  Graph graph = layer();
  const ValueId weight = graph.find("weight");
  const auto before = std::make_shared<const Tensor>(graph[weight].type);
  graph[weight].data = before;
  initialize(graph, "he", 3, {weight});
  CHECK(graph[weight].data == before);
  CHECK(graph[graph.find("bias")].data != nullptr);
}

TEST_CASE("xavier draws evenly within its bound") {
  const Statistics found = statistics_of("xavier");
  CHECK(found.largest <= std::sqrt(6 / (kFanIn + kFanOut)));
  CHECK(found.variance == Approx(2 / (kFanIn + kFanOut)).epsilon(0.02));
}

TEST_CASE("tnvs cuts a normal distribution off at the square root of three deviations") {
  const Statistics found = statistics_of("tnvs");
  CHECK(found.largest <= std::sqrt(1.5 / kFanIn));
  // Truncation leaves 0.664 of the variance.
  CHECK(found.variance == Approx(0.664 * 0.5 / kFanIn).epsilon(0.02));
}

TEST_CASE("tnvs spreads by the numbers that a row of a matrix reads, and leaves 0.815 of the deviation") {
  Graph graph = from_text(R"(graph g { input %x: f32[2,300]
    parameter %transposed: f32[200,300] parameter %plain: f32[200,400]
    parameter %scale: f32[400] parameter %shift: f32[400]
    %h = Gemm(%x, %transposed) {transB=1}
    %g = MatMul(%h, %plain)
    %y = LayerNormalization(%g, %scale, %shift) output %y })");
  initialize(graph, "tnvs", 5);
  const std::vector<std::pair<std::string, double>> fan_ins = {{"transposed", 300}, {"plain", 200}};
  for (const auto& [name, fan_in] : fan_ins) {
    INFO(name);
    const double sigma = std::sqrt(0.5 / fan_in);
    double sum = 0, squares = 0, largest = 0;
    const std::span<const float> weights = graph[graph.find(name)].data->as<float>();
    for (const float weight : weights) {
      const double number = static_cast<double>(weight) / sigma;
      sum += number;
      squares += number * number;
      largest = std::max(largest, std::abs(number));
    }
    const double count = static_cast<double>(weights.size());
    CHECK(std::sqrt(squares / count) == Approx(0.815).epsilon(0.01));
    CHECK(std::abs(sum / count) < 0.015);
    CHECK(largest <= std::sqrt(3.0) * (1 + 1e-6));
    CHECK(largest > 1.72);  // the bounds are reached
  }
  for (const float element : graph[graph.find("scale")].data->as<float>()) CHECK(element == 1);
}

TEST_CASE("keep changes nothing, and other schemes are refused with a suggestion") {
  Graph graph = layer();
  initialize(graph, "keep", 3);
  CHECK(graph[graph.find("weight")].data == nullptr);
  CHECK_THROWS_WITH(initialize(graph, "hee", 3),
                    Catch::Contains("unknown initialization 'hee'") && Catch::Contains("he"));
}

}  // namespace
}  // namespace marvin
