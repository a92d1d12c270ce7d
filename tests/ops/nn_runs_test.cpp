// Dropout; threads and aliasing for all neural-network ops.
#include <omp.h>

#include <cmath>
#include <functional>

#include "passes/differentiate.h"
#include "tests/ops/interpret.h"
#include "tests/ops/run_op.h"

namespace marvin {
namespace {

// Runs the reference kernel of an op with a given random key, outputs where `out` says.
void run_on(const OpDef& op, const std::vector<const Tensor*>& inputs, Attrs attrs, const std::vector<void*>& out,
            const std::vector<Type>& types, RandomKey key = {}) {
  for (const auto& [name, value] : op.defaults)
    if (!attrs.has(name)) attrs.set(name, value);
  std::vector<const Type*> in_types, out_types;
  std::vector<const void*> in;
  for (const Tensor* tensor : inputs) in_types.push_back(&tensor->type()), in.push_back(tensor->data());
  for (size_t i = 0; i < types.size(); ++i) out_types.push_back(out[i] ? &types[i] : nullptr);
  const KernelQuery query{in_types, out_types, attrs};
  const Kernel& kernel = op.kernels.back();
  const Prepared prepared = kernel.prepare ? kernel.prepare(query) : Prepared{};
  Buffer scratch(prepared.scratch_bytes);
  const std::vector<FixedPoint> formats(in.size());
  kernel.run({.in = in,
              .out = out,
              .query = query,
              .in_formats = formats,
              .out_format = {},
              .random = key,
              .state = prepared.state.get(),
              .scratch = scratch.data()});
}

struct Dropped {
  Tensor y, mask;
};

Dropped drop(const Tensor& x, float ratio, RandomKey key, Attrs attrs = {}) {
  Dropped result{Tensor(x.type()), Tensor(Type{DType::boolean, x.type().shape})};
  const Tensor r = floats({}, {ratio}), training = Tensor::scalar<bool>(true);
  run_on(op_named("Dropout"), {&x, &r, &training}, std::move(attrs), {result.y.data(), result.mask.data()},
         {result.y.type(), result.mask.type()}, key);
  return result;
}

int64_t kept(const Tensor& mask) {
  int64_t count = 0;
  for (const bool keep : mask.as<bool>()) count += keep;
  return count;
}

}  // namespace

TEST_CASE("Dropout drops the share that it is told, within five sigma, and scales the rest") {
  const Tensor x = floats({1 << 16}, Floats(1 << 16, 3));
  for (const float ratio : {0.0f, 0.1f, 0.5f, 0.9f}) {
    const Dropped result = drop(x, ratio, {1, 2, 3});
    const double n = 1 << 16, p = 1 - static_cast<double>(ratio);
    CHECK(std::abs(static_cast<double>(kept(result.mask)) - n * p) <= 5 * std::sqrt(n * p * (1 - p)));
    for (size_t i = 0; i < 1 << 16; ++i) {
      REQUIRE(result.y.as<float>()[i] == (result.mask.as<bool>()[i] ? 3 * static_cast<float>(1 / p) : 0.0f));
    }
  }
}

TEST_CASE("Dropout's mask depends on seed, step, salt and its own seed, and on nothing else") {
  const Tensor x = floats({4096}, Floats(4096, 1));
  const Tensor mask = drop(x, 0.5f, {1, 2, 3}).mask;
  CHECK(drop(x, 0.5f, {1, 2, 3}).mask == mask);
  CHECK_FALSE(drop(x, 0.5f, {2, 2, 3}).mask == mask);
  CHECK_FALSE(drop(x, 0.5f, {1, 3, 3}).mask == mask);
  CHECK_FALSE(drop(x, 0.5f, {1, 2, 4}).mask == mask);
  CHECK_FALSE(drop(x, 0.5f, {1, 2, 3}, {{"seed", int64_t{5}}}).mask == mask);
}

TEST_CASE("Dropout's gradient passes where the forward pass kept, by the same factor") {
  Graph graph = from_text(R"(graph g {
    input %x: f32[1000]
    constant %ratio: f32[] = {0.25}
    constant %training: bool[] = {1}
    %y = Dropout(%x, %ratio, %training)
    %loss = ReduceSum(%y) {keepdims=0}
    output %y
    loss %loss })");
  const std::vector<ValueId> gradients = differentiate(graph, {graph.find("x")});
  graph.outputs.push_back(gradients[0]);
  const Values values = interpret(graph, {{"x", floats({1000}, Floats(1000, 1))}});
  CHECK(values.at("y") == values.at(graph[gradients[0]].name));
  CHECK(values.at("y").as<float>()[0] + values.at("y").as<float>()[1] + values.at("y").as<float>()[2] > 0);
}

