// The losses that attach_loss builds, against PyTorch's of the same names.
#include "passes/attach_loss.h"

#include "passes/differentiate.h"
#include "tests/data/files.h"
#include "tests/ops/interpret.h"
#include "tests/ops/run_op.h"

namespace marvin {
namespace {

const Tensor kScores = floats({4, 3}, {0.5f, -1, 2, 1.5f, 0.25f, -0.75f, 0, 1, -2, 2, -1, 0.5f});
const Tensor kClasses = Tensor::of<int64_t>({4}, {2, 0, 1, 1});
const Tensor kTargets = floats({4, 3}, {0, 1, 0.5f, 0.25f, 0.75f, 1, 1, 0, 0, 0.125f, 0.25f, 0.875f});

struct LossAndGradient {
  float loss = 0;
  Tensor gradient;
};

// Of a model that returns its input.
LossAndGradient computed(const LossOptions& options, const Tensor& scores, const Tensor& labels) {
  Graph graph = from_text(cat("graph g { parameter %x: ", text_of(scores.type()), " %y = Identity(%x) output %y }"));
  attach_loss(graph, options);
  graph.outputs = {graph.loss, differentiate(graph, {graph.find("x")})[0]};
  const Values values = interpret(graph, {{"x", scores}, {"labels", labels}});
  return {values.at("loss").as<float>()[0], values.at(graph[graph.outputs[1]].name)};
}

void check(const LossOptions& options, const Tensor& labels, float loss, const Floats& gradient) {
  INFO(options.name);
  const LossAndGradient result = computed(options, kScores, labels);
  CHECK(result.loss == Approx(loss).epsilon(1e-6));
  check_close(result.gradient, gradient);
}

std::string refusal_of(const LossOptions& options) {
  Graph graph = from_text("graph g { input %x: f32[4,3] %y = Identity(%x) output %y }");
  try {
    attach_loss(graph, options);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a loss is computed from the first float output, or from the one that is named") {
  const Graph model = from_text("graph g { input %x: f32[4,3] %a = Relu(%x) %b = Abs(%x) output %a output %b }");
  const auto compared = [&](const LossOptions& options) {
    Graph graph = model;
    return graph[attach_loss(graph, options).scores].name;
  };
  CHECK(compared({.name = "mse"}) == "a");
  CHECK(compared({.name = "mse", .output = "b"}) == "b");
  CHECK(loss_output(model, {.name = "mse"}) == "a");
  CHECK(loss_output(model, {.name = "mse", .output = "b"}) == "b");
  CHECK(loss_output(model, {.name = "output:a"}).empty());
  CHECK_THROWS_AS(compared({.name = "mse", .output = "x"}), Error);
  CHECK_THROWS_AS(compared({.name = "output:a", .output = "b"}), Error);
}

TEST_CASE("losses of classes are PyTorch's") {
  check({.name = "cross-entropy"}, kClasses, 1.0405769f,
        {0.043822598f, 0.0097781429f, -0.053600743f, -0.070389912f, 0.051459149f, 0.018930765f, 0.06487412f,
         -0.073653862f, 0.0087797577f, 0.19639926f, -0.24022186f, 0.043822598f});
  check({.name = "cross-entropy", .label_smoothing = 0.1, .ignore_index = 0}, kClasses, 1.321656f,
        {0.047319014f, 0.0019264118f, -0.049245432f, 0, 0, 0, 0.075387709f, -0.075982921f, 0.00059523148f, 0.25075454f,
         -0.29807356f, 0.047319014f});
  check({.name = "nll"}, kClasses, -0.875f, {0, 0, -0.25f, -0.25f, 0, 0, 0, -0.25f, 0, 0, -0.25f, 0});
  check({.name = "nll", .ignore_index = 1}, kClasses, -1.75f, {0, 0, -0.5f, -0.5f, 0, 0, 0, 0, 0, 0, 0, 0});
}

TEST_CASE("classes lie on axis 1, on the last axis, or where they are said to, and the labels' shape tells which") {
  const Tensor scores = floats({1, 2, 3}, {0.5f, -1, 2, 1.5f, 0.25f, -0.75f}),
               rows = floats({2, 3}, {0.5f, -1, 2, 1.5f, 0.25f, -0.75f});
  const Tensor last = Tensor::of<int64_t>({1, 2}, {2, 0}), first = Tensor::of<int64_t>({1, 3}, {1, 0, 1});
  const LossAndGradient flat = computed({.name = "cross-entropy"}, rows, Tensor::of<int64_t>({2}, {2, 0}));
  for (const LossOptions& options : {LossOptions{.name = "cross-entropy", .labels = Shape{1, 2}},
                                     LossOptions{.name = "cross-entropy", .class_axis = 2},
                                     LossOptions{.name = "cross-entropy", .class_axis = -1, .labels = Shape{1, 2}}}) {
    const LossAndGradient result = computed(options, scores, last);
    CHECK(result.loss == flat.loss);
    CHECK(result.gradient.type().shape == Shape{1, 2, 3});
    CHECK(std::ranges::equal(result.gradient.as<float>(), flat.gradient.as<float>()));
  }
  CHECK(computed({.name = "nll", .labels = Shape{1, 3}}, scores, first).loss == Approx(-(1.5f - 1 - 0.75f) / 3));
  CHECK(computed({.name = "nll"}, scores, first).loss == Approx(-(1.5f - 1 - 0.75f) / 3));
}

TEST_CASE("labels [n,t] are those of scores [n*t,c]") {
  const LossAndGradient flat = computed({.name = "cross-entropy"}, kScores, kClasses);
  const Tensor labels = Tensor::of<int64_t>({2, 2}, {2, 0, 1, 1});
  const LossAndGradient result = computed({.name = "cross-entropy", .labels = Shape{2, 2}}, kScores, labels);
  CHECK(result.loss == flat.loss);
  CHECK(result.gradient == flat.gradient);
}

TEST_CASE("labels that do not fit, or fit in two ways, are errors that say what scores take") {
  const auto refusal = [](const char* shape, LossOptions options, const Shape& labels) {
    Graph graph = from_text(cat("graph g { input %x: f32[", shape, "] %y = Identity(%x) output %y }"));
    options.labels = labels;
    return error_of([&] { attach_loss(graph, options); });
  };
  CHECK_THAT(refusal("8,4,4", {.name = "cross-entropy"}, {8, 4}), Catch::Contains("--class-axis 1 or --class-axis 2"));
  CHECK(refusal("8,4,4", {.name = "cross-entropy", .class_axis = 1}, {8, 4}).empty());
  CHECK(refusal("8,4,5", {.name = "cross-entropy"}, {8, 4}).empty());
  CHECK_THAT(refusal("8,4,5", {.name = "nll"}, {8, 6}),
             Catch::Contains("take labels [8,5] with the classes on axis 1, and [8,4] with the classes on the last"));
  CHECK_THAT(refusal("8,4,5", {.name = "nll", .class_axis = 1}, {8, 4}), Catch::Contains("which take labels [8,5]"));
  CHECK_THAT(refusal("8,5", {.name = "nll"}, {8, 5}),
             Catch::Contains("[8]; where these are one-hot, save their argmax"));
  for (const int64_t axis : {0, 3, -3})
    CHECK_THAT(refusal("8,4,5", {.name = "nll", .class_axis = axis}, {8, 4}),
               Catch::Contains("it is from 1 to 2, or -1"));
  CHECK_THAT(refusal("8,5", {.name = "mse", .class_axis = 1}, {8, 5}), Catch::Contains("cross-entropy and nll"));
}

TEST_CASE("a Softmax over another axis than the classes' is not looked through") {
  const Graph model = from_text("graph g { input %x: f32[2,3,4] %p = Softmax(%x) { axis = 1 } output %p }");
  const auto compared = [&](int64_t axis) {
    Graph graph = model;
    attach_loss(graph, {.name = "cross-entropy", .class_axis = axis});
    return to_text(graph);
  };
  CHECK_THAT(compared(1), Catch::Contains("SoftmaxCrossEntropyLoss(%x"));
  CHECK_THAT(compared(2), Catch::Contains("Transpose(%p"));
}

TEST_CASE("losses of numbers take integer labels of as many elements") {
  const Tensor scores = floats({4, 1}, {0.5f, -1, 2, 1.5f}), labels = Tensor::of<int64_t>({4}, {0, 0, 1, 1});
  for (const std::string name : {"bce-with-logits", "mse"}) {
    const LossAndGradient expected = computed({.name = name}, scores, floats({4, 1}, {0, 0, 1, 1}));
    const LossAndGradient result = computed({.name = name, .labels = Shape{4}}, scores, labels);
    CHECK(result.loss == expected.loss);
    CHECK(result.gradient == expected.gradient);
  }
}

TEST_CASE("integer labels and one score to a sample are for binary cross entropy") {
  const auto usual = [](const char* shape, const char* op) {
    const Graph graph = from_text(cat("graph g { input %x: f32[", shape, "] %y = ", op, "(%x) output %y }"));
    CHECK(default_loss(graph, false, "") == "mse");
    return default_loss(graph, true, "");
  };
  CHECK(usual("8,1", "Identity") == "bce-with-logits");
  CHECK(usual("8", "Identity") == "bce-with-logits");
  CHECK(usual("8,1", "Sigmoid") == "bce");
  CHECK(usual("8,2", "Sigmoid") == "cross-entropy");
}

TEST_CASE("losses of numbers are PyTorch's") {
  check({.name = "bce-with-logits"}, kTargets, 0.96884114f,
        {0.051871613f, -0.06092155f, 0.031733084f, 0.047297869f, -0.015651956f, -0.056598227f, -0.041666668f,
         0.06092155f, 0.0099335769f, 0.062983088f, 0.0015784526f, -0.021045053f});
  check({.name = "mse"}, kTargets, 1.8828125f,
        {0.083333336f, -0.33333334f, 0.25f, 0.20833334f, -0.083333336f, -0.29166669f, -0.16666667f, 0.16666667f,
         -0.33333334f, 0.3125f, -0.20833334f, -0.0625f});
  constexpr float kTwelfth = 1.0f / 12;
  check({.name = "l1"}, kTargets, 1.25f,
        {kTwelfth, -kTwelfth, kTwelfth, kTwelfth, -kTwelfth, -kTwelfth, -kTwelfth, kTwelfth, -kTwelfth, kTwelfth,
         -kTwelfth, -kTwelfth});
  check({.name = "huber"}, kTargets, 0.78710938f,
        {kTwelfth / 2, -kTwelfth, kTwelfth, kTwelfth, -kTwelfth / 2, -kTwelfth, -kTwelfth, kTwelfth, -kTwelfth,
         kTwelfth, -kTwelfth, -0.03125f});
  check({.name = "kl"}, floats({4, 3}, {0.25f, 0.5f, 0.25f, 0, 1, 0, 0.125f, 0.125f, 0.75f, 0.5f, 0.25f, 0.25f}),
        -0.67251587f,
        {-0.0625f, -0.125f, -0.0625f, 0, -0.25f, 0, -0.03125f, -0.03125f, -0.1875f, -0.125f, -0.0625f, -0.0625f});
}

TEST_CASE("binary cross entropy is PyTorch's, and finite where it is certain and wrong") {
  const Tensor labels = floats({4}, {1, 0, 1, 0.25f});
  const LossAndGradient certain = computed({.name = "bce"}, floats({4}, {0, 1, 1, 0.5f}), labels);
  CHECK(certain.loss == Approx((100 + 100 + 0.69314718) / 4));
  check_close(certain.gradient, {-2.5e11f, 2.5e11f, 0, 0.25f});
  const LossAndGradient logits = computed({.name = "bce-with-logits"}, floats({4}, {-1000, 1000, 80, 0}), labels);
  CHECK(logits.loss == Approx((1000 + 1000 + 0.69314718) / 4));
  check_close(logits.gradient, {-0.25f, 0.25f, 0, 0.0625f});
}

TEST_CASE("options that a loss has not are refused") {
  CHECK_THAT(refusal_of({.name = "mse", .label_smoothing = 0.1}), Catch::Contains("is for cross-entropy, not for mse"));
  CHECK_THAT(refusal_of({.name = "l1", .ignore_index = 1}), Catch::Contains("cross-entropy and nll, not for l1"));
  CHECK_THAT(refusal_of({.name = "output:y", .ignore_index = 1}), Catch::Contains("not for output:y"));
  CHECK_THAT(refusal_of({.name = "cross-entropy", .label_smoothing = 2}), Catch::Contains("in [0, 1], not 2"));
}

}  // namespace marvin
