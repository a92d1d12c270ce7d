// What opsets 1 to 6 said in another way: models of theirs give the values that they are meant to.
#include <catch2/catch.hpp>

#include "runtime/ops/op.h"
#include "tests/importer/model_builder.h"
#include "tests/ops/interpret.h"

using namespace marvin;
using Catch::Matchers::Contains;

namespace {

using Names = std::vector<std::string>;
using Attributes = std::vector<onnx::AttributeProto>;
using Integers = std::vector<int64_t>;

onnx::AttributeProto text(const std::string& name, const std::string& value) {
  onnx::AttributeProto proto;
  proto.set_name(name);
  proto.set_type(onnx::AttributeProto::STRING);
  proto.set_s(value);
  return proto;
}

Tensor counted(const Shape& shape) {
  Tensor tensor(Type{DType::f32, shape});
  float next = 0;
  for (float& element : tensor.as<float>()) element = next++;
  return tensor;
}

// y = op(x, others); the others are constants.
struct Case {
  std::string op;
  int64_t opset;
  Attributes attributes;
  std::vector<Tensor> others = {};

  ModelBuilder model(const Tensor& x) const {
    ModelBuilder model(opset, 3);
    std::vector<ModelBuilder::Dim> dims;
    for (const int64_t extent : x.type().shape) dims.emplace_back(static_cast<int>(extent));
    model.input("x", dims).output("y");
    Names operands = {"x"};
    for (const Tensor& other : others) {
      operands.push_back(cat("operand", operands.size()));
      model.constant(operands.back(), other);
    }
    return model.node(op, operands, {"y"}, attributes);
  }
  Tensor operator()(const Tensor& x) const {
    const Graph graph = model(x).import();
    verify_types(graph);
    return interpret(graph, {{"x", x}}).at("y");
  }
  std::string error(const Tensor& x) const {
    return error_of([&] { model(x).import(); });
  }
};

constexpr int64_t kOn = 1;

}  // namespace

TEST_CASE("the second operand of arithmetic is spread from the axis that is given") {
  const Attributes along_0 = {attribute("broadcast", kOn), attribute("axis", int64_t{0})};
  const Tensor column = Tensor::of<float>({2}, {10, 20}), x = counted({2, 2});
  CHECK(Case{"Add", 6, along_0, {column}}(x) == Tensor::of<float>({2, 2}, {10, 11, 22, 23}));
  CHECK(Case{"Sub", 1, along_0, {column}}(x) == Tensor::of<float>({2, 2}, {-10, -9, -18, -17}));
  CHECK(Case{"Mul", 6, along_0, {column}}(x) == Tensor::of<float>({2, 2}, {0, 10, 40, 60}));
  CHECK(Case{"Div", 6, along_0, {Tensor::of<float>({2}, {1, 2})}}(x) == Tensor::of<float>({2, 2}, {0, 1, 1, 1.5f}));
  CHECK(Case{"Pow", 1, along_0, {Tensor::of<float>({2}, {1, 2})}}(x) == Tensor::of<float>({2, 2}, {0, 1, 4, 9}));
  CHECK(Case{"Greater", 1, along_0, {Tensor::of<float>({2}, {0, 2})}}(x) ==
        Tensor::of<bool>({2, 2}, {false, true, false, true}));
}

TEST_CASE("the axis may be in the middle or counted from the end, and without one the last axes are meant") {
  const Tensor x = counted({2, 2, 2}), pair = Tensor::of<float>({2}, {0, 100});
  const Tensor in_the_middle = Tensor::of<float>({2, 2, 2}, {0, 1, 102, 103, 4, 5, 106, 107});
  for (const int64_t axis : {1, -2})
    CHECK(Case{"Add", 6, {attribute("broadcast", kOn), attribute("axis", axis)}, {pair}}(x) == in_the_middle);
  CHECK(Case{"Add", 6, {attribute("broadcast", kOn)}, {pair}}(x) ==
        Tensor::of<float>({2, 2, 2}, {0, 101, 2, 103, 4, 105, 6, 107}));
  const Case misfit{"Add", 6, {attribute("broadcast", kOn), attribute("axis", int64_t{2})}, {counted({2, 2})}};
  CHECK_THAT(misfit.error(x), Contains("operand 1, f32[2,2], does not fit from axis 2 on"));
}