TEST_CASE("a ratio outside of [0, 1) is the user's error") {
  const Tensor x = floats({2}, {1, 2}), training = Tensor::scalar<bool>(true);
  for (const float ratio : {-0.5f, 1.0f}) {
    const Tensor r = floats({}, {ratio});
    CHECK_THROWS_AS(run("Dropout", {&x, &r, &training}, {}, 1), Error);
  }
}

namespace {

// Runs `body` on one thread and on two; the results must be the same bits.
void check_threads(std::string_view what, const std::function<std::vector<Tensor>()>& body) {
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  const std::vector<Tensor> one = body();
  omp_set_num_threads(2);
  const std::vector<Tensor> two = body();
  omp_set_num_threads(threads);
  INFO(what);
  CHECK(one == two);
}

}  // namespace

TEST_CASE("pooling, normalization, softmax, losses and optimizers give the same bits on one thread and on two") {
  const Tensor x = random_tensor({4, 24, 20, 20}, 1), dx = random_tensor({4, 24, 20, 20}, 2);
  const Tensor half = random_tensor({4, 24, 10, 10}, 3);
  const Attrs pool = {{"kernel_shape", Shape{3, 3}}, {"strides", Shape{2, 2}}, {"pads", Shape{1, 1, 0, 0}}};
  Attrs pool_grad = pool;
  pool_grad.set("input_shape", x.type().shape);
  check_threads("MaxPool", [&] {
    std::vector<Tensor> results = run("MaxPool", {&x}, pool, 3);
    results.push_back(run("MaxPoolGrad", {&half, &results[2]}, pool_grad, 1)[0]);
    return results;
  });
  check_threads("AveragePool", [&] { return run("AveragePool", {&x}, pool, 1); });
  check_threads("AveragePoolGrad", [&] { return run("AveragePoolGrad", {&half}, pool_grad, 1); });
  check_threads("GlobalAveragePool", [&] { return run("GlobalAveragePool", {&x}, {}, 1); });
  check_threads("GlobalMaxPool", [&] { return run("GlobalMaxPool", {&x}, {}, 2); });
  const Tensor small = random_tensor({4, 24, 1, 1}, 5);
  check_threads("GlobalAveragePoolGrad", [&] {
    return run("GlobalAveragePoolGrad", {&small}, {{"input_shape", x.type().shape}}, 1);
  });

  const Tensor vector = floats({24}, Floats(24, 0.75f));
  const Attrs training = {{"training_mode", int64_t{1}}};
  check_threads("BatchNormalization", [&] {
    std::vector<Tensor> results = run("BatchNormalization", {&x, &vector, &vector, &vector, &vector}, training, 5);
    for (Tensor& gradient : run("BatchNormalizationGrad", {&dx, &x, &vector, &results[3], &results[4]}, training, 3)) {
      results.push_back(std::move(gradient));
    }
    return results;
  });

  Tensor labels(Type{DType::i64, {4, 20, 20}});
  for (size_t i = 0; i < labels.as<int64_t>().size(); ++i) labels.as<int64_t>()[i] = static_cast<int64_t>(i % 24);
  check_threads("SoftmaxCrossEntropyLoss", [&] {
    std::vector<Tensor> results = run("SoftmaxCrossEntropyLoss", {&x, &labels}, {}, 2);
    results.push_back(run("SoftmaxCrossEntropyLossGrad", {&results[0], &results[1], &labels}, {}, 1)[0]);
    results.push_back(
        run("NegativeLogLikelihoodLossGrad", {&results[0], &labels}, {{"input_shape", x.type().shape}}, 1)[0]);
    return results;
  });
  for (const int64_t axis : {0, 1, 3}) {
    const Attrs along = {{"axis", axis}};
    check_threads("Softmax", [&] { return run("Softmax", {&x}, along, 1); });
    check_threads("LogSoftmax", [&] { return run("LogSoftmax", {&x}, along, 1); });
    check_threads("SoftmaxGrad", [&] { return run("SoftmaxGrad", {&dx, &x}, along, 1); });
    check_threads("LogSoftmaxGrad", [&] { return run("LogSoftmaxGrad", {&dx, &x}, along, 1); });
  }

  const Tensor lr = floats({}, {0.1f}), step = floats({}, {3});
  const Attrs momentum = {{"momentum", 0.9f}};
  check_threads("SGD", [&] { return run("SGD", {&x, &dx, &lr}, {}, 1); });
  check_threads("SGD", [&] { return run("SGD", {&x, &dx, &lr, &x}, momentum, 2); });
  const Tensor v = run("Softmax", {&x}, {}, 1)[0];
  check_threads("Adam", [&] { return run("Adam", {&x, &dx, &lr, &step, &x, &v}, {}, 3); });
  check_threads("Dropout", [&] {
    const Dropped result = drop(x, 0.3f, {1, 2, 3});
    return std::vector<Tensor>{result.y, result.mask};
  });
}

