#include "runtime/exec/executor.h"

#include <omp.h>

#include <catch2/catch.hpp>

#include "passes/pipeline.h"
#include "passes/plan_memory.h"
#include "tests/ops/interpret.h"

namespace marvin {
namespace {

constexpr std::string_view kNetwork = R"(graph net {
  input %x: f32[8,3,10,10]
  parameter %c1.weight: f32[6,3,3,3]
  parameter %c1.bias: f32[6]
  parameter %fc.weight: f32[5,150]
  parameter %fc.bias: f32[5]
  %a = Conv(%x, %c1.weight, %c1.bias) {kernel_shape=[3,3], pads=[1,1,1,1]}
  %r = Relu(%a)
  %p = MaxPool(%r) {kernel_shape=[2,2], strides=[2,2]}
  %f = Flatten(%p)
  %s = Gemm(%f, %fc.weight, %fc.bias) {transB=1}
  output %s })";

CompileOptions training_options() {
  return {.loss = {.name = "cross-entropy"}, .optimizer = OptimizerOptions{.momentum = 0.9f, .weight_decay = 1e-3f}};
}

// Fills inputs and parameters from `values`.
void feed(const Graph& graph, const Values& values, Executor& executor, ParameterStore& store) {
  for (const ValueId input : graph.inputs) {
    const Tensor& value = values.at(graph[input].name);
    std::copy_n(value.data(), value.type().bytes(), executor.input_bytes(executor.input_index(graph[input].name)));
  }
  for (const Plan::Binding& parameter : executor.plan().parameters) {
    const Tensor& value = values.at(parameter.name);
    std::copy_n(value.data(), value.type().bytes(), store.at(parameter.name).data());
  }
}

// The weights after some training steps, and the losses, as bits.
std::vector<float> train(const CompileOptions& options, const Formats& formats, int threads, int steps) {
  omp_set_num_threads(threads);
  CompileOptions with_formats = options;
  with_formats.formats = formats;
  PassRunner runner;
  const Compiled compiled = compile(from_text(kNetwork), with_formats, runner);
  ParameterStore store;
  store.adopt(compiled.graph);
  Arena arena;
  Executor executor(std::make_shared<Plan>(plan_memory(compiled.graph)), store, arena);
  const Values values = random_values(compiled.graph, -0.5f, 0.5f);
  feed(compiled.graph, values, executor, store);
  executor.input<float>(executor.input_index("lr"))[0] = 0.05f;
  std::vector<FixedPoint> by_slot;
  for (const Slot& slot : executor.plan().slots) {
    const auto format = formats.find(slot.name);
    by_slot.push_back(format == formats.end() ? FixedPoint{} : format->second);
  }
  std::vector<float> result;
  for (int step = 1; step <= steps; ++step) {
    executor.run({.formats = by_slot, .seed = 5, .step = static_cast<uint64_t>(step)});
    result.push_back(executor.output<float>(executor.output_index("loss"))[0]);
  }
  for (const auto& [name, tensor] : store) {
    const auto elements = tensor.as<float>();
    result.insert(result.end(), elements.begin(), elements.end());
  }
  omp_set_num_threads(2);
  return result;
}

Formats formats_of_words(int8_t wl) {
  PassRunner runner;
  const CompileOptions options = training_options();
  Formats formats;
  for (const Slot& slot : compile(from_text(kNetwork), options, runner).graph.slots) {
    formats[slot.name] = {wl, fitted_fl(wl, slot.role == Role::gradient ? 0.25f : 4.0f)};
  }
  return formats;
}

TEST_CASE("a compiled plan computes what the graph says, and updates its parameters") {
  PassRunner runner;
  const Compiled compiled = compile(from_text(kNetwork), training_options(), runner);
  const Graph& graph = compiled.graph;
  Values values = random_values(graph, -0.5f, 0.5f);
  values.at("lr").as<float>()[0] = 0.05f;
  const Values expected = interpret(graph, values);

  ParameterStore store;
  store.adopt(graph);
  Arena arena;
  Executor executor(std::make_shared<Plan>(plan_memory(graph)), store, arena);
  feed(graph, values, executor, store);
  executor.run({});
  CHECK(executor.output<float>(executor.output_index("loss"))[0] ==
        Approx(expected.at("loss").as<float>()[0]).epsilon(1e-5));
  REQUIRE(graph.updates.size() == 8);
  for (const Update& update : graph.updates) {
    const std::span<const float> got = store.at(graph[update.state].name).as<float>();
    const std::span<const float> want = expected.at(graph[update.next].name).as<float>();
    for (size_t i = 0; i < got.size(); ++i) REQUIRE(got[i] == Approx(want[i]).margin(1e-5));
  }
}

TEST_CASE("updates of weights and momentum are written in place") {
  PassRunner runner;
  const Plan plan = plan_memory(compile(from_text(kNetwork), training_options(), runner).graph);
  CHECK(plan.copies.empty());
  CHECK(plan.arena_bytes > plan.live_peak_bytes - int64_t{Buffer::kAlignment});
  CHECK(plan.arena_bytes <= plan.live_peak_bytes * 3 / 2);
}

TEST_CASE("the same seed gives the same bits, float32 or fixed point") {
  for (const Formats& formats : {Formats{}, formats_of_words(8), formats_of_words(16)}) {
    const std::vector<float> first = train(training_options(), formats, 2, 5);
    CHECK(first == train(training_options(), formats, 2, 5));
    CHECK(first[0] > first[4]);  // and it learns
  }
}

TEST_CASE("fixed-point training does not depend on the number of threads") {
  for (const int8_t wl : {int8_t{8}, int8_t{16}}) {
    CHECK(train(training_options(), formats_of_words(wl), 1, 3) ==
          train(training_options(), formats_of_words(wl), 2, 3));
  }
}

TEST_CASE("fixed point is the same to the bit through OpenBLAS and oneDNN") {
  CompileOptions openblas = training_options();
  openblas.backend = Backend::openblas;
  CompileOptions onednn = training_options();
  onednn.backend = Backend::onednn;
  CHECK(train(openblas, formats_of_words(8), 2, 3) == train(onednn, formats_of_words(8), 2, 3));
}

TEST_CASE("eight bits come near float32 and twenty-four bits nearer") {
  const std::vector<float> real = train(training_options(), {}, 2, 3);
  const auto distance = [&](int8_t wl) {
    const std::vector<float> fixed = train(training_options(), formats_of_words(wl), 2, 3);
    double sum = 0;
    for (size_t i = 0; i < real.size(); ++i) sum += std::abs(real[i] - fixed[i]);
    return sum / static_cast<double>(real.size());
  };
  const double at8 = distance(8), at16 = distance(16), at24 = distance(24);
  CHECK(at8 < 0.05);
  CHECK(at16 < at8 / 20);
  CHECK(at24 < 1e-5);
}

}  // namespace
}  // namespace marvin