TEST_CASE("hints for runtimes that write over their operands do not matter") {
  CHECK(Case{"Add", 1, {attribute("consumed_inputs", Integers{0, 0})}, {counted({2})}}(counted({2})) ==
        Tensor::of<float>({2}, {0, 2}));
  CHECK(Case{"Relu", 1, {attribute("consumed_inputs", Integers{0})}}(Tensor::of<float>({2}, {-1, 2})) ==
        Tensor::of<float>({2}, {0, 2}));
}

TEST_CASE("Reshape's shape is an attribute before opset 5, an operand from then on") {
  CHECK(Case{"Reshape", 4, {attribute("shape", Integers{0, -1})}}(counted({2, 3, 2})).type().shape == Shape{2, 6});
  CHECK(Case{"Reshape", 5, {}, {Tensor::of<int64_t>({1}, {-1})}}(counted({2, 3})).type().shape == Shape{6});
  CHECK_THAT(Case({"Reshape", 5, {attribute("shape", Integers{-1})}}).error(counted({2})), Contains("opset 5"));
}

TEST_CASE("Cast's type is a name before opset 6, a number from then on") {
  const Tensor x = Tensor::of<float>({2}, {-1.5f, 2.5f});
  CHECK(Case{"Cast", 5, {text("to", "INT64")}}(x) == Tensor::of<int64_t>({2}, {-1, 2}));
  CHECK(Case{"Cast", 1, {text("to", "DOUBLE")}}(x) == Tensor::of<double>({2}, {-1.5, 2.5}));
  CHECK(Case{"Cast", 6, {attribute("to", int64_t{6})}}(x) == Tensor::of<int32_t>({2}, {-1, 2}));
  CHECK_THAT(Case({"Cast", 5, {text("to", "INT65")}}).error(x), Contains("'INT65', which is no element type"));
}

TEST_CASE("Concat joins along axis 1 before opset 4 where nothing says otherwise") {
  CHECK(Case{"Concat", 3, {}, {counted({2, 3})}}(counted({2, 1})).type().shape == Shape{2, 4});
  CHECK(Case{"Concat", 3, {attribute("axis", int64_t{0})}, {counted({2, 3})}}(counted({1, 3})).type().shape ==
        Shape{3, 3});
  CHECK_THAT(Case({"Concat", 4, {}, {counted({2, 3})}}).error(counted({2, 1})), Contains("axis"));
}

TEST_CASE("Tile repeats along one axis before opset 6") {
  const Tensor x = counted({2, 2});
  CHECK(Case{"Tile", 5, {}, {Tensor::scalar(2.0f), Tensor::scalar(1.0f)}}(x) ==
        Tensor::of<float>({2, 4}, {0, 1, 0, 1, 2, 3, 2, 3}));
  CHECK_THAT(Case({"Tile", 5, {}, {counted({2}), Tensor::scalar(1.0f)}}).error(x),
             Contains("how often to tile must be one number, not f32[2]"));
  CHECK(Case{"Tile", 6, {}, {Tensor::of<int64_t>({2}, {2, 1})}}(x) ==
        Tensor::of<float>({4, 2}, {0, 1, 2, 3, 0, 1, 2, 3}));
}

TEST_CASE("Pad's amounts are called paddings in opset 1") {
  const Tensor x = Tensor::of<float>({2}, {1, 2}), padded = Tensor::of<float>({4}, {7, 1, 2, 7});
  CHECK(Case{"Pad", 1, {attribute("paddings", Integers{1, 1}), attribute("value", 7.0f)}}(x) == padded);
  CHECK(Case{"Pad", 2, {attribute("pads", Integers{1, 1}), attribute("value", 7.0f)}}(x) == padded);
}

