// Models in 16-bit floats: computed and trained in float32, written as they came.
#include <google/protobuf/util/message_differencer.h>

#include <catch2/catch.hpp>
#include <cmath>

#include "importer/export.h"
#include "runtime/ops/op.h"
#include "tests/importer/model_builder.h"
#include "tests/ops/interpret.h"

using namespace marvin;
using Catch::Matchers::Contains;
using google::protobuf::util::MessageDifferencer;

namespace {

// The numbers in a 16-bit type.
Tensor in(DType half, const Shape& shape, const std::vector<float>& numbers) {
  Tensor tensor(Type{half, shape});
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (half == DType::f16) tensor.as<Float16>()[i] = Float16(numbers[i]);
    if (half == DType::bf16) tensor.as<BFloat16>()[i] = BFloat16(numbers[i]);
  }
  return tensor;
}

// y = x w + b, then times the weight `held` of a Constant node; b is in the typed field, as bits.
ModelBuilder model_in(DType half) {
  ModelBuilder model;
  model.input("x", {1, 2}, half).initializer("w", in(half, {2, 2}, {0.5f, -1, 3, 0.25f}));
  onnx::TensorProto& b = *model.graph().add_initializer();
  set_tensor(b, in(half, {2}, {}));
  b.clear_raw_data();
  b.set_name("b");
  for (const int bits : {0x3f80, 0x4000}) b.add_int32_data(bits);  // bfloat16: 1, 2; float16: 1.875, 2
  model.constant("held", in(half, {2, 1}, {2, 4}));
  model.node("Gemm", {"x", "w", "b"}, {"h"}).node("MatMul", {"h", "held"}, {"y"});
  ModelBuilder::describe(*model.graph().add_output(), "y", {1, 1}, half);
  return model;
}

onnx::ModelProto trained(const ModelBuilder& model, const TensorMap& weights) {
  const TemporaryDirectory directory;
  export_trained(model.load(), weights, {.keep_training_mode = true}, directory / "out.onnx");
  return read_proto(directory / "out.onnx");
}

constexpr DType kHalves[] = {DType::f16, DType::bf16};

}  // namespace

TEST_CASE("16-bit weights become float32 parameters of the same names and values") {
  for (const DType half : kHalves) {
    const TensorMap weights = weights_of(model_in(half).import());
    REQUIRE(weights.size() == 3);
    CHECK(weights.at("w") == Tensor::of<float>({2, 2}, {0.5f, -1, 3, 0.25f}));
    CHECK(weights.at("b") == Tensor::of<float>({2}, {half == DType::f16 ? 1.875f : 1, 2}));
    CHECK(weights.at("held") == Tensor::of<float>({2, 1}, {2, 4}));
  }
}

TEST_CASE("16-bit inputs and outputs stay what they are, and what is between is float32") {
  for (const DType half : kHalves) {
    const Graph graph = model_in(half).import();
    verify_types(graph);
    CHECK(graph.type_of(graph.inputs[0]) == Type{half, {1, 2}});
    CHECK(graph[graph.outputs[0]].name == "y");
    CHECK(graph.type_of(graph.outputs[0]) == Type{half, {1, 1}});
    CHECK(graph.type_of(graph.find("h")) == Type{DType::f32, {1, 2}});
    // (1, 2) w + b = (6.5, -0.5) + b
    const Tensor y = interpret(graph, {{"x", in(half, {1, 2}, {1, 2})}}).at("y");
    CHECK(y == in(half, {1, 1}, {half == DType::f16 ? 22.75f : 21}));
  }
}

TEST_CASE("a 16-bit model that is exported with the weights that it has is the same model") {
  for (const DType half : kHalves) {
    const ModelBuilder model = model_in(half);
    CHECK(MessageDifferencer::Equals(model.model, trained(model, weights_of(model.import()))));
    CHECK(MessageDifferencer::Equals(model.model, trained(model, {})));
  }
}

TEST_CASE("trained weights are rounded to the 16-bit type that came in, to nearest and half to even") {
  const auto out_of = [](DType half, float unit) {
    const TensorMap weights = {{"w", Tensor::of<float>({2, 2}, {1 + unit / 2, 1 + 1.5f * unit, 1e6f, -0x1p-30f})},
                               {"b", Tensor::of<float>({2}, {1 + 0.75f * unit, -3})},
                               {"held", Tensor::of<float>({2, 1}, {1.25f, NAN})}};
    const onnx::ModelProto out = trained(model_in(half), weights);
    const Tensor w = tensor_from(out.graph().initializer(0), {}), b = tensor_from(out.graph().initializer(1), {});
    CHECK(out.graph().initializer(0).name() == "w");
    CHECK(w.type() == Type{half, {2, 2}});
    CHECK(out.graph().initializer(1).raw_data().empty());
    CHECK(b == in(half, {2}, {1 + unit, -3}));
    const Tensor held = converted(tensor_from(out.graph().node(0).attribute(0).t(), {}), DType::f32);
    CHECK(held.as<float>()[0] == 1.25f);
    CHECK(std::isnan(held.as<float>()[1]));
    return converted(w, DType::f32);
  };
  CHECK(out_of(DType::f16, 0x1p-10f) == Tensor::of<float>({2, 2}, {1, 1 + 0x1p-9f, INFINITY, -0.0f}));
  CHECK(out_of(DType::bf16, 0x1p-7f) == Tensor::of<float>({2, 2}, {1, 1 + 0x1p-6f, 999424, -0x1p-30f}));
}

TEST_CASE("16-bit models are not exported in fixed point") {
  const Formats formats = {{"w", {8, 4}}};
  const TemporaryDirectory directory;
  for (const QuantizerForm form : {QuantizerForm::qdq, QuantizerForm::qcdq, QuantizerForm::intquant})
    CHECK_THAT(error_of([&] {
                 export_fixed_point(model_in(DType::f16).load(), form, {}, formats, {}, directory / "out.onnx");
               }),
               Contains("the weight 'w' is f16") && Contains("floating point"));
}

TEST_CASE("a weight of another shape or type does not replace a 16-bit one") {
  CHECK_THAT(error_of([] {
               trained(model_in(DType::f16), {{"b", Tensor::of<float>({3}, {1, 2, 3})}});
             }),
             Contains("the weight 'b'") && Contains("f16[2]") && Contains("f32[3]"));
  CHECK_THAT(error_of([] {
               trained(model_in(DType::f16), {{"b", Tensor::of<double>({2}, {1, 2})}});
             }),
             Contains("f64[2]"));
}
