// Training in float32 follows PyTorch: the losses of the first ten steps, from the same weights and batches
// (models/trace.py made the references).
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "importer/onnx_model.h"
#include "runtime/data/load.h"
#include "runtime/train/trainer.h"

namespace marvin {
namespace {

const std::filesystem::path kRoot = MARVIN_SOURCE_DIR;

// The first `count` images of Fashion-MNIST's training set.
Dataset first_images(int64_t count) {
  static const DataSplits fashion = load_data("fashion-mnist");
  Dataset result = fashion.train;
  for (NamedArray& array : result.arrays) {
    Type type = array.values.type();
    type.shape[0] = count;
    Tensor head(type);
    std::copy_n(array.values.data(), type.bytes(), head.data());
    array.values = std::move(head);
  }
  return result;
}

std::vector<double> losses_of(const nlohmann::json& trace, const std::string& precision) {
  const OnnxModel model = OnnxModel::load((kRoot / std::string(trace["model"])).string());
  const ImportModel import = [&](int64_t batch, bool inference) {
    return model.import(
        {.batch = batch, .form = inference ? ImportOptions::Form::inference : ImportOptions::Form::as_found});
  };
  const int64_t batch = trace["batch_size"], steps = trace["steps"];
  const Dataset data = first_images(batch * steps);
  Recipe recipe;
  recipe.optimizer = {.name = trace["optimizer"],
                      .momentum = trace["momentum"],
                      .nesterov = trace["nesterov"],
                      .weight_decay = trace["weight_decay"]};
  recipe.schedule.lr = trace["lr"];
  recipe.steps = steps;
  recipe.batch_size = batch;
  recipe.shuffle = false;
  recipe.precision = precision;
  recipe.preprocess = Preprocess{.scale = true, .mean = trace["mean"], .deviation = trace["std"]};
  Trainer trainer(import, data, data, recipe);
  std::vector<double> losses;
  trainer.run(
      {.step = [&](const StepReport& report) { losses.push_back(report.loss); }, .evaluated = {}, .switched = {}});
  return losses;
}

std::vector<std::filesystem::path> traces() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(kRoot / "tests/data/traces")) {
    if (entry.path().extension() == ".json") paths.push_back(entry.path());
  }
  return paths;
}

TEST_CASE("the first ten losses in float32 are PyTorch's") {
  REQUIRE(traces().size() >= 7);
  for (const std::filesystem::path& path : traces()) {
    const nlohmann::json trace = nlohmann::json::parse(std::ifstream(path));
    const std::vector<double> expected = trace["losses"];
    const std::vector<double> losses = losses_of(trace, "float32");
    REQUIRE(losses.size() == expected.size());
    // Networks with BatchNormalization amplify rounding from step to step; without it less is forgiven.
    const bool normalized = path.stem() == "resnet20" || path.stem() == "vgg11_bn_narrow";
    for (size_t i = 0; i < losses.size(); ++i) {
      INFO(path.stem() << ", step " << i + 1);
      CHECK(losses[i] == Approx(expected[i]).epsilon(normalized ? 1e-4 : 1e-5));
    }
  }
}

TEST_CASE("the first ten losses in adaptive precision stay near PyTorch's") {
  const nlohmann::json trace = nlohmann::json::parse(std::ifstream(kRoot / "tests/data/traces/lenet5.json"));
  const std::vector<double> expected = trace["losses"];
  const std::vector<double> losses = losses_of(trace, "adaptive");
  for (size_t i = 0; i < losses.size(); ++i) CHECK(losses[i] == Approx(expected[i]).epsilon(0.01));
  CHECK(losses == losses_of(trace, "adaptive"));
}

}  // namespace
}  // namespace marvin