TEST_CASE("the exponents of LpPool and GlobalLpPool are real numbers in opset 1") {
  const Tensor x = Tensor::of<float>({1, 1, 1, 2}, {3, 4});
  CHECK(Case{"GlobalLpPool", 1, {attribute("p", 2.0f)}}(x) == Tensor::of<float>({1, 1, 1, 1}, {5}));
  CHECK(Case{"LpPool", 1, {attribute("p", 1.0f), attribute("kernel_shape", Integers{1, 2})}}(x) ==
        Tensor::of<float>({1, 1, 1, 1}, {7}));
  CHECK(Case{"GlobalLpPool", 2, {attribute("p", int64_t{1})}}(x) == Tensor::of<float>({1, 1, 1, 1}, {7}));
}

TEST_CASE("PRelu's slope is one per channel") {
  const Tensor x = Tensor::of<float>({1, 2, 2}, {-1, -2, -3, 4});
  CHECK(Case{"PRelu", 6, {}, {Tensor::of<float>({2}, {0.5f, 2})}}(x) ==
        Tensor::of<float>({1, 2, 2}, {-0.5f, -1, -6, 4}));
  CHECK(Case{"PRelu", 1, {}, {Tensor::of<float>({1}, {3})}}(x) == Tensor::of<float>({1, 2, 2}, {-3, -6, -9, 4}));
}

TEST_CASE("Gemm says whether it broadcasts its addend") {
  CHECK(Case{"Gemm", 6, {attribute("broadcast", kOn)}, {counted({2, 2}), Tensor::of<float>({2}, {10, 20})}}(
            counted({1, 2})) == Tensor::of<float>({1, 2}, {12, 23}));
}

TEST_CASE("Upsample's scales are one attribute per axis in opset 1") {
  const Attributes scales = {attribute("height_scale", 1.0f), attribute("width_scale", 2.0f)};
  CHECK(Case{"Upsample", 1, scales}(counted({1, 1, 2, 2})) ==
        Tensor::of<float>({1, 1, 2, 4}, {0, 0, 1, 1, 2, 2, 3, 3}));
}

TEST_CASE("recurrent layers say whether they give every step, which their outputs say too") {
  for (const auto& [op, gates] : {std::pair{"RNN", 1}, std::pair{"GRU", 3}, std::pair{"LSTM", 4}}) {
    const Case layer{op,
                     6,
                     {attribute("hidden_size", int64_t{2}), attribute("output_sequence", kOn)},
                     {counted({1, 2 * gates, 3}), counted({1, 2 * gates, 2})}};
    CHECK(layer(counted({4, 1, 3})).type().shape == Shape{4, 1, 1, 2});
  }
}

TEST_CASE("is_test takes Dropout and BatchNormalization out of training mode") {
  ModelBuilder drop(6, 3);
  drop.input("x", {2}).output("y");
  drop.node("Dropout", {"x"}, {"y", "mask"}, {attribute("ratio", 0.5f), attribute("is_test", kOn)});
  CHECK(interpret(drop.import(), {{"x", counted({2})}}).at("y") == counted({2}));

  for (const int64_t is_test : {0, 1}) {
    ModelBuilder norm(6, 3);
    norm.input("x", {2, 1}).output("y").initializer("scale", Tensor::of<float>({1}, {2}));
    norm.initializer("bias", Tensor::of<float>({1}, {1})).initializer("mean", Tensor::of<float>({1}, {3}));
    norm.initializer("var", Tensor::of<float>({1}, {4}));
    norm.node("BatchNormalization", {"x", "scale", "bias", "mean", "var"}, {"y", "m", "v", "sm", "sv"},
              {attribute("is_test", is_test), attribute("epsilon", 0.0f)});
    const Graph graph = norm.import();
    CHECK(graph.updates.size() == (is_test ? 0 : 2));
    const Tensor y = interpret(graph, {{"x", Tensor::of<float>({2, 1}, {1, 5})}}).at("y");
    CHECK(y == Tensor::of<float>({2, 1}, {-1, 3}));  // the batch's mean is 3 and its variance 4, too
  }
}
