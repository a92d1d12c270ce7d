// Tensors of 8 and 4 bits in files.
#include <google/protobuf/util/message_differencer.h>

#include <catch2/catch.hpp>

#include "importer/export.h"
#include "runtime/ops/op.h"
#include "tests/importer/model_builder.h"
#include "tests/ops/interpret.h"

using namespace marvin;
using Catch::Matchers::Contains;

namespace {

// y = x times the weight that is stored as 4-bit words, three rows of them.
ModelBuilder model_of_words(const Tensor& words) {
  ModelBuilder model(21, 10);
  model.input("x", {1, 3}, DType::f32).initializer("words", words);
  model.initializer("scale", Tensor::of<float>({}, {0.5f}));
  model.node("DequantizeLinear", {"words", "scale"}, {"w"}).node("MatMul", {"x", "w"}, {"y"}).output("y");
  return model;
}

Tensor words_of_int4() {
  Tensor words(Type{DType::i4, {3, 1}});
  for (int i = 0; i < 3; ++i) words.as<Int4>()[static_cast<size_t>(i)] = Int4(static_cast<float>(3 * i - 7));
  return words;
}

}  // namespace

TEST_CASE("two 4-bit words share a byte of a file, the first in its lower half") {
  const ModelBuilder model = model_of_words(words_of_int4());
  const onnx::TensorProto& proto = model.model.graph().initializer(0);
  REQUIRE(proto.data_type() == 22);
  CHECK(proto.raw_data() == std::string("\xc9\x0f", 2));  // -7, -4 and -1
  CHECK(tensor_from(proto, {}) == words_of_int4());
  onnx::TensorProto typed = proto;
  typed.clear_raw_data();
  typed.add_int32_data(0xc9);
  typed.add_int32_data(0x0f);
  CHECK(tensor_from(typed, {}) == words_of_int4());
  typed.add_int32_data(0);
  CHECK_THAT(error_of([&] { tensor_from(typed, {}); }), Contains("3 elements") && Contains("needs 2"));
}

TEST_CASE("small floats lie in files by their bits") {
  onnx::TensorProto proto;
  proto.set_data_type(17);
  proto.add_dims(2);
  for (const int bits : {0x38, 0xfe}) proto.add_int32_data(bits);
  const Tensor wide = converted(tensor_from(proto, {}), DType::f32);
  CHECK(wide == Tensor::of<float>({2}, {1, -448}));
}

TEST_CASE("a model with 4-bit weights runs, and is exported as it came") {
  const ModelBuilder model = model_of_words(words_of_int4());
  const Tensor y = interpret(model.import(), {{"x", Tensor::of<float>({1, 3}, {1, 2, 3})}}).at("y");
  CHECK(y == Tensor::of<float>({1, 1}, {(-7 - 8 - 3) / 2.0f}));
  const TemporaryDirectory directory;
  export_trained(model.load(), {}, {.keep_training_mode = true}, directory / "out.onnx");
  CHECK(google::protobuf::util::MessageDifferencer::Equals(model.model, read_proto(directory / "out.onnx")));
}

TEST_CASE("scales that are powers of two are float32 in the graph") {
  ModelBuilder model(24, 13);
  Tensor scale(Type{DType::f8e8m0, {}});
  scale.as<Float8E8M0>()[0] = Float8E8M0(0.25f);
  model.input("x", {2}, DType::f32).initializer("scale", scale);
  model.node("QuantizeLinear", {"x", "scale"}, {"q"}, {attribute("output_dtype", int64_t{17})});
  model.node("DequantizeLinear", {"q", "scale"}, {"y"}, {attribute("output_dtype", int64_t{1})}).output("y");
  const Tensor y = interpret(model.import(), {{"x", Tensor::of<float>({2}, {1.06f, 1000})}}).at("y");
  CHECK(y == Tensor::of<float>({2}, {1, 112}));
}

TEST_CASE("an output that is declared as powers of two comes out as these") {
  ModelBuilder model(24, 13);
  model.input("x", {2}).node("Cast", {"x"}, {"y"}, {attribute("to", onnx_number_of(DType::f8e8m0))});
  ModelBuilder::describe(*model.graph().add_output(), "y", {2}, DType::f8e8m0);
  const Tensor y = interpret(model.import(), {{"x", Tensor::of<float>({2}, {0.25f, 8})}}).at("y");
  CHECK(y.type().dtype == DType::f8e8m0);
  CHECK(converted(y, DType::f32) == Tensor::of<float>({2}, {0.25f, 8}));
}
