// ONNX's own cases, all of them: 932 nodes, 82 and 35 that PyTorch exported, 23 small models.
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>

#include "runtime/cli/test_case.h"
#include "runtime/ir/error.h"
#include "tests/data/files.h"

namespace marvin {
namespace {

namespace fs = std::filesystem;

// ---- Cases whose expected values come from another library's random stream ------------------------------------------

struct Stream {
  const Tensor& input;  // operand 0
  const std::vector<ComparedOutput>& outputs;
  double ratio;  // of Dropout
};

std::vector<double> numbers(const Tensor& tensor) {
  std::vector<double> result;
  visit(tensor.type().dtype, [&](auto zero) {
    for (const auto element : tensor.as<decltype(zero)>()) result.push_back(static_cast<double>(element));
  });
  return result;
}

// Whether `successes` of draws with these probabilities are within five standard deviations of what is expected.
bool is_likely(double successes, const std::vector<double>& probabilities) {
  double mean = 0, variance = 0;
  for (const double p : probabilities) mean += p, variance += p * (1 - p);
  return std::abs(successes - mean) <= 5 * std::sqrt(variance) + 1;
}

// Every output is 0 or 1, as often as the input says.
std::string check_bernoulli(const Stream& stream) {
  double ones = 0;
  for (const double draw : numbers(stream.outputs.at(0).values)) {
    if (draw != 0 && draw != 1) return cat("a draw is ", draw);
    ones += draw;
  }
  return is_likely(ones, numbers(stream.input)) ? "" : cat(ones, " ones are too many or too few");
}

// Elements are dropped as often as the ratio says, the others scaled, and the mask says which.
std::string check_dropout(const Stream& stream) {
  const std::vector<double> x = numbers(stream.input), y = numbers(stream.outputs.at(0).values);
  const std::vector<double> mask =
      stream.outputs.size() > 1 ? numbers(stream.outputs[1].values) : std::vector<double>();
  double kept = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const bool is_kept = mask.empty() ? y[i] != 0 : mask[i] != 0;
    const double expected = is_kept ? x[i] / (1 - stream.ratio) : 0;
    if (std::abs(y[i] - expected) > 1e-6 + 1e-5 * std::abs(expected)) return cat("element ", i, " is ", y[i]);
    kept += is_kept ? 1 : 0;
  }
  return is_likely(kept, std::vector<double>(x.size(), 1 - stream.ratio)) ? "" : cat(kept, " are kept");
}

struct RandomCase {
  std::string (*check)(const Stream&);
  double ratio;
};
const std::map<std::string, RandomCase> kRandomCases = {
    {"test_bernoulli", {check_bernoulli, 0}},
    {"test_bernoulli_double", {check_bernoulli, 0}},
    {"test_bernoulli_double_expanded", {check_bernoulli, 0}},
    {"test_bernoulli_expanded", {check_bernoulli, 0}},
    {"test_bernoulli_seed", {check_bernoulli, 0}},
    {"test_bernoulli_seed_expanded", {check_bernoulli, 0}},
    {"test_training_dropout", {check_dropout, 0.75}},
    {"test_training_dropout_default", {check_dropout, 0.5}},
    {"test_training_dropout_default_mask", {check_dropout, 0.5}},
    {"test_training_dropout_mask", {check_dropout, 0.75}},
};

// ---- A case whose data were made with an attribute that its model leaves out ----------------------------------------

// test_adam_multiple expects epsilon = 0.01, while the op's default is 1e-6.
std::string completed(const fs::path& path, const TemporaryDirectory& directory) {
  if (path.parent_path().filename() != "test_adam_multiple") return path;
  onnx::ModelProto model;
  std::ifstream file(path, std::ios::binary);
  model.ParseFromIstream(&file);
  onnx::AttributeProto& epsilon = *model.mutable_graph()->mutable_node(0)->add_attribute();
  epsilon.set_name("epsilon");
  epsilon.set_type(onnx::AttributeProto::FLOAT);
  epsilon.set_f(0.01f);
  const std::string copy = directory / "model.onnx";
  std::ofstream(copy, std::ios::binary) << model.SerializeAsString();
  return copy;
}

// ---- The suite ------------------------------------------------------------------------------------------------------

struct Tally {
  int passed = 0;
  std::map<std::string, std::string> failed, not_applicable;  // why, by name
};

std::string fault_of(const std::string& name, const TestCase& result, const Tensor& input) {
  if (const auto random = kRandomCases.find(name); random != kRandomCases.end())
    return random->second.check({input, result.outputs, random->second.ratio});
  for (const ComparedOutput& output : result.outputs)
    if (!output.difference.empty()) return output.difference;
  return "";
}

void run_case(const fs::path& directory, Tally& tally) {
  const std::string name = directory.filename();
  const std::string data = directory / "test_data_set_0";
  const TemporaryDirectory scratch;
  try {
    const TestCase result = run_test_case(OnnxModel::load(completed(directory / "model.onnx", scratch)), data);
    if (!result.not_applicable.empty()) {
      tally.not_applicable[name] = result.not_applicable;
      return;
    }
    const std::string fault = fault_of(name, result, result.inputs.empty() ? Tensor() : result.inputs[0]);
    fault.empty() ? void(++tally.passed) : void(tally.failed[name] = fault);
  } catch (const Error& error) {
    tally.failed[name] = error.what();
  }
}

Tally run_cases(const std::string& kind) {
  std::vector<fs::path> directories;
  for (const fs::directory_entry& entry : fs::directory_iterator(fs::path(MARVIN_ONNX_TEST_DATA) / kind))
    if (fs::exists(entry.path() / "model.onnx")) directories.push_back(entry.path());
  std::ranges::sort(directories);
  Tally tally;
  for (const fs::path& directory : directories) run_case(directory, tally);
  std::cout << kind << ": " << tally.passed << " passed, " << tally.failed.size() << " failed, "
            << tally.not_applicable.size() << " not applicable\n";
  for (const auto& [name, reason] : tally.failed) std::cout << "  failed " << name << ": " << reason << "\n";
  for (const auto& [name, reason] : tally.not_applicable)
    std::cout << "  not applicable " << name << ": " << reason << "\n";
  return tally;
}

}  // namespace

TEST_CASE("marvin agrees with every one of ONNX's node cases on tensors") {
  const Tally tally = run_cases("node");
  CHECK(tally.failed.empty());
  CHECK(static_cast<size_t>(tally.passed) + tally.not_applicable.size() == 932);
}

TEST_CASE("marvin agrees with every case that PyTorch's exporter made") {
  CHECK(run_cases("pytorch-converted").passed == 82);
  CHECK(run_cases("pytorch-operator").passed == 35);
}

TEST_CASE("marvin agrees with ONNX's small models on tensors") {
  const Tally tally = run_cases("simple");
  CHECK(tally.failed.empty());
  CHECK(static_cast<size_t>(tally.passed) + tally.not_applicable.size() == 23);
}

}  // namespace marvin
