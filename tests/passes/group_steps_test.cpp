#include "passes/group_steps.h"

#include <omp.h>

#include <catch2/catch.hpp>
#include <numeric>

#include "passes/pipeline.h"
#include "passes/plan_memory.h"
#include "runtime/exec/executor.h"
#include "tests/ops/interpret.h"

namespace marvin {
namespace {

// A residual block, the mean of its elements as loss.
constexpr std::string_view kBlock = R"(graph block {
  input %x: f32[8,16,32,32]
  parameter %stem: f32[16,16,1,1] parameter %w: f32[16,16,3,3] parameter %v: f32[24,16,3,3] parameter %u: f32[24,16,1,1]
  parameter %t: f32[8,24,1,1]
  parameter %scale: f32[16] parameter %bias: f32[16] parameter %mean: f32[16] parameter %var: f32[16]
  parameter %scale2: f32[24] parameter %bias2: f32[24] parameter %mean2: f32[24] parameter %var2: f32[24]
  %a = Conv(%x, %stem)
  %h = Conv(%a, %w) {pads=[1,1,1,1]}
  %n, %m2, %v2 = BatchNormalization(%h, %scale, %bias, %mean, %var) {training_mode=1}
  %r = Relu(%n)
  %k = Conv(%r, %v) {pads=[1,1,1,1]}
  %o, %m3, %v3 = BatchNormalization(%k, %scale2, %bias2, %mean2, %var2) {training_mode=1}
  %s = Conv(%a, %u)
  %sum = Add(%o, %s)
  %q = Relu(%sum)
  %z = Conv(%q, %t)
  %loss = ReduceMean(%z) {keepdims=0}
  output %loss
  loss %loss
  update %mean <- %m2
  update %var <- %v2 })";

std::vector<NodeGroup> one_by_one(const std::vector<NodeGroup>& groups) {
  std::vector<NodeGroup> result;
  for (const NodeGroup& group : groups)
    for (const NodeId node : group.nodes) result.push_back({.nodes = {node}});
  return result;
}

struct Training {
  Graph graph;
  std::vector<std::vector<std::string>> groups;  // ops
  explicit Training(bool quantized) {
    PassRunner runner;
    CompileOptions options{.optimizer = OptimizerOptions{.momentum = 0.9f}, .observe = {.enabled = quantized}};
    if (quantized) {
      for (const Slot& slot : compile(from_text(kBlock), options, runner).graph.slots)
        options.formats[slot.name] = {8, slot.role == Role::gradient ? int8_t{20} : int8_t{5}};
      formats.resize(options.formats.size());
    }
    graph = compile(from_text(kBlock), options, runner).graph;
    for (size_t i = 0; i < formats.size(); ++i) formats[i] = options.formats.at(graph.slots[i].name);
    for (const NodeGroup& group : group_steps(graph)) {
      groups.emplace_back();
      for (const NodeId id : group.nodes) groups.back().push_back(graph[id].op);
    }
  }

  // Everything that three steps leave behind.
  std::vector<float> run(const std::vector<NodeGroup>& order, int threads) const {
    omp_set_num_threads(threads);
    ParameterStore store;
    store.adopt(graph);
    Arena arena;
    Executor executor(std::make_shared<Plan>(plan_memory(graph, order)), store, arena);
    const Values values = random_values(graph, -0.5f, 0.5f);
    std::copy_n(values.at("x").data(), values.at("x").type().bytes(), executor.input_bytes(executor.input_index("x")));
    executor.input<float>(executor.input_index("lr"))[0] = 0.05f;
    for (const Plan::Binding& parameter : executor.plan().parameters) {
      const Tensor& value = values.at(parameter.name);
      std::copy_n(value.data(), value.type().bytes(), store.at(parameter.name).data());
    }
    std::vector<float> result;
    for (uint64_t step = 1; step <= 3; ++step) {
      executor.run({.formats = formats, .seed = 5, .step = step});
      for (size_t i = 0; i < executor.plan().outputs.size(); ++i) {
        const std::span<const float> output = executor.output<float>(i);
        result.insert(result.end(), output.begin(), output.end());
      }
    }
    for (const auto& [name, tensor] : store) {
      const std::span<const float> elements = tensor.as<float>();
      result.insert(result.end(), elements.begin(), elements.end());
    }
    omp_set_num_threads(2);
    return result;
  }

  bool has_group(const std::vector<std::string>& ops) const {
    return std::ranges::any_of(groups, [&](const std::vector<std::string>& group) {
      return std::ranges::search(group, ops).begin() != group.end();
    });
  }

  std::vector<FixedPoint> formats;
};

}  // namespace

TEST_CASE("normalization, sum, Relu and Quantize run together, and their gradients too") {
  const Training training(true);
  CHECK(training.has_group({"BatchNormApply", "Relu", "Quantize"}));
  CHECK(training.has_group({"BatchNormApply", "Add", "Relu"}));
  CHECK(training.has_group({"ReluGrad", "BatchNormGradSums"}));
  CHECK(training.has_group({"BatchNormGradApply", "Quantize"}));
}

TEST_CASE("steps in groups give the bits of steps one by one, on any number of threads") {
  for (const bool quantized : {false, true}) {
    INFO((quantized ? "8 bits" : "float32"));
    const Training training(quantized);
    const std::vector<NodeGroup> groups = group_steps(training.graph);
    const std::vector<float> together = training.run(groups, 1);
    CHECK(together == training.run(one_by_one(groups), 1));
    CHECK(together == training.run(groups, 2));
  }
}

TEST_CASE("what steps of a group hand to each other takes no memory of the arena") {
  const Training training(true);
  const std::vector<NodeGroup> groups = group_steps(training.graph);
  const Plan together = plan_memory(training.graph, groups), alone = plan_memory(training.graph, one_by_one(groups));
  CHECK(together.tile_bytes > 0);
  CHECK(alone.tile_bytes == 0);
  const auto in_arena = [](const Plan& plan) {
    int64_t bytes = 0;
    for (const Step& step : plan.steps)
      for (size_t i = 0; i < step.out.size(); ++i)
        if (step.out_types[i] && step.out[i].kind == Place::Kind::arena) bytes += step.out_types[i]->bytes();
    return bytes;
  };
  CHECK(in_arena(together) < 3 * in_arena(alone) / 4);
}

}  // namespace marvin
