// Pooling, normalization, losses and optimizers against PyTorch 1.13 and their definitions.
#include <cmath>

#include "tests/ops/run_op.h"

namespace marvin {
namespace {

// 25 different values.
Tensor image5x5() {
  return floats({1, 1, 5, 5}, {-5.5f, -2,    1.5f, 5,    -3,    0.5f, 4,    -4,    -0.5f, 3,    -5,    -1.5f, 2,
                               5.5f,  -2.5f, 1,    4.5f, -3.5f, 0,    3.5f, -4.5f, -1,    2.5f, -5.5f, -2});
}

// 1, 2, 3 ...
Tensor counting(Shape shape) {
  Tensor tensor(Type{DType::f32, std::move(shape)});
  float next = 0;
  for (float& element : tensor.as<float>()) element = ++next;
  return tensor;
}

struct MaxPoolCase {
  std::string_view name;
  Attrs attrs;
  Shape shape;
  Floats y;
  std::vector<int64_t> indices;
  Floats dx;
};

}  // namespace

TEST_CASE("MaxPool with padding, ceil_mode and dilation agrees with PyTorch") {
  const std::vector<int64_t> twos = {2, 2}, threes = {3, 3}, ones = {1, 1, 1, 1};
  const std::vector<MaxPoolCase> cases = {
      {"padded",
       {{"kernel_shape", threes}, {"strides", twos}, {"pads", ones}, {"ceil_mode", int64_t{1}}},
       {1, 1, 3, 3},
       {4, 5, 5, 4.5f, 5.5f, 5.5f, 4.5f, 4.5f, 3.5f},
       {6, 3, 3, 16, 13, 13, 16, 16, 19},
       {0, 0, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0, 11, 0, 0, 19, 0, 0, 9, 0, 0, 0, 0, 0}},
      {"ceil_mode",
       {{"kernel_shape", twos}, {"strides", twos}, {"ceil_mode", int64_t{1}}},
       {1, 1, 3, 3},
       {4, 5, 3, 4.5f, 5.5f, 3.5f, -1, 2.5f, -2},
       {6, 3, 9, 16, 13, 19, 21, 22, 24},
       {0, 0, 0, 2, 0, 0, 1, 0, 0, 3, 0, 0, 0, 5, 0, 0, 4, 0, 0, 6, 0, 7, 8, 0, 9}},
      {"dilated",
       {{"kernel_shape", twos}, {"dilations", twos}, {"pads", ones}},
       {1, 1, 5, 5},
       {4,    0.5f, 4,  3,    -0.5f, -1.5f, 2,    5.5f, 2, 5.5f, 4.5f, 1, 4.5f,
        3.5f, 0,    -1, 2.5f, 5.5f,  2.5f,  5.5f, 4.5f, 1, 4.5f, 3.5f, 0},
       {6, 5, 6, 9, 8, 11, 12, 13, 12, 13, 16, 15, 16, 19, 18, 21, 22, 13, 22, 13, 16, 15, 16, 19, 18},
       {0, 0, 0, 0, 0, 2, 4, 0, 5, 4, 0, 6, 16, 56, 0, 34, 68, 0, 40, 38, 0, 16, 36, 0, 0}}};
  const Tensor x = image5x5();
  for (const MaxPoolCase& c : cases) {
    INFO(c.name);
    const std::vector<Tensor> results = run("MaxPool", {&x}, c.attrs, 3);
    REQUIRE(results[0].type().shape == c.shape);
    check_close(results[0], c.y);
    CHECK(to_int64(results[1]) == c.indices);
    Attrs attrs = c.attrs;
    attrs.set("input_shape", x.type().shape);
    const Tensor dy = counting(c.shape);
    check_close(run("MaxPoolGrad", {&dy, &results[2]}, attrs, 1)[0], c.dx);
  }
}

TEST_CASE("MaxPool's indices are positions in the whole tensor, column-major when asked for") {
  Tensor x(Type{DType::f32, {2, 3, 4, 6}});
  for (size_t i = 0; i < x.as<float>().size(); ++i) x.as<float>()[i] = static_cast<float>(i);
  const Attrs attrs = {{"kernel_shape", Shape{2, 2}}, {"strides", Shape{2, 2}}};
  const std::vector<Tensor> results = run("MaxPool", {&x}, attrs, 2);
  for (size_t i = 0; i < results[0].as<float>().size(); ++i) {
    CHECK(results[1].as<int64_t>()[i] == static_cast<int64_t>(results[0].as<float>()[i]));
  }
  Attrs column_major = attrs;
  column_major.set("storage_order", int64_t{1});
  const std::vector<int64_t> indices = to_int64(run("MaxPool", {&x}, column_major, 2)[1]);
  CHECK(indices[0] == 1 * 4 + 1);       // row 1, column 1 of plane 0
  CHECK(indices[5] == 5 * 4 + 3);       // row 3, column 5
  CHECK(indices[6] == 24 + 1 * 4 + 1);  // plane 1
}

TEST_CASE("auto_pad puts the odd element behind for SAME_UPPER, in front for SAME_LOWER, and none for VALID") {
  const Tensor x = floats({1, 1, 4}, {4, 1, 2, 3});
  const auto pooled = [&](const std::string& auto_pad) {
    return run("MaxPool", {&x}, {{"kernel_shape", Shape{2}}, {"auto_pad", auto_pad}}, 1)[0];
  };
  check_close(pooled("SAME_UPPER"), {4, 2, 3, 3});
  check_close(pooled("SAME_LOWER"), {4, 4, 2, 3});
  check_close(pooled("VALID"), {4, 2, 3});
}

TEST_CASE("AveragePool counts padding only when told, and never what ceil_mode adds") {
  struct Case {
    std::string_view name;
    Attrs attrs;
    Floats y, dx;
  };
  const Shape twos = {2, 2}, threes = {3, 3}, ones = {1, 1, 1, 1};
  const std::vector<Case> cases = {
      {"padding left out",
       {{"kernel_shape", threes}, {"strides", twos}, {"pads", ones}},
       {-0.75f, 0.666666687f, 1.125f, 0.583333313f, 0.722222209f, 1.5f, 0, -0.5f, -1},
       {0.25f,       0.583333373f, 0.333333343f, 1.08333337f, 0.75f,        0.916666687f, 1.80555558f, 0.888888955f,
        2.63888884f, 1.75f,        0.666666687f, 1.22222233f, 0.555555582f, 1.55555558f,  1,           2.41666675f,
        4.30555582f, 1.88888896f,  5.13888884f,  3.25f,       1.75f,        3.08333349f,  1.33333337f, 3.58333349f,
        2.25f}},
      {"padding counted",
       {{"kernel_shape", threes}, {"strides", twos}, {"pads", ones}, {"count_include_pad", int64_t{1}}},
       {-0.333333343f, 0.444444448f, 0.5f, 0.388888896f, 0.722222209f, 1, 0, -0.333333343f, -0.444444448f},
       {0.111111112f,
        0.333333343f,
        0.222222224f,
        0.555555582f,
        0.333333343f,
        0.555555582f,
        1.33333337f,
        0.777777791f,
        1.77777791f,
        1,
        0.444444448f,
        1,
        0.555555582f,
        1.22222233f,
        0.666666687f,
        1.22222221f,
        2.66666675f,
        1.44444442f,
        3.11111116f,
        1.66666675f,
        0.777777791f,
        1.66666675f,
        0.888888896f,
        1.88888884f,
        1}},
      {"ceil_mode",
       {{"kernel_shape", twos}, {"strides", twos}, {"ceil_mode", int64_t{1}}, {"count_include_pad", int64_t{1}}},
       {-0.75f, 0.5f, 0, -0.25f, 1, 0.5f, -2.75f, -1.5f, -2},
       {0.25f, 0.25f, 0.5f, 0.5f, 1.5f,  0.25f, 0.25f, 0.5f, 0.5f, 1.5f, 1, 1, 1.25f,
        1.25f, 3,     1,    1,    1.25f, 1.25f, 3,     3.5f, 3.5f, 4,    4, 9}}};
  const Tensor x = image5x5();
  for (const Case& c : cases) {
    INFO(c.name);
    check_close(run("AveragePool", {&x}, c.attrs, 1)[0], c.y);
    Attrs attrs = c.attrs;
    attrs.set("input_shape", x.type().shape);
    const Tensor dy = counting({1, 1, 3, 3});
    check_close(run("AveragePoolGrad", {&dy}, attrs, 1)[0], c.dx);
  }
}

TEST_CASE("global pooling is pooling with a window of the whole plane") {
  const Tensor x = random_tensor({2, 3, 5, 7}, 3);
  const Attrs whole = {{"kernel_shape", Shape{5, 7}}};
  check_close(run("GlobalAveragePool", {&x}, {}, 1)[0], [&] {
    const Tensor y = run("AveragePool", {&x}, whole, 1)[0];
    return Floats(y.as<float>().begin(), y.as<float>().end());
  }());
  const std::vector<Tensor> global = run("GlobalMaxPool", {&x}, {}, 2), pooled = run("MaxPool", {&x}, whole, 3);
  CHECK(global[0] == pooled[0]);
  CHECK(global[1] == pooled[2]);
}

TEST_CASE("windows that do not fit and attributes of the wrong length are the user's error") {
  const Tensor x = image5x5();
  CHECK_THROWS_AS(run("MaxPool", {&x}, {{"kernel_shape", Shape{6, 2}}}, 1), Error);
  CHECK_THROWS_AS(run("MaxPool", {&x}, {{"kernel_shape", Shape{2}}}, 1), Error);
  CHECK_THROWS_AS(run("MaxPool", {&x}, {{"kernel_shape", Shape{2, 2}}, {"strides", Shape{0, 1}}}, 1), Error);
  CHECK_THROWS_AS(run("AveragePool", {&x}, {{"kernel_shape", Shape{2, 2}}, {"auto_pad", std::string("SAME")}}, 1),
                  Error);
}

TEST_CASE("a training step of BatchNormalization agrees with PyTorch, running variance by the population") {
  const Tensor x = floats({2, 2, 2, 2}, {-1.25f, 0.5f, -0.5f, 1.25f, 0.25f, -0.75f, 1, 0, -1, 0.75f, -0.25f, -1.25f,
                                         0.5f, -0.5f, 1.25f, 0.25f});
  const Tensor dy = floats({2, 2, 2, 2}, {-0.75f, -0.125f, 0.5f, -0.5f, 0.125f, 0.75f, -0.25f, 0.375f, -0.625f, 0,
                                          0.625f, -0.375f, 0.25f, -0.75f, -0.125f, 0.5f});
  const Tensor scale = floats({2}, {1.5f, -0.5f}), b = floats({2}, {0.25f, 1});
  const Tensor mean = floats({2}, {0.1f, -0.2f}), var = floats({2}, {1, 2});
  const Attrs training = {{"training_mode", int64_t{1}}};
  const std::vector<Tensor> forward = run("BatchNormalization", {&x, &scale, &b, &mean, &var}, training, 5);
  check_close(forward[0],
              {-1.47545087f, 1.45258689f, -0.220577538f, 2.7074604f, 1, 1.78445482f, 0.411658823f, 1.19611371f,
               -1.05715978f, 1.8708781f, 0.197713584f, -1.47545087f, 0.803886294f, 1.58834112f, 0.215545103f, 1});
  check_close(forward[1], {0.0681249946f, -0.154999986f});
  check_close(forward[2], {0.980371058f, 1.84062493f});
  check_close(forward[3], {-0.21875f, 0.25f});
  check_close(forward[4], {1.11544287f, 1.56890976f});
  const std::vector<Tensor> backward =
      run("BatchNormalizationGrad", {&dy, &x, &scale, &forward[3], &forward[4]}, training, 3);
  check_close(backward[0], {-0.81523788f, -0.0719160736f, 1.14661515f, -0.828955293f, -0.0122571075f, -0.374316365f,
                            0.185744688f, -0.176314563f, -0.649293184f, 0.0940286219f, 1.31255984f, -0.187801182f,
                            -0.142370224f, 0.770309746f, 0.0556315705f, -0.306427687f});
  check_close(backward[1], {0.740723848f, -0.833483338f});
  check_close(backward[2], {-1.25f, 0.875f});
}

TEST_CASE("BatchNormalization in inference uses the given statistics and hands them on") {
  const Tensor x = floats({1, 2, 2}, {1, 3, 5, 9});
  const Tensor scale = floats({2}, {2, 1}), b = floats({2}, {0.5f, 0});
  const Tensor mean = floats({2}, {1, 5}), var = floats({2}, {4, 16});
  const std::vector<Tensor> results = run("BatchNormalization", {&x, &scale, &b, &mean, &var}, {{"epsilon", 0.0f}}, 5);
  check_close(results[0], {0.5f, 2.5f, 0, 1});
  CHECK(results[1] == mean);
  CHECK(results[2] == var);
  check_close(results[4], {0.5f, 0.25f});
}

TEST_CASE("classification losses with weights and ignore_index agree with PyTorch") {
  const Tensor scores = floats({4, 3}, {-2.5f, 1, -1, 2.5f, 0.5f, -1.5f, 2, 0, -2, 1.5f, -0.5f, -2.5f});
  const Tensor weights = floats({3}, {0.5f, 1, 2});
  struct Case {
    bool weighted;
    Attrs attrs;
    Floats loss, gradient;
  };
  const std::string none = "none", sum = "sum";
  const std::vector<Case> cases = {
      {false,
       {},
       {2.14549351f},
       {0.00647716364f, 0.214494199f, -0.220971361f, -0.0332966745f, 0.0293276049f, 0.00396905886f, 0.216703326f,
        -0.220672399f, 0.00396905886f, 0.216703326f, 0.0293276049f, -0.246030942f}},
      {true,
       {},
       {2.69211221f},
       {0.00942132901f, 0.311991572f, -0.321412921f, -0.0121078817f, 0.0106645841f, 0.00144329423f, 0.157602429f,
        -0.160489023f, 0.00288658845f, 0.315204859f, 0.0426583365f, -0.357863188f}},
      {true,
       {{"ignore_index", int64_t{0}}},
       {2.94703054f},
       {0.0103634624f, 0.34319073f, -0.353554189f, 0, 0, 0, 0.173362657f, -0.176537916f, 0.00317524723f, 0.346725315f,
        0.0469241701f, -0.393649518f}},
      {true,
       {{"reduction", sum}, {"ignore_index", int64_t{1}}},
       {12.6636858f},
       {0.0518173091f, 1.71595359f, -1.76777089f, -0.066593349f, 0.0586552098f, 0.00793811772f, 0, 0, 0, 1.7336266f,
        0.234620839f, -1.96824753f}},
      {false,
       {{"reduction", none}, {"ignore_index", int64_t{2}}},
       {0, 0.1429317f, 2.1429317f, 0},
       {0, 0, 0, -0.133186698f, 0.11731042f, 0.0158762354f, 0.866813302f, -0.882689595f, 0.0158762354f, 0, 0, 0}}};
  const Tensor wide = Tensor::of<int64_t>({4}, {2, 0, 1, 2}), narrow = Tensor::of<int32_t>({4}, {2, 0, 1, 2});
  for (const Case& c : cases) {
    for (const Tensor* labels : {&wide, &narrow}) {
      const Tensor* w = c.weighted ? &weights : nullptr;
      const std::vector<Tensor> forward = run("SoftmaxCrossEntropyLoss", {&scores, labels, w}, c.attrs, 2);
      check_close(forward[0], c.loss);
      CHECK(run("SoftmaxCrossEntropyLoss", {&scores, labels, w}, c.attrs, 1)[0] == forward[0]);
      CHECK(run("NegativeLogLikelihoodLoss", {&forward[1], labels, w}, c.attrs, 1)[0] == forward[0]);
      const Tensor dloss = floats(forward[0].type().shape, Floats(c.loss.size(), 1));
      check_close(run("SoftmaxCrossEntropyLossGrad", {&dloss, &forward[1], labels, w}, c.attrs, 1)[0], c.gradient);
    }
  }
}

TEST_CASE("an ignored label need not be a class") {
  const Tensor scores = floats({2, 2}, {0, 0, 3, 0});
  const Tensor labels = Tensor::of<int64_t>({2}, {0, -100});
  const Attrs attrs = {{"ignore_index", int64_t{-100}}};
  const std::vector<Tensor> forward = run("SoftmaxCrossEntropyLoss", {&scores, &labels}, attrs, 2);
  check_close(forward[0], {std::log(2.0f)});
  const Tensor dloss = floats({}, {1});
  check_close(run("SoftmaxCrossEntropyLossGrad", {&dloss, &forward[1], &labels}, attrs, 1)[0], {-0.5f, 0.5f, 0, 0});
}

TEST_CASE("Softmax stays finite for large scores") {
  const Tensor x = floats({1, 3}, {1000, 999, -1000});
  check_close(run("Softmax", {&x}, {}, 1)[0], {0.731058579f, 0.268941421f, 0});
  check_close(run("LogSoftmax", {&x}, {}, 1)[0], {-0.313261688f, -1.31326169f, -2000.31326f});
}

namespace {

// w after three steps from one start with three fixed gradients. `states`: how many the op keeps beside w.
Floats three_steps(std::string_view op, const Attrs& attrs, float lr, size_t states, bool counts_steps) {
  const std::vector<Floats> gradients = {{0.5f, -1, 0.25f, 2}, {-0.125f, 0.75f, 1.5f, 0}, {1, 1, -1, -0.5f}};
  const Tensor rate = floats({}, {lr});
  std::vector<Tensor> state(1 + states, Tensor(Type{DType::f32, {4}}));
  state[0] = floats({4}, {1, -2, 0.5f, 0});
  for (int64_t step = 1; step <= 3; ++step) {
    const Tensor g = floats({4}, gradients[static_cast<size_t>(step - 1)]);
    const Tensor number = Tensor::scalar<int64_t>(step);
    std::vector<const Tensor*> inputs = {&state[0], &g, &rate};
    if (counts_steps) inputs.push_back(&number);
    for (size_t i = 1; i < state.size(); ++i) inputs.push_back(&state[i]);
    state = run(op, inputs, attrs, state.size());
  }
  return {state[0].as<float>().begin(), state[0].as<float>().end()};
}

void check_steps(std::string_view op, const Attrs& attrs, float lr, const Floats& want) {
  const auto sets = [&](std::string_view name) { return attrs.has(name) ? size_t{1} : size_t{0}; };
  const size_t momentum = sets("momentum");
  const size_t states = op == "Adam"      ? 2
                        : op == "Adagrad" ? 1
                        : op == "RMSprop" ? 1 + momentum + sets("centered")
                                          : momentum;
  const Floats got = three_steps(op, attrs, lr, states, op == "Adam" || op == "Adagrad");
  check_close(floats({4}, got), want, 1.5e-7);
}

}  // namespace

TEST_CASE("three steps of SGD agree with PyTorch to the last digit") {
  check_steps("SGD", {}, 0.1f, {0.862499952f, -2.07500005f, 0.424999982f, -0.150000006f});
  check_steps("SGD", {{"weight_decay", 0.01f}}, 0.1f, {0.859590471f, -2.0691309f, 0.423701495f, -0.149600193f});
  check_steps("SGD", {{"momentum", 0.9f}}, 0.1f, {0.788249969f, -1.97150004f, 0.247249976f, -0.491999984f});
  check_steps("SGD", {{"momentum", 0.9f}, {"weight_decay", 0.01f}}, 0.1f,
              {0.782822251f, -1.96059453f, 0.24469237f, -0.491240174f});
  check_steps("SGD", {{"momentum", 0.9f}, {"weight_decay", 0.01f}, {"nesterov", int64_t{1}}}, 0.1f,
              {0.664359331f, -2.03403831f, 0.194306239f, -0.590741754f});
}

TEST_CASE("three steps of Adam and AdamW agree with PyTorch to the last digit") {
  check_steps("Adam", {}, 0.01f, {0.97796458f, -1.99256039f, 0.479618847f, -0.0201743972f});
  check_steps("Adam", {{"weight_decay", 0.1f}}, 0.01f, {0.975660563f, -1.9883635f, 0.479044318f, -0.0201620199f});
  check_steps("Adam", {{"weight_decay", 0.1f}, {"decoupled", int64_t{1}}}, 0.01f,
              {0.974992335f, -1.98658741f, 0.478148788f, -0.0201477055f});
}

TEST_CASE("three steps of Adagrad and RMSprop agree with PyTorch to the last digit") {
  check_steps("Adagrad", {}, 0.1f, {0.83536464f, -2.02246952f, 0.356304824f, -0.0757464394f});
  check_steps("Adagrad", {{"lr_decay", 0.5f}, {"weight_decay", 0.1f}}, 0.1f,
              {0.860093653f, -1.95421612f, 0.360788673f, -0.0873129293f});
  check_steps("RMSprop", {}, 0.01f, {0.835298955f, -2.02297592f, 0.356489509f, -0.07551606f});
  check_steps("RMSprop", {{"weight_decay", 0.1f}, {"alpha", 0.9f}}, 0.01f,
              {0.94157505f, -1.99975836f, 0.454339772f, -0.023056861f});
  check_steps("RMSprop", {{"momentum", 0.9f}}, 0.01f, {0.686230659f, -1.90614951f, 0.0967021659f, -0.246516019f});
  check_steps("RMSprop", {{"centered", int64_t{1}}}, 0.01f, {0.834191799f, -2.02255535f, 0.355372399f, -0.0759570152f});
  check_steps("RMSprop", {{"centered", int64_t{1}}, {"momentum", 0.9f}, {"weight_decay", 0.1f}}, 0.01f,
              {0.650426447f, -1.86117041f, 0.0930065438f, -0.245981395f});
}

TEST_CASE("SGD refuses a momentum without a velocity and nesterov without a momentum") {
  const Tensor w = floats({2}, {1, 2}), lr = floats({}, {0.1f});
  CHECK_THROWS_AS(run("SGD", {&w, &w, &lr}, {{"momentum", 0.9f}}, 1), Error);
  CHECK_THROWS_AS(run("SGD", {&w, &w, &lr}, {{"nesterov", int64_t{1}}}, 1), Error);
}

}  // namespace marvin
