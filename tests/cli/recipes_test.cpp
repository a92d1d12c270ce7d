// The recipes of models/recipes, on small generated files of the formats that they are for.
#include <catch2/catch.hpp>

#include "tests/cli/command.h"

namespace marvin {
namespace {

using nlohmann::json;

constexpr int kRecords = 64;

// Records of CIFAR-10 (one byte of label) or CIFAR-100 (two): class k is of one colour.
std::string cifar_records(int label_bytes, int classes) {
  std::string records;
  for (int n = 0; n < kRecords; ++n) {
    const int label = n % classes;
    records += std::string(static_cast<size_t>(label_bytes), static_cast<char>(label));
    for (int plane = 0; plane < 3; ++plane)
      for (int i = 0; i < 1024; ++i) records += static_cast<char>((label * 23 * (plane + 1) + (n * i) % 13) % 256);
  }
  return records;
}

// The run.json of one step by the recipe.
json run_of(const std::string& model, const std::string& recipe, const std::string& data,
            const std::vector<std::string>& more) {
  const TemporaryDirectory directory;
  std::vector<std::string> command = {
      "train", model_path(model), "--recipe", model_path("recipes/" + recipe), "--data", data, "--steps", "1",
      "--out", directory / "run", "--quiet"};
  command.insert(command.end(), more.begin(), more.end());
  const Outcome outcome = run_marvin(command);
  CAPTURE(recipe, outcome.err);
  REQUIRE(outcome.code == 0);
  return json::parse(file_content(directory / "run/run.json"));
}

void check_paper_settings(const std::string& model, const std::string& recipe, const std::string& data,
                          int accumulate) {
  const json run = run_of(model, recipe, data, {"--batch-size", "4"});
  const json& resolved = run.at("recipe");
  INFO(recipe);
  CHECK(resolved.at("accumulate") == accumulate);
  CHECK(resolved.at("lr-schedule") == "plateau");
  CHECK(resolved.at("init") == "tnvs");
  CHECK(resolved.at("l1") == 1e-4);
  CHECK(resolved.at("preprocess").at("crop") == 4);
  CHECK(resolved.at("preprocess").at("flip") == true);
  CHECK(run.at("summary").at("steps") == 1);
  CHECK(run.at("summary").at("loss").get<double>() > 0);
}

TEST_CASE("the recipes for CIFAR-10 train by the paper's settings") {
  const TemporaryDirectory directory;
  write_file(directory / "data_batch_1.bin", cifar_records(1, 10));
  write_file(directory / "test_batch.bin", cifar_records(1, 10));
  check_paper_settings("alexnet_narrow.onnx", "alexnet_cifar10.json", directory.path(), 4);
  check_paper_settings("resnet20_3x32x32.onnx", "resnet20_cifar10.json", directory.path(), 4);
}

TEST_CASE("the recipes for CIFAR-100 train by the paper's settings, with a head of 100 classes") {
  const TemporaryDirectory directory;
  write_file(directory / "train.bin", cifar_records(2, kRecords));
  write_file(directory / "test.bin", cifar_records(2, kRecords));
  check_paper_settings("alexnet_narrow.onnx", "alexnet_cifar100.json", directory.path(), 4);
  check_paper_settings("resnet20_3x32x32.onnx", "resnet20_cifar100.json", directory.path(), 2);
}

TEST_CASE("the recipes for Fashion-MNIST fit images of its size") {
  const TemporaryDirectory directory;
  std::string pixels, labels;
  for (int n = 0; n < kRecords; ++n) {
    labels += static_cast<char>(n % 10);
    for (int i = 0; i < 784; ++i) pixels += static_cast<char>((n % 10) * 25 + (n * i) % 7);
  }
  const std::vector<std::string> prefixes = {"train", "t10k"};
  for (const std::string& prefix : prefixes) {
    write_file(directory / (prefix + "-images-idx3-ubyte"), idx({kRecords, 28, 28}, pixels));
    write_file(directory / (prefix + "-labels-idx1-ubyte"), idx({kRecords}, labels));
  }
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"lenet5.onnx", "lenet5.json"}, {"resnet20.onnx", "resnet20.json"}, {"vgg11_bn_narrow.onnx", "vgg11.json"}};
  for (const auto& [model, recipe] : cases) {
    const json run = run_of(model, recipe, directory.path(), {"--batch-size", "8"});
    CHECK(run.at("recipe").at("lr-schedule") == "one-cycle");
    CHECK(run.at("summary").at("steps") == 1);
  }
}

}  // namespace
}  // namespace marvin
