#include <catch2/catch.hpp>
#include <random>

#include "runtime/ops/op.h"
#include "tests/importer/model_builder.h"

using namespace marvin;
using Catch::Matchers::Contains;

namespace {

ModelBuilder relu(int64_t opset = 17, int64_t ir_version = 8) {
  ModelBuilder model(opset, ir_version);
  model.input("x", {"batch", 3}).node("Relu", {"x"}, {"y"}).output("y");
  return model;
}

}  // namespace

TEST_CASE("loading says what is wrong with a file that is not a model") {
  const TemporaryDirectory directory;
  const auto load = [](const std::string& path) { return error_of([&] { OnnxModel::load(path); }); };
  CHECK_THAT(load(directory / "none.onnx"), Contains("none.onnx': No such file"));
  CHECK_THAT(load(directory / ""), Contains("is a directory"));
  CHECK_THAT(load(write_file(directory / "empty.onnx", "")), Contains("is empty"));
  CHECK_THAT(load(write_file(directory / "text.onnx", "hello, world")),
             Contains("is not an ONNX file, or is cut short"));
  CHECK_THAT(load("/dev/null"), Contains("is not a regular file"));

  ModelBuilder no_graph = relu();
  no_graph.model.clear_graph();
  CHECK_THAT(load(write_file(directory / "a.onnx", no_graph.model.SerializeAsString())), Contains("there is no graph"));
  const std::string bytes = relu().model.SerializeAsString();
  CHECK_THAT(load(write_file(directory / "cut.onnx", bytes.substr(0, bytes.size() - 3))), Contains("cut short"));
}

TEST_CASE("branches that are nested too deeply, and names with a NUL, are errors that say so") {
  const TemporaryDirectory directory;
  const auto error = [&](const onnx::ModelProto& model) {
    const std::string path = write_file(directory / "model.onnx", model.SerializeAsString());
    return error_of([&] { OnnxModel::load(path); });
  };
  ModelBuilder inner;
  inner.node("Relu", {"x"}, {"y"}).output("y");
  for (int i = 0; i < 60; ++i) {
    ModelBuilder outer;
    outer.input("x", {2}).node("If", {"c"}, {"y"}, {attribute("then_branch", inner.graph())}).output("y");
    inner = outer;
  }
  CHECK_THAT(error(inner.model), Contains("is nested too deeply: protobuf reads 100 messages"));

  ModelBuilder named;
  named.input("x", {2}).node("Relu", {"x"}, {std::string("a\0b", 3)}).output("y");
  CHECK_THAT(error(named.model), Contains("a name that begins with 'a' goes on behind a NUL character"));
}

TEST_CASE("a model over 2 GiB is refused before it is read") {
  const TemporaryDirectory directory;
  const std::string path = write_file(directory / "large.onnx", "x");
  std::filesystem::resize_file(path, int64_t{1} << 31);
  CHECK_THAT(error_of([&] { OnnxModel::load(path); }), Contains("over 2 GiB"));
}

TEST_CASE("opsets and IR versions outside the supported range are refused with the way out") {
  CHECK(relu(kMinOpset).load().opset() == kMinOpset);
  CHECK(relu(kMaxOpset).load().opset() == kMaxOpset);
  const std::string newer = error_of([] { relu(kMaxOpset + 1).load(); });
  CHECK_THAT(newer, Contains("opset 25") && Contains("1 to 24") && Contains("opset_version=17"));
  CHECK_THAT(error_of([] { relu(kMinOpset - 1).load(); }), Contains("opset 0"));
  CHECK_THAT(error_of([] { relu(17, 2).load(); }), Contains("IR version 2"));
  CHECK_THAT(error_of([] { relu(17, 99).load(); }), Contains("IR version 99"));
  CHECK(relu(17, 3).load().ir_version() == 3);

  ModelBuilder none = relu();
  none.model.mutable_opset_import(0)->set_domain("ai.onnx.ml");
  CHECK_THAT(error_of([&] { none.load(); }), Contains("does not say which opset"));
  none.model.mutable_opset_import(0)->set_domain("ai.onnx");
  CHECK(none.load().opset() == 17);
}

