#include <chrono>
#include <limits>
#include <thread>

#include "tests/train/classifier.h"

namespace marvin {
namespace {

TEST_CASE("every precision learns an easy task, and says what it multiplied in how many bits") {
  const Dataset data = easy_data();
  for (const std::string precision : {"float32", "adaptive", "fixed:8", "fixed:16", "fixed:24"}) {
    INFO(precision);
    Trainer trainer(classifier, data, data, recipe_in(precision));
    CHECK(trainer.loss().name == "cross-entropy");
    const TrainingResult result = trainer.run({});
    CHECK(result.steps == 120);
    CHECK(*result.last.accuracy > 0.9);
    // Forward, input and weight gradients of both layers, without the first layer's input gradient.
    CHECK(result.costs.macs.total == 120 * 16 * (2 * 6 * 8 + 3 * 8 * 3));
    const bool in8 = precision == "adaptive" || precision == "fixed:8";
    CHECK(result.costs.macs.le8 == (in8 ? result.costs.macs.total : 0));
    CHECK(result.costs.macs.le16 == (in8 || precision == "fixed:16" ? result.costs.macs.total : 0));
    CHECK(result.formats.size() == (precision == "float32" ? 0u : 6u));
    const double mean = precision == "float32" ? 32 : precision == "fixed:16" ? 16 : in8 ? 8 : 24;
    for (const double bits : result.costs.mean_wl) CHECK(bits == Approx(mean));
    CHECK(result.costs.products_speedup == Approx(32 / mean));
    CHECK(result.policy_ns < result.train_ns);
  }
}

TEST_CASE("the cost model knows the layers of a network") {
  const Dataset data = easy_data();
  Recipe recipe = recipe_in("fixed:8");
  recipe.accumulate = 2;
  recipe.epochs = 1;
  const CostSummary costs = Trainer(classifier, data, data, recipe).run({}).costs;
  CHECK(costs.macs.total == 6 * 16 * (2 * 6 * 8 + 3 * 8 * 3));
  CHECK(costs.dense.training_speedup == Approx(1.6));
  CHECK(costs.published.training_speedup >= Approx(1.6));
  CHECK(costs.bit_operations.forward == 64.0 * 6 * 16 * (6 * 8 + 8 * 3));
  CHECK(costs.weights == 6 * 8 + 8 * 3);
  REQUIRE(costs.layers.size() == 2);
  CHECK(costs.layers[0].name == "fc1");
  CHECK(costs.layers[0].macs == 6 * 8);
  CHECK(costs.layers[1].name == "fc2");
  CHECK(costs.layers[1].weights == 8 * 3);
}

TEST_CASE("the time of compiling is all that the constructor takes and more") {
  const Dataset data = easy_data();
  const auto slowly = [](int64_t batch, bool inference) {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    return classifier(batch, inference);
  };
  Recipe recipe = recipe_in("adaptive");
  recipe.epochs = 1;
  const TrainingResult result = Trainer(slowly, data, data, recipe).run({});
  CHECK(result.compile_ns > 30'000'000);
  CHECK(result.train_ns > 0);
}

TEST_CASE("values of three axes have one slot each, however products view them") {
  const auto model = [](int64_t batch, bool) {
    return from_text(cat("graph g { input %x: f32[", batch, R"(,2,3] parameter %bias: f32[3]
      parameter %fc1.weight: f32[3,4] parameter %fc2.weight: f32[4,3]
      %h = Add(%x, %bias)
      %a = MatMul(%h, %fc1.weight) named "a"
      %r = Sigmoid(%a)
      %b = MatMul(%r, %fc2.weight) named "b"
      constant %rows: i64[1] = {1}
      %y = ReduceMean(%b, %rows) {keepdims=0}
      output %y })"));
  };
  Dataset data = easy_data();
  data.arrays[0].values = Tensor(Type{DType::f32, {kSamples, 2, 3}});
  Recipe recipe = recipe_in("adaptive");
  recipe.epochs = 1;
  std::vector<std::string> names;
  for (const SlotFormatNow& now : Trainer(model, data, data, recipe).run({}).formats) names.push_back(now.slot.name);
  std::ranges::sort(names);
  CHECK(names == std::vector<std::string>{"d.a", "d.b", "fc1.weight", "fc2.weight", "h", "r"});
}

// The parameters after one step of SGD on the first batches.
Tensor weight_after_a_step(const Recipe& recipe) {
  const Dataset data = easy_data();
  Trainer trainer(classifier, data, data, recipe);
  trainer.run({});
  return trainer.parameters().at("fc1.weight");
}

Recipe one_step() {
  Recipe recipe = recipe_in("float32");
  recipe.shuffle = false;
  recipe.steps = 1;
  recipe.batch_size = 32;
  recipe.optimizer.momentum = 0;
  return recipe;
}

double distance(const Tensor& a, const Tensor& b) {
  double sum = 0;
  for (size_t i = 0; i < a.as<float>().size(); ++i) sum += std::pow(a.as<float>()[i] - b.as<float>()[i], 2);
  return std::sqrt(sum);
}

TEST_CASE("four batches that are accumulated make the step of one batch of their size") {
  Recipe recipe = one_step();
  const Tensor whole = weight_after_a_step(recipe);
  recipe.batch_size = 8;
  recipe.accumulate = 4;
  CHECK(distance(weight_after_a_step(recipe), whole) < 1e-6);
  recipe.steps = 3;
  const Tensor three = weight_after_a_step(recipe);
  recipe.batch_size = 32;
  recipe.accumulate = 1;
  CHECK(distance(weight_after_a_step(recipe), three) < 1e-5);
}

TEST_CASE("more accumulated batches than an epoch has are refused before anything is computed") {
  Recipe recipe = one_step();
  recipe.accumulate = 4;
  const Dataset data = easy_data();
  CHECK_THROWS_WITH(Trainer(classifier, data, data, recipe),
                    Catch::Contains("--accumulate 4 is more than the 3 batches"));
}

TEST_CASE("clipped gradients move the weights by no more than rate times the bound") {
  Recipe recipe = one_step();
  recipe.schedule.lr = 1;
  const Tensor start = *classifier(1, false)[classifier(1, false).find("fc1.weight")].data;
  const double free = distance(weight_after_a_step(recipe), start);
  recipe.clip_grad_norm = 0.01f;
  const double clipped = distance(weight_after_a_step(recipe), start);
  CHECK(free > 0.05);
  CHECK(clipped < 0.01);
  CHECK(clipped > 0.001);
  recipe.clip_grad_norm = 1000;
  CHECK(distance(weight_after_a_step(recipe), start) == Approx(free));
}

TEST_CASE("frozen parameters stay to the bit, and the others train") {
  Recipe recipe = one_step();
  recipe.freeze = "^fc1";
  const Graph model = classifier(1, false);
  const Dataset data = easy_data();
  Trainer trainer(classifier, data, data, recipe);
  trainer.run({});
  CHECK(trainer.parameters().at("fc1.weight") == *model[model.find("fc1.weight")].data);
  CHECK(distance(trainer.parameters().at("fc2.weight"), *model[model.find("fc2.weight")].data) > 1e-4);
  recipe.freeze = "conv";
  CHECK_THROWS_WITH(Trainer(classifier, data, data, recipe), Catch::Contains("no parameter's name matches 'conv'"));
  recipe.freeze = "(.*)*(.*)*(.*)*(.*)*(.*)*x";  // takes no longer than other expressions
  CHECK_THROWS_WITH(Trainer(classifier, data, data, recipe), Catch::Contains("no parameter's name matches"));
  recipe.freeze = "(";
  CHECK_THROWS_WITH(Trainer(classifier, data, data, recipe), Catch::Contains("no regular expression"));
}

TEST_CASE("values that are not finite stop training with the layer's name, in float32 with the step") {
  Dataset data = easy_data();
  data.arrays[0].values.as<float>()[0] = std::numeric_limits<float>::quiet_NaN();
  Recipe recipe = recipe_in("adaptive");
  recipe.shuffle = false;
  Trainer fixed(classifier, data, data, recipe);
  CHECK_THROWS_WITH(fixed.run({}), Catch::Contains("at step 1 (epoch 1)") && Catch::Contains("layer 'fc1' (x)"));
  recipe.precision = "float32";
  Trainer real(classifier, data, data, recipe);
  CHECK_THROWS_WITH(real.run({}), Catch::Contains("at step 1 (epoch 1)") && Catch::Contains("Lower --lr"));
}

TEST_CASE("scores that are not numbers are never right") {
  Dataset data = easy_data();
  for (float& element : data.arrays[0].values.as<float>()) element = std::numeric_limits<float>::quiet_NaN();
  ParameterStore parameters;
  const Evaluation evaluation = evaluate(
      classifier, parameters, {.data = data, .preprocess = {}, .loss = {.name = "cross-entropy"}, .batch_size = 40});
  CHECK(*evaluation.accuracy == 0);
  CHECK(evaluation.samples == kSamples);
}

TEST_CASE("part of the training data can be set aside for evaluation") {
  const Dataset data = easy_data();
  Recipe recipe = recipe_in("float32");
  recipe.validation_split = 0.25;
  Trainer trainer(classifier, data, data, recipe);
  CHECK(trainer.run({}).last.samples == 24);
}

TEST_CASE("data that does not fit the model is an error that says why") {
  Dataset renamed = easy_data();
  renamed.arrays[0].name = "y";
  CHECK_THROWS_WITH(Trainer(classifier, renamed, renamed, recipe_in("float32")), Catch::Contains("no array 'x'"));
  Dataset labels = easy_data();
  labels.arrays[1].values.as<int64_t>()[5] = 3;
  CHECK_THROWS_WITH(Trainer(classifier, labels, labels, recipe_in("float32")),
                    Catch::Contains("label 5 of 'labels' is 3") && Catch::Contains("labels are 0 to 2"));
}

}  // namespace
}  // namespace marvin
