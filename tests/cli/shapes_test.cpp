// Models that leave axes open, or fix their batch, through every verb.
#include <catch2/catch.hpp>

#include "tests/cli/command.h"
#include "tests/importer/model_builder.h"

namespace marvin {
namespace {

Tensor ramp(const Shape& shape) {
  Tensor tensor(Type{DType::f32, shape});
  int64_t i = 0;
  for (float& element : tensor.as<float>()) element = static_cast<float>(i++ * 37 % 19) / 19 - 0.5f;
  return tensor;
}

std::string written(const ModelBuilder& model, const std::string& path) {
  return write_file(path, model.model.SerializeAsString());
}

// Three classes of signals of two channels, of any length.
std::string open_model(const std::string& path) {
  ModelBuilder model;
  model.input("x", {"n", 2, "length"}).initializer("w", ramp({3, 2, 3}));
  model.node("Conv", {"x", "w"}, {"c"}).node("GlobalAveragePool", {"c"}, {"p"}).node("Flatten", {"p"}, {"y"});
  ModelBuilder::describe(*model.graph().add_output(), "y", {"n", 3}, DType::f32);
  return written(model, path);
}

std::string data_for(const Shape& sample, const std::string& path) {
  Tensor labels(Type{DType::i64, {16}});
  for (size_t i = 0; i < 16; ++i) labels.as<int64_t>()[i] = static_cast<int64_t>(i) % 3;
  Shape shape = {16};
  shape.insert(shape.end(), sample.begin(), sample.end());
  write_npz(path, std::vector<NamedArray>{{"x", ramp(shape)}, {"labels", labels}});
  return path;
}

void require_success(const std::vector<std::string>& arguments) {
  const Outcome outcome = run_marvin(arguments);
  CAPTURE(arguments, outcome.err);
  REQUIRE(outcome.code == 0);
}

}  // namespace

TEST_CASE("axes that the model leaves open are those of the data, in training, evaluation and export") {
  const TemporaryDirectory directory;
  const std::string model = open_model(directory / "open.onnx"), data = data_for({2, 12}, directory / "x.npz");
  const std::string run = directory / "run";
  require_success({"train", model, "--data", data, "--out", run, "--steps", "2", "--batch-size", "6", "--quiet"});
  require_success({"eval", run + "/trained.onnx", "--data", data, "--quiet"});
  require_success({"eval", model, "--data", data, "--batch-size", "5", "--quiet"});  // whose loss is not stored
  require_success({"export", run, "--format", "qdq", "--output", directory / "qdq.onnx", "--verify", data, "--quiet"});
  CHECK(file_content(directory / "qdq.onnx").find("DequantizeLinear") != std::string::npos);
}

TEST_CASE("axes that no data tell are given by --shape, which the error asks for") {
  const TemporaryDirectory directory;
  const std::string model = open_model(directory / "open.onnx");
  for (const std::vector<std::string>& verb :
       {std::vector<std::string>{"inspect", model, "--after", "differentiate"},
        {"bench", model, "--batch-size", "4", "--steps", "2"},
        {"check", model},
        {"export", model, "--format", "training", "--output", directory / "t.onnx"}}) {
    const Outcome refused = run_marvin(verb);
    CAPTURE(verb, refused.err);
    CHECK(refused.code == 1);
    CHECK(refused.says("--shape NAME="));
    std::vector<std::string> given = verb;
    given.insert(given.end(), {"--shape", "x=4,2,12"});
    require_success(given);
  }
}

TEST_CASE("a model of 16-bit floats trains on float32 data") {
  const TemporaryDirectory directory;
  ModelBuilder model;
  Tensor w(Type{DType::f16, {3, 6}});
  for (size_t i = 0; i < 18; ++i) w.as<Float16>()[i] = Float16(0.1f * static_cast<float>(i) - 1);
  model.input("x", {"n", 6}, DType::f16).initializer("w", w);
  model.node("Gemm", {"x", "w"}, {"y"}, {attribute("transB", int64_t{1})});
  ModelBuilder::describe(*model.graph().add_output(), "y", {"n", 3}, DType::f16);
  const std::string path = written(model, directory / "half.onnx"), data = data_for({6}, directory / "x.npz");
  require_success(
      {"train", path, "--data", data, "--out", directory / "run", "--batch-size", "8", "--steps", "3", "--quiet"});
  require_success({"eval", directory / "run/trained.onnx", "--data", data, "--quiet"});
}

TEST_CASE("a model of 64-bit floats is refused by name where it would be trained") {
  const TemporaryDirectory directory;
  ModelBuilder model;
  model.input("x", {"n", 6}, DType::f64).initializer("w", Tensor(Type{DType::f64, {6, 3}}));
  model.node("MatMul", {"x", "w"}, {"y"}).output("y");
  const Outcome outcome = run_marvin({"check", written(model, directory / "double.onnx")});
  CHECK(outcome.code == 0);
  CHECK(outcome.out.find("the parameter 'w' is f64[6,3]; marvin trains float32") != std::string::npos);
}

TEST_CASE("a model whose batch is fixed trains and is evaluated with another") {
  const TemporaryDirectory directory;
  ModelBuilder model;
  model.input("x", {1, 2, 3}).initializer("w", ramp({3, 6})).constant("flat", Tensor::of<int64_t>({2}, {1, -1}));
  model.node("Reshape", {"x", "flat"}, {"r"}).node("Gemm", {"r", "w"}, {"y"}, {attribute("transB", int64_t{1})});
  ModelBuilder::describe(*model.graph().add_output(), "y", {1, 3}, DType::f32);
  const std::string path = written(model, directory / "fixed.onnx"), data = data_for({2, 3}, directory / "x.npz");
  require_success(
      {"train", path, "--data", data, "--out", directory / "run", "--batch-size", "6", "--steps", "3", "--quiet"});
  require_success({"eval", directory / "run/trained.onnx", "--data", data, "--quiet"});
  const Outcome shown = run_marvin({"inspect", path});
  CHECK(shown.out.find("%y: f32[1,3]") != std::string::npos);
}

}  // namespace marvin