TEST_CASE("a model tells its inputs, outputs and metadata") {
  ModelBuilder builder = relu();
  builder.input("w", {2}).initializer("w", Tensor::of<float>({2}, {1, 2}));
  onnx::StringStringEntryProto& entry = *builder.model.add_metadata_props();
  entry.set_key("author");
  entry.set_value("me");
  const OnnxModel model = builder.load();
  CHECK(model.inputs() == std::vector<std::string>{"x"});
  CHECK(model.outputs() == std::vector<std::string>{"y"});
  CHECK(model.metadata("author") == "me");
  CHECK(model.metadata("nothing").empty());
  CHECK(model.metadata().size() == 1);
}

TEST_CASE("tensors come in from raw data and from typed fields, and go back into the same field") {
  const auto from = [](const onnx::TensorProto& proto) { return tensor_from(proto, {}); };
  onnx::TensorProto proto;
  proto.set_name("t");
  proto.add_dims(2);
  const auto typed = [&](onnx::TensorProto::DataType type) {
    proto.set_data_type(type);
    proto.clear_int32_data();
    proto.add_int32_data(1);
    proto.add_int32_data(-2);
    return from(proto);
  };
  CHECK(typed(onnx::TensorProto::INT32) == Tensor::of<int32_t>({2}, {1, -2}));
  CHECK(typed(onnx::TensorProto::INT16) == Tensor::of<int16_t>({2}, {1, -2}));
  CHECK(typed(onnx::TensorProto::INT8) == Tensor::of<int8_t>({2}, {1, -2}));
  CHECK(typed(onnx::TensorProto::UINT8) == Tensor::of<uint8_t>({2}, {1, 254}));
  CHECK(typed(onnx::TensorProto::BOOL) == Tensor::of<bool>({2}, {true, true}));
  proto.clear_int32_data();
  proto.set_data_type(onnx::TensorProto::FLOAT);
  proto.add_float_data(0.5f);
  proto.add_float_data(-1);
  CHECK(from(proto) == Tensor::of<float>({2}, {0.5f, -1}));
  overwrite(proto, Tensor::of<float>({2}, {3, 4}));
  CHECK(proto.raw_data().empty());
  CHECK(from(proto) == Tensor::of<float>({2}, {3, 4}));
  proto.clear_float_data();
  proto.set_data_type(onnx::TensorProto::DOUBLE);
  proto.add_double_data(0.25);
  proto.add_double_data(2);
  CHECK(from(proto) == Tensor::of<double>({2}, {0.25, 2}));
  proto.clear_double_data();
  proto.set_data_type(onnx::TensorProto::INT64);
  proto.add_int64_data(int64_t{1} << 40);
  proto.add_int64_data(-1);
  CHECK(from(proto) == Tensor::of<int64_t>({2}, {int64_t{1} << 40, -1}));
  proto.clear_int64_data();
  proto.set_data_type(onnx::TensorProto::BOOL);
  proto.set_raw_data(std::string("\x02\x00", 2));
  CHECK(from(proto) == Tensor::of<bool>({2}, {true, false}));
  overwrite(proto, Tensor::of<bool>({2}, {false, true}));
  CHECK(proto.raw_data() == std::string("\x00\x01", 2));
  CHECK_THAT(error_of([&] { overwrite(proto, Tensor::of<float>({2}, {3, 4})); }), Contains("bool[2] in the model"));
}

TEST_CASE("tensors whose data does not fit their shape are refused before memory is claimed") {
  onnx::TensorProto proto;
  proto.set_name("w");
  set_tensor(proto, Tensor::of<float>({2}, {1, 2}));
  const auto error = [&] { return error_of([&] { tensor_from(proto, {}); }); };
  proto.set_dims(0, int64_t{1} << 45);
  CHECK_THAT(error(), Contains("tensor 'w'") && Contains("has 8 bytes of data"));
  proto.add_dims(int64_t{1} << 45);
  CHECK_THAT(error(), Contains("absurdly large"));
  proto.set_dims(0, -1);
  CHECK_THAT(error(), Contains("negative"));
  proto.clear_raw_data();
  proto.clear_dims();
  proto.add_dims(3);
  CHECK_THAT(error(), Contains("has 0 elements"));
  proto.set_data_type(onnx::TensorProto::STRING);
  CHECK_THAT(error(), Contains("STRING is not supported"));
  proto.set_data_type(77);
  CHECK_THAT(error(), Contains("number 77"));
}

