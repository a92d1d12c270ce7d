#include <catch2/catch.hpp>

#include "tests/cli/command.h"
#include "tests/importer/model_builder.h"

namespace marvin {
namespace {

using nlohmann::json;

// y = tanh(x w + b), and x for it: in a directory.
struct Fixture {
  TemporaryDirectory directory;
  std::string model = directory / "model.onnx", inputs = directory / "x.npz";

  Fixture() {
    ModelBuilder builder;
    builder.input("x", {"n", 3}).initializer("w", Tensor::of<float>({3, 2}, {0.5f, -0.25f, 1, 0.75f, -0.5f, 0.125f}));
    builder.initializer("b", Tensor::of<float>({2}, {0.25f, -1}));
    builder.node("Gemm", {"x", "w", "b"}, {"h"}).node("Tanh", {"h"}, {"y"}).output("y");
    write_file(model, builder.model.SerializeAsString());
    give("x", Tensor::of<float>({2, 3}, {1, -0.5f, 0.25f, 0.5f, 1, -1}));
  }
  void give(const std::string& name, const Tensor& values) const {
    write_npz(inputs, std::vector<NamedArray>{{name, values}});
  }
  Outcome run(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {"gradcheck", model, "--inputs", inputs};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_marvin(arguments);
  }
};

TEST_CASE("gradcheck finds the gradients of all parameters and inputs right") {
  const Fixture fixture;
  const Outcome outcome = fixture.run();
  CAPTURE(outcome.err);
  CHECK(outcome.code == 0);
  CHECK(outcome.out.find("3 of 3 gradients agree with differences") != std::string::npos);

  const json report = fixture.run({"--json"}).json();
  CHECK(report.at("wrong") == 0);
  std::vector<std::string> names;
  for (const json& row : report.at("gradients")) {
    names.push_back(row.at("name"));
    CHECK(row.at("verdict") == "ok");
    CHECK(row.at("norm").get<double>() > 0);
    CHECK(row.at("error").get<double>() < 5e-3);
  }
  CHECK(names == std::vector<std::string>{"w", "b", "x"});
  CHECK(report.at("gradients")[2].at("type") == "f32[2,3]");
}

TEST_CASE("gradcheck checks a convolutional network") {
  const TemporaryDirectory directory;
  Tensor image(Type{DType::f32, {1, 1, 28, 28}});
  for (size_t i = 0; i < 784; ++i) image.as<float>()[i] = static_cast<float>(i * 37 % 101) / 50 - 1;
  write_npz(directory / "x.npz", std::vector<NamedArray>{{"input", std::move(image)}});
  const Outcome outcome =
      run_marvin({"gradcheck", model_path("lenet5_inference.onnx"), "--inputs", directory / "x.npz"});
  CAPTURE(outcome.out, outcome.err);
  CHECK(outcome.code == 0);
}

TEST_CASE("gradcheck fails where a gradient is farther off than the tolerance") {
  const Fixture fixture;
  ModelBuilder kink;  // whose gradient at 0 is 0, while differences there are a half
  kink.input("x", {"n", 3}).node("Relu", {"x"}, {"y"}).output("y");
  write_file(fixture.model, kink.model.SerializeAsString());
  fixture.give("x", Tensor(Type{DType::f32, {1, 3}}));
  const Outcome outcome = fixture.run({"--json"});
  CHECK(outcome.code == 1);
  CHECK(outcome.json().at("wrong") == 1);
  CHECK(outcome.json().at("gradients")[0].at("verdict") == "WRONG");
  CHECK(outcome.says("1 of 1 gradients differ by more than --tolerance 0.05"));
}

TEST_CASE("gradcheck does not call a straight-through gradient wrong") {
  const Fixture fixture;
  ModelBuilder rounding;
  rounding.input("x", {"n", 3}).initializer("one", Tensor::scalar(1.0f)).node("QuantizeLinear", {"x", "one"}, {"q"});
  rounding.node("DequantizeLinear", {"q", "one"}, {"y"}).output("y");
  write_file(fixture.model, rounding.model.SerializeAsString());
  const Outcome outcome = fixture.run({"--json"});
  CHECK(outcome.code == 0);
  CHECK(outcome.json().at("wrong") == 0);
  CHECK(outcome.json().at("straight_through") == 1);
  CHECK(outcome.json().at("gradients")[0].at("verdict") == "straight-through");
  CHECK(fixture.run().out.find("1 passed straight through FakeQuantize") != std::string::npos);
}

TEST_CASE("gradcheck checks models of 16-bit floats in float32") {
  const Fixture fixture;
  ModelBuilder half;
  half.input("x", {"n", 3}, DType::f16).node("Tanh", {"x"}, {"y"});
  ModelBuilder::describe(*half.graph().add_output(), "y", {"n", 3}, DType::f16);
  write_file(fixture.model, half.model.SerializeAsString());
  const Outcome outcome = fixture.run();
  CAPTURE(outcome.err);
  CHECK(outcome.code == 0);
}

TEST_CASE("gradcheck's directions are those of its seed") {
  const Fixture fixture;
  const std::string of_0 = fixture.run({"--json"}).out;
  CHECK(fixture.run({"--json", "--seed", "0"}).out == of_0);
  CHECK(fixture.run({"--json", "--seed", "1"}).out != of_0);
}

TEST_CASE("gradcheck names the input that is missing or does not fit") {
  const Fixture fixture;
  const auto says = [&](const std::string& text) {
    const Outcome outcome = fixture.run();
    CAPTURE(outcome.err);
    CHECK(outcome.code == 1);
    CHECK(outcome.says(text));
    CHECK(outcome.says(fixture.inputs));
  };
  fixture.give("z", Tensor::of<float>({1, 3}, {1, 2, 3}));
  says("there is no array 'x', which is an input of the model");
  fixture.give("x", Tensor::of<float>({1, 2}, {1, 2}));
  says("the array 'x' is f32[1,2], but the model's input is f32[1,3]");
  std::filesystem::remove(fixture.inputs);
  says("No such file");
}

TEST_CASE("gradcheck needs a model that is there and inputs") {
  const Fixture fixture;
  CHECK(run_marvin({"gradcheck", fixture.model}).code == 2);
  const Outcome outcome = run_marvin({"gradcheck", fixture.directory / "none.onnx", "--inputs", fixture.inputs});
  CHECK(outcome.code == 1);
  CHECK(outcome.says("none.onnx"));
}

}  // namespace
}  // namespace marvin