TEST_CASE("outputs may be written over the operands that they replace") {
  const Shape shape = {3, 5, 40};
  const Tensor w = random_tensor(shape, 1), g = random_tensor(shape, 2), s = random_tensor(shape, 3);
  const Tensor v = run("Softmax", {&s}, {}, 1)[0];
  const Tensor lr = floats({}, {0.1f}), step = floats({}, {2});
  const auto in_place = [](std::string_view op, std::vector<Tensor> operands, const Attrs& attrs,
                           const std::vector<size_t>& targets) {
    std::vector<const Tensor*> inputs;
    for (const Tensor& operand : operands) inputs.push_back(&operand);
    const std::vector<Tensor> expected = run(op, inputs, attrs, targets.size());
    std::vector<void*> out;
    std::vector<Type> types;
    for (const size_t target : targets)
      out.push_back(operands[target].data()), types.push_back(operands[target].type());
    run_on(op_named(op), inputs, attrs, out, types);
    INFO(op);
    for (size_t i = 0; i < targets.size(); ++i) CHECK(operands[targets[i]] == expected[i]);
  };
  in_place("SGD", {w, g, lr, s}, {{"momentum", 0.9f}}, {0, 3});
  in_place("SGD", {w, g, lr, s}, {{"momentum", 0.9f}}, {1, 3});
  in_place("SGD", {w, g, lr}, {}, {0});
  in_place("Adam", {w, g, lr, step, s, v}, {}, {0, 4, 5});
  in_place("Softmax", {w}, {{"axis", int64_t{1}}}, {0});
  in_place("LogSoftmax", {w}, {{"axis", int64_t{1}}}, {0});
  in_place("SoftmaxGrad", {g, v}, {}, {0});
  in_place("SoftmaxGrad", {g, v}, {}, {1});
  in_place("LogSoftmaxGrad", {g, v}, {}, {1});
  const Tensor a = floats({5}, {1, 2, 3, 4, 5}), b = floats({5}, {0.5f, 0.25f, 2, 1, 1});
  const Attrs training = {{"training_mode", int64_t{1}}};
  in_place("BatchNormalization", {w, a, b, a, b}, training, {0, 3, 4});
  in_place("BatchNormalization", {w, a, b, a, b}, {}, {0, 3, 4});
  in_place("BatchNormalizationGrad", {g, w, a, b, b}, training, {0, 2, 3});
  in_place("BatchNormalizationGrad", {g, w, a, b, b}, training, {1, 3, 4});
}

}  // namespace marvin