TEST_CASE("external data is read below the model's directory, by offset and length") {
  const TemporaryDirectory directory;
  const float numbers[] = {1, 2, 3, 4};
  write_file(directory / "w.bin", std::string(reinterpret_cast<const char*>(numbers), sizeof numbers));
  onnx::TensorProto proto;
  proto.set_name("w");
  proto.set_data_type(onnx::TensorProto::FLOAT);
  proto.add_dims(2);
  proto.set_data_location(onnx::TensorProto::EXTERNAL);
  const auto describe = [&](const std::vector<std::pair<std::string, std::string>>& entries) {
    proto.clear_external_data();
    for (const auto& [key, value] : entries) {
      onnx::StringStringEntryProto& entry = *proto.add_external_data();
      entry.set_key(key);
      entry.set_value(value);
    }
  };
  const auto error = [&] { return error_of([&] { tensor_from(proto, directory / ""); }); };
  describe({{"location", "w.bin"}});
  CHECK(tensor_from(proto, directory / "") == Tensor::of<float>({2}, {1, 2}));
  describe({{"location", "./w.bin"}, {"offset", "8"}, {"length", "8"}});
  CHECK(tensor_from(proto, directory / "") == Tensor::of<float>({2}, {3, 4}));
  describe({{"location", "w.bin"}, {"offset", "12"}});
  CHECK_THAT(error(), Contains("has 16 bytes, but 8 are needed from byte 12"));
  describe({{"location", "w.bin"}, {"length", "12"}});
  CHECK_THAT(error(), Contains("has 12 bytes of data"));
  describe({{"location", "w.bin"}, {"offset", "-4"}});
  CHECK_THAT(error(), Contains("offset '-4' is no size"));
  describe({{"location", "other.bin"}});
  CHECK_THAT(error(), Contains("there is no file"));
  CHECK_THAT(error_of([&] { tensor_from(proto, ""); }), Contains("there is no file 'other.bin'"));
  describe({});
  CHECK_THAT(error(), Contains("no location"));
  for (const std::string outside : {"../w.bin", "a/../../w.bin", "/etc/passwd"}) {
    describe({{"location", outside}});
    CHECK_THAT(error(), Contains("is not below the model's directory"));
  }
  std::filesystem::create_symlink("w.bin", directory / "inside");
  describe({{"location", "inside"}});
  CHECK(tensor_from(proto, directory / "") == Tensor::of<float>({2}, {1, 2}));
  const TemporaryDirectory elsewhere;
  std::filesystem::create_symlink(write_file(elsewhere / "w.bin", "12345678"), directory / "outside");
  describe({{"location", "outside"}});
  CHECK_THAT(error(), Contains("a link that leads out of the model's directory"));
}

TEST_CASE("malformed bytes are an error or a model, never anything else") {
  ModelBuilder builder;
  builder.input("x", {"batch", 2, 3})
      .initializer("w", Tensor::of<float>({6, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}));
  builder.node("Shape", {"x"}, {"shape"}).constant("minus", Tensor::of<int64_t>({1}, {-1}));
  builder.constant("zero", Tensor::scalar<int64_t>(0)).node("Gather", {"shape", "zero"}, {"n"});
  builder.constant("axes", Tensor::of<int64_t>({1}, {0})).node("Unsqueeze", {"n", "axes"}, {"n1"});
  builder.node("Concat", {"n1", "minus"}, {"to"}, {attribute("axis", int64_t{0})});
  builder.node("Reshape", {"x", "to"}, {"flat"}).node("Gemm", {"flat", "w"}, {"y"}, {attribute("alpha", 0.5f)});
  builder.node("Relu", {"y"}, {"z"}).output("z");
  const std::string whole = builder.model.SerializeAsString();

  const TemporaryDirectory directory;
  const auto survives = [&](const std::string& bytes) {
    return error_of([&] { OnnxModel::load(write_file(directory / "m.onnx", bytes)).import({.batch = 4}); });
  };
  REQUIRE(survives(whole).empty());
  int refused = 0;
  for (size_t size = 0; size < whole.size(); ++size) refused += !survives(whole.substr(0, size)).empty();
  CHECK(refused == static_cast<int>(whole.size()));
  std::mt19937 random(7);
  for (int i = 0; i < 3000; ++i) {
    std::string bytes = whole;
    for (int flips = 0; flips <= i % 4; ++flips) bytes[random() % bytes.size()] = static_cast<char>(random());
    refused += !survives(bytes).empty();
  }
  CHECK(refused > static_cast<int>(whole.size()));
}
