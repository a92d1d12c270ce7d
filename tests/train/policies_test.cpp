// Policies end to end: what a training step in their treatment computes.
#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/data/files.h"
#include "tests/train/classifier.h"

namespace marvin {
namespace {

// One weight learns, and whatever is rounded to <8,4> in its first two steps stays as it is.
Graph grid_model(int64_t batch, bool) {
  Graph graph = from_text(cat("graph g { input %x: f32[", batch, R"(,2] parameter %fc.weight: f32[2,2]
    %y = MatMul(%x, %fc.weight)
    output %y })"));
  graph[graph.find("fc.weight")].data =
      std::make_shared<const Tensor>(Tensor::of<float>({2, 2}, std::vector<float>{0.5f, 0, 1, 0}));
  return graph;
}

Dataset grid_data() {
  return {.kind = DataKind::arrays,
          .arrays = {{"x", Tensor::of<float>({2, 2}, std::vector<float>{1, 0, 1, 0})},
                     {"labels", Tensor::of<float>({2, 2}, std::vector<float>{2, 0, 2, 0})}}};
}

TEST_CASE("a step of paper quantizes the gradient, divides it by its norm, decays and follows the momentum") {
  const Dataset data = grid_data();
  Recipe recipe;
  recipe.loss.name = "mse";
  recipe.precision = "paper";
  recipe.batch_size = 2;
  recipe.epochs = 2;
  recipe.schedule.lr = 0.5;
  recipe.optimizer.momentum = 0.5f;
  recipe.optimizer.weight_decay = 0.25f;
  Trainer trainer(grid_model, data, data, recipe);
  double learns = 0.5, decays = 1, momentum = 0, other_momentum = 0;
  trainer.run({.step = [&](const StepReport&) {
    const double gradient = learns - 2;
    momentum = 0.5 * momentum + gradient / std::abs(gradient) + 0.25 * learns;
    other_momentum = 0.5 * other_momentum + 0.25 * decays;
    learns -= 0.5 * momentum;
    decays -= 0.5 * other_momentum;
    const std::span<const float> weights = trainer.parameters().at("fc.weight").as<float>();
    CHECK(weights[0] == Approx(learns).epsilon(1e-6));
    CHECK(weights[2] == Approx(decays).epsilon(1e-6));
    CHECK(weights[1] == 0);
  }});
  CHECK(learns == 1.5390625);
}

TEST_CASE("gradients of paper are of unit norm, for biases as well") {
  const Dataset data = easy_data();
  Recipe recipe = recipe_in("paper");
  recipe.optimizer.momentum = 0;
  recipe.steps = 1;
  recipe.schedule.lr = 0.125;
  Trainer trainer(classifier, data, data, recipe);
  trainer.run({});
  const Graph model = classifier(1, false);
  for (const std::string name : {"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"}) {
    INFO(name);
    const Tensor& before = *model[model.find(name)].data;
    const Tensor& after = trainer.parameters().at(name);
    double squares = 0;
    for (size_t i = 0; i < before.as<float>().size(); ++i)
      squares += std::pow(before.as<float>()[i] - after.as<float>()[i], 2);
    CHECK((squares == 0 || std::abs(std::sqrt(squares) - 0.125) < 1e-5));
  }
}

TEST_CASE("paper, released paper and muppet learn an easy task, and say in which words") {
  const Dataset data = easy_data();
  for (const std::string precision : {"paper:lb_min=5,lb_max=20", "paper:released,lb_min=5,lb_max=20", "muppet"}) {
    INFO(precision);
    Recipe recipe = recipe_in(precision);
    recipe.schedule.lr = precision == "muppet" ? 0.2 : 0.02;
    Trainer trainer(classifier, data, data, recipe);
    const TrainingResult result = trainer.run({});
    CHECK(*result.last.accuracy > 0.85);
    CHECK(result.formats.size() == 10);  // six that products read, and the gradients of four parameters
    CHECK(result.switches > 0);
    for (const SlotFormatNow& now : result.formats) {
      const bool flows_back = now.slot.role == Role::gradient && !now.slot.name.ends_with(".gradient");
      const bool is_float = now.format == FixedPoint{};
      if (precision != "muppet") CHECK(is_float == flows_back);
      CHECK(now.format.wl >= 8);
    }
  }
}

TEST_CASE("accumulated micro-batches have one switch of formats to a step") {
  const Dataset data = easy_data();
  Recipe recipe = recipe_in("paper:lb_min=2,lb_max=4");
  recipe.batch_size = 8;
  recipe.accumulate = 3;
  recipe.epochs = 3;
  recipe.schedule.lr = 0.02;
  Trainer trainer(classifier, data, data, recipe);
  const TrainingResult result = trainer.run({});
  CHECK(result.steps == 12);
  CHECK(result.switches > 0);
}

struct Run {
  std::vector<float> losses;
  TensorMap parameters;
  int64_t switches = 0;
};

// Trains, and writes what marvin train would write into precision.jsonl.
Run run_recorded(const Recipe& recipe, const std::string& path) {
  const Dataset data = easy_data();
  Trainer trainer(classifier, data, data, recipe);
  std::string lines;
  const auto record = [&](int64_t step, const Slot& slot, FixedPoint from, FixedPoint to) {
    const auto json_of = [](FixedPoint format) { return nlohmann::json{{"wl", format.wl}, {"fl", format.fl}}; };
    nlohmann::json line = {{"step", step}, {"slot", slot.name}, {"from", json_of(from)}, {"to", json_of(to)}};
    if (step == 0) line["treatment"] = text_of(trainer.treatment());
    lines += line.dump() + "\n";
  };
  for (const SlotFormatNow& now : trainer.formats()) record(0, now.slot, {}, now.format);
  Run run;
  run.switches =
      trainer
          .run({.step = [&](const StepReport& report) { run.losses.push_back(report.loss); },
                .switched = [&](const StepReport& report, const Slot& slot,
                                const FormatChange& change) { record(report.step, slot, change.from, change.to); }})
          .switches;
  run.parameters = trainer.parameters().tensors();
  if (!path.empty()) write_file(path, lines);
  return run;
}

TEST_CASE("a recorded run is replayed to the bit, whatever decided on its formats") {
  const TemporaryDirectory directory;
  for (const std::string precision : {"adaptive", "fixed:8", "paper:lb_min=5,lb_max=20,tolerance=0.1",
                                      "paper:released,lb_min=5,lb_max=20", "muppet:resolution=1,patience=1"}) {
    for (const bool at_epoch : {false, true}) {
      INFO(precision << (at_epoch ? ", at epochs" : ""));
      Recipe recipe = recipe_in(precision);
      recipe.steps = 90;
      recipe.batch_size = 8;
      recipe.accumulate = 2;
      recipe.l1 = 1e-4f;
      recipe.switch_at_epoch = at_epoch;
      const Run original = run_recorded(recipe, directory / "precision.jsonl");
      CHECK(original.switches > 0);
      recipe.precision = directory / "precision.jsonl";
      recipe.switch_at_epoch = false;
      const Run replay = run_recorded(recipe, "");
      CHECK(replay.switches == original.switches);
      CHECK(replay.losses == original.losses);
      CHECK(replay.parameters == original.parameters);
    }
  }
}

TEST_CASE("views of rounded values are multiplied, and counted, as they are in other treatments") {
  const auto model = [](int64_t batch, bool) {
    return from_text(cat("graph g { input %x: f32[", batch, R"(,2,3]
      parameter %fc1.weight: f32[3,4] parameter %fc2.weight: f32[4,3]
      %a = MatMul(%x, %fc1.weight) named "a"
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
  const int64_t macs = Trainer(model, data, data, recipe).run({}).costs.macs.total;
  recipe.precision = "paper";
  CHECK(Trainer(model, data, data, recipe).run({}).costs.macs.total == macs);
}

}  // namespace
}  // namespace marvin
