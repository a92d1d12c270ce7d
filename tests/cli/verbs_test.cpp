#include <catch2/catch.hpp>

#include "passes/pipeline.h"
#include "runtime/ops/op.h"
#include "tests/cli/command.h"
#include "tests/importer/model_builder.h"

namespace marvin {
namespace {

using nlohmann::json;

// ---- Protobuf's wire format, as far as small models need it ---------------------------------------------------------

std::string varint(uint64_t number) {
  std::string bytes;
  for (; number >= 128; number >>= 7) bytes += static_cast<char>(number | 128);
  return bytes + static_cast<char>(number);
}
std::string field(int number, uint64_t value) { return varint(static_cast<uint64_t>(number) << 3) + varint(value); }
std::string field(int number, const std::string& bytes) {
  return varint(static_cast<uint64_t>(number) << 3 | 2) + varint(bytes.size()) + bytes;
}

constexpr uint64_t kFloat = 1, kString = 8;

std::string tensor_proto(const Tensor& tensor) {
  std::string proto;
  for (const int64_t extent : tensor.type().shape) proto += field(1, static_cast<uint64_t>(extent));
  const auto* bytes = reinterpret_cast<const char*>(tensor.data());
  return proto + field(2, kFloat) + field(9, std::string(bytes, static_cast<size_t>(tensor.type().bytes())));
}

// y = op(x) for x of three elements.
std::string unary_model(const std::string& op, uint64_t element_type) {
  const std::string shape = field(1, field(1, uint64_t{3}));
  const std::string type = field(1, field(1, element_type) + field(2, shape));
  const auto value = [&](const std::string& name) { return field(1, name) + field(2, type); };
  const std::string node = field(1, std::string("x")) + field(2, std::string("y")) + field(4, op);
  const std::string graph = field(1, node) + field(2, std::string("g")) + field(11, value("x")) + field(12, value("y"));
  return field(1, uint64_t{8}) + field(7, graph) + field(8, field(2, uint64_t{13}));
}

// ---- run ------------------------------------------------------------------------------------------------------------

TEST_CASE("run computes a model's outputs from arrays, whatever the batch") {
  const TemporaryDirectory directory;
  const std::string inputs = directory / "x.npz", outputs = directory / "y.npz";
  Tensor images(Type{DType::f32, {3, 1, 28, 28}});
  images.as<float>()[5] = 1;
  write_npz(inputs, std::vector<NamedArray>{{"input", std::move(images)}});
  const Outcome outcome =
      run_marvin({"run", model_path("mlp.onnx"), "--inputs", inputs, "--outputs", outputs, "--json"});
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK(outcome.json().at("outputs")[0] == json({{"name", "logits"}, {"type", "f32[3,10]"}}));
  const std::vector<NamedArray> arrays = read_npz(outputs);
  REQUIRE(arrays.size() == 1);
  CHECK(arrays[0].name == "logits");
  const std::span<const float> logits = arrays[0].values.as<float>();
  CHECK(logits[0] != logits[10]);  // the first image differs from the others
  CHECK(logits[10] == logits[20]);
}

// Runs y = x on the array; the outcome, and y where there is one.
struct IdentityRun {
  Outcome outcome;
  Tensor y;
};
IdentityRun run_identity(DType dtype, const Tensor& x, int64_t opset = 17) {
  const TemporaryDirectory directory;
  const std::string model = directory / "m.onnx", inputs = directory / "x.npz", outputs = directory / "y.npz";
  ModelBuilder builder(opset, 10);
  builder.input("x", {3}, dtype).node("Identity", {"x"}, {"y"});
  ModelBuilder::describe(*builder.graph().add_output(), "y", {3}, dtype);
  write_file(model, builder.model.SerializeAsString());
  write_npz(inputs, std::vector<NamedArray>{{"x", x}, {"labels", Tensor::of<int64_t>({3}, {0, 1, 2})}});
  IdentityRun result{run_marvin({"run", model, "--inputs", inputs, "--outputs", outputs}), {}};
  if (result.outcome.code == 0) result.y = read_npz(outputs).at(0).values;
  return result;
}

TEST_CASE("run writes what numpy has no type for as it is read, and a labels array may be there") {
  const Tensor bf16 = Tensor::of<uint16_t>({3}, {0x3f80, 0xc000, 0x7fc0});
  CHECK(run_identity(DType::bf16, bf16).y == bf16);
  CHECK(run_identity(DType::bf16, Tensor::of<float>({3}, {1, -2, NAN})).y == bf16);
  const Tensor bytes = Tensor::of<uint8_t>({3}, {0, 1, 15});
  for (const DType dtype :
       {DType::f8e4m3fn, DType::f8e4m3fnuz, DType::f8e5m2, DType::f8e5m2fnuz, DType::f4e2m1, DType::u4})
    CHECK(run_identity(dtype, bytes, 23).y == bytes);
  const Tensor i4 = Tensor::of<int8_t>({3}, {-8, 0, 7});
  CHECK(run_identity(DType::i4, i4, 23).y == i4);
  CHECK(run_identity(DType::i4, Tensor::of<uint8_t>({3}, {0xf8, 0, 7}), 23).y == i4);
}

TEST_CASE("run takes 16-bit and float32 arrays for 16-bit and float32 inputs") {
  Tensor f16(Type{DType::f16, {3}});
  const float numbers[] = {0.5f, -2, 1.0f / 3};
  for (size_t i = 0; i < 3; ++i) f16.as<Float16>()[i] = Float16(numbers[i]);
  CHECK(run_identity(DType::f16, f16).y == f16);
  CHECK(run_identity(DType::f16, Tensor::of<float>({3}, numbers)).y == f16);
  CHECK(run_identity(DType::f32, f16).y == Tensor::of<float>({3}, {0.5f, -2, static_cast<float>(Float16(1.0f / 3))}));
}

TEST_CASE("a number that does not fit in four bits is an error that names array and number") {
  const IdentityRun i4 = run_identity(DType::i4, Tensor::of<int8_t>({3}, {0, -9, 7}), 23);
  CHECK(i4.outcome.code == 1);
  CHECK(i4.outcome.says("the array 'x' holds -9 at element 1, which does not fit in i4"));
  const IdentityRun u4 = run_identity(DType::u4, Tensor::of<uint8_t>({3}, {0, 9, 16}), 23);
  CHECK(u4.outcome.code == 1);
  CHECK(u4.outcome.says("the array 'x' holds 16 at element 2, which does not fit in u4"));
}

TEST_CASE("run does not overwrite what it reads, by no path") {
  const TemporaryDirectory directory;
  const std::string inputs = directory / "x.npz";
  write_npz(inputs, std::vector<NamedArray>{{"input", Tensor(Type{DType::f32, {1, 1, 28, 28}})}});
  const std::string before = file_content(inputs);
  std::filesystem::create_symlink(inputs, directory / "link.npz");
  for (const std::string& outputs : {inputs, directory.path() + "/./x.npz", directory / "link.npz"}) {
    const Outcome outcome = run_marvin({"run", model_path("mlp.onnx"), "--inputs", inputs, "--outputs", outputs});
    CAPTURE(outcome.err);
    CHECK(outcome.code == 1);
    CHECK(outcome.says("holds the inputs; give another name"));
  }
  CHECK(file_content(inputs) == before);
}

TEST_CASE("an output that a model lists twice is written once, and a model without outputs is an error") {
  const TemporaryDirectory directory;
  const std::string model = directory / "m.onnx", inputs = directory / "x.npz", outputs = directory / "y.npz";
  write_npz(inputs, std::vector<NamedArray>{{"x", Tensor(Type{DType::f32, {3}})}});
  ModelBuilder builder;
  builder.input("x", {3}).node("Relu", {"x"}, {"y"});
  write_file(model, builder.model.SerializeAsString());
  const std::vector<std::string> command = {"run", model, "--inputs", inputs, "--outputs", outputs};
  const Outcome none = run_marvin(command);
  CHECK(none.code == 1);
  CHECK(none.says("has no outputs"));
  builder.output("y").output("y");
  write_file(model, builder.model.SerializeAsString());
  const Outcome twice = run_marvin(command);
  CAPTURE(twice.err);
  CHECK(twice.code == 0);
  CHECK(read_npz(outputs).size() == 1);
}

TEST_CASE("control characters in names of a model reach no terminal and break no line") {
  const TemporaryDirectory directory;
  const std::string model = directory / "m.onnx";
  ModelBuilder builder;
  builder.input("x", {3}).node("No\nSuch\x1b[31mOp", {"x"}, {"y"}, {}, "a\nb\x1b]0;t").output("y");
  write_file(model, builder.model.SerializeAsString());
  for (const std::string verb : {"check", "inspect"}) {
    const Outcome outcome = run_marvin({verb, model});
    CAPTURE(outcome.out, outcome.err);
    CHECK(outcome.code == 1);
    CHECK(lines_of(outcome.err).size() == 1);
    CHECK((outcome.out + outcome.err).find('\x1b') == std::string::npos);
    CHECK((outcome.out + outcome.err).find("No\\nSuch\\x1b[31mOp") != std::string::npos);
  }
}

TEST_CASE("run says which array does not fit the model") {
  const TemporaryDirectory directory;
  const std::string inputs = directory / "x.npz", outputs = directory / "y.npz";
  const auto says = [&](NamedArray array, const std::string& text) {
    write_npz(inputs, std::vector<NamedArray>{std::move(array)});
    const Outcome outcome = run_marvin({"run", model_path("mlp.onnx"), "--inputs", inputs, "--outputs", outputs});
    CAPTURE(outcome.err);
    CHECK(outcome.code == 1);
    CHECK(outcome.says(text));
    CHECK_FALSE(std::filesystem::exists(outputs));
  };
  says({"inptu", Tensor(Type{DType::f32, {3, 1, 28, 28}})}, "Did you mean 'input'?");
  says({"input", Tensor(Type{DType::f64, {3, 1, 28, 28}})}, "'input' is f64[3,1,28,28]");
  says({"input", Tensor(Type{DType::f32, {3, 1, 28, 27}})}, "the model's input is f32[3,1,28,28]");
}

TEST_CASE("run --test-data tells equal from different and from not applicable") {
  const TemporaryDirectory directory;
  const std::string model = directory / "model.onnx", data = directory / "data";
  std::filesystem::create_directory(data);
  write_file(model, unary_model("Relu", kFloat));
  write_file(data + "/input_0.pb", tensor_proto(Tensor::of<float>({3}, {-1, 0, 2})));
  const auto run = [&] { return run_marvin({"run", model, "--test-data", data}); };

  write_file(data + "/output_0.pb", tensor_proto(Tensor::of<float>({3}, {0, 0, 2.001f})));
  CHECK(run().code == 0);
  write_file(data + "/output_0.pb", tensor_proto(Tensor::of<float>({3}, {0, 0, 2.01f})));
  const Outcome different = run();
  CHECK(different.code == 1);
  CHECK(different.says("at element 2"));
  write_file(data + "/output_0.pb", tensor_proto(Tensor::of<float>({2}, {0, 0})));
  CHECK(run().says("f32[2]"));
  write_file(data + "/output_0.pb", "not a tensor");
  CHECK(run().code == 1);
  std::filesystem::copy(data + "/input_0.pb", data + "/input_1.pb");
  CHECK(run().says("input_1.pb' is one input too many: the model has 1"));

  write_file(model, unary_model("Relu", kString));
  const Outcome foreign = run();
  CHECK(foreign.code == 3);
  CHECK(foreign.out.find("STRING") != std::string::npos);
  const Outcome as_json = run_marvin({"run", model, "--test-data", data, "--json"});
  CHECK(as_json.code == 3);
  CHECK(as_json.json().at("not_applicable").get<std::string>().find("STRING") != std::string::npos);
}

// ---- check and inspect ----------------------------------------------------------------------------------------------

TEST_CASE("check says of every node whether it runs, trains and quantizes") {
  const Outcome outcome = run_marvin({"check", model_path("mlp.onnx"), "--json"});
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  const json report = outcome.json();
  CHECK(report.at("runs") == true);
  CHECK(report.at("trains") == true);
  CHECK(report.at("parameters") == 235146);
  CHECK(report.at("quantized_products") == 3);
  for (const json& node : report.at("nodes")) {
    CAPTURE(node.dump());
    CHECK(node.at("runs") == "yes");
    if (node.at("op") == "Gemm") CHECK(node.at("quantizes") == "yes");
    if (node.at("op") == "Relu") CHECK(node.at("trains") == "yes");
  }
}

TEST_CASE("check names the ops that are not known and fails") {
  const TemporaryDirectory directory;
  const std::string model = directory / "model.onnx";
  write_file(model, unary_model("Frobnicate", kFloat));
  const Outcome outcome = run_marvin({"check", model});
  CHECK(outcome.code == 1);
  CHECK(outcome.out.find("Frobnicate") != std::string::npos);
  CHECK(outcome.says("Frobnicate"));
}

// y = op(x w1) w2
std::string between_products(const std::string& op, const std::string& path) {
  ModelBuilder model;
  model.input("x", {"n", 4}).initializer("w1", Tensor(Type{DType::f32, {4, 4}}));
  model.initializer("w2", Tensor(Type{DType::f32, {4, 3}})).node("MatMul", {"x", "w1"}, {"a"}, {}, "first");
  model.node(op, {"a"}, {"b"}, {}, "middle").node("MatMul", {"b", "w2"}, {"y"}, {}, "last").output("y");
  return write_file(path, model.model.SerializeAsString());
}

TEST_CASE("check says what no gradient passes, and which parameters therefore stay as they are") {
  const TemporaryDirectory directory;
  const Outcome outcome = run_marvin({"check", between_products("Round", directory / "model.onnx"), "--json"});
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  const json report = outcome.json();
  CHECK(report.at("parameters") == 12);
  CHECK(report.at("untrained") == json::array({"w1"}));
  CHECK(report.at("nodes")[1].at("trains") == "no");
  CHECK(report.at("nodes")[1].at("why").get<std::string>().find("no derivative passes Round") == 0);
  CHECK(report.at("nodes")[2].at("trains") == "yes");
}

TEST_CASE("check says of a node that gradients pass whichever of its outputs is used") {
  const TemporaryDirectory directory;
  const std::string path = directory / "model.onnx";
  ModelBuilder model;
  model.input("x", {1, "n", 4}).initializer("w", Tensor(Type{DType::f32, {1, 3, 4}}));
  model.initializer("r", Tensor(Type{DType::f32, {1, 3, 3}}));
  model.node("RNN", {"x", "w", "r"}, {"y", "y_h"}, {attribute("hidden_size", int64_t{3})}, "rnn").output("y_h");
  write_file(path, model.model.SerializeAsString());
  const Outcome outcome = run_marvin({"check", path, "--shape", "x=1,2,4", "--loss", "mse", "--json"});
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK(outcome.json().at("nodes")[0].at("trains") == "yes");
}

TEST_CASE("check says at which node a model cannot be read further, and why") {
  const TemporaryDirectory directory;
  const Outcome outcome = run_marvin({"check", between_products("NonZero", directory / "model.onnx"), "--json"});
  CHECK(outcome.code == 1);
  const json report = outcome.json();
  CHECK(report.at("nodes")[0].at("runs") == "yes");
  CHECK(report.at("nodes")[1].at("runs") == "no");
  CHECK(report.at("nodes")[1].at("why").get<std::string>().find("the output's shape depends on") == 0);
}

TEST_CASE("check says why a model without parameters cannot be trained") {
  const TemporaryDirectory directory;
  const std::string model = directory / "model.onnx";
  write_file(model, unary_model("Relu", kFloat));
  const Outcome outcome = run_marvin({"check", model, "--json"});
  CHECK(outcome.code == 0);
  CHECK(outcome.json().at("runs") == true);
  CHECK(outcome.json().at("trains") == false);
  CHECK(outcome.json().at("why_not").get<std::string>().find("no parameter") != std::string::npos);
}

TEST_CASE("inspect shows every stage of the compiler") {
  std::vector<std::string> stages = {"import", "plan_memory"};
  stages.insert(stages.begin() + 1, pass_names().begin(), pass_names().end());
  const auto place = [&](const std::string& stage) { return std::ranges::find(stages, stage); };
  for (const std::string& stage : stages) {
    CAPTURE(stage);
    const Outcome outcome = run_marvin({"inspect", model_path("mlp.onnx"), "--after", stage, "--batch-size", "4"});
    CAPTURE(outcome.err);
    CHECK(outcome.code == 0);
    CHECK(outcome.out.find("Gemm") != std::string::npos);
    CHECK((outcome.out.find("SoftmaxCrossEntropyLoss") != std::string::npos) == (place(stage) >= place("attach_loss")));
    CHECK((outcome.out.find("Quantize") != std::string::npos) == (place(stage) >= place("insert_quantization")));
  }
}

TEST_CASE("inspect shows what a model that cannot be trained has come to") {
  const TemporaryDirectory directory;
  const std::string model = directory / "model.onnx";
  write_file(model, unary_model("Relu", kFloat));
  CHECK(run_marvin({"inspect", model, "--after", "attach_loss", "--loss", "mse"}).code == 0);
  const Outcome outcome = run_marvin({"inspect", model, "--after", "differentiate", "--loss", "mse"});
  CHECK(outcome.code == 1);
  CHECK(outcome.says("nothing to train"));
}

TEST_CASE("the text that inspect prints parses back") {
  const Outcome outcome = run_marvin({"inspect", model_path("mlp.onnx"), "--after", "append_optimizer"});
  REQUIRE(outcome.code == 0);
  CHECK(to_text(from_text(outcome.out)) == outcome.out);
}

TEST_CASE("inspect shows how long every stage took") {
  std::vector<std::string> stages = {"import", "plan_memory"};
  stages.insert(stages.begin() + 1, pass_names().begin(), pass_names().end());
  const auto shown = [](std::vector<std::string> more) {
    more.insert(more.begin(), {"inspect", model_path("mlp.onnx"), "--timings"});
    const Outcome outcome = run_marvin(more);
    CAPTURE(outcome.err);
    REQUIRE(outcome.code == 0);
    return outcome;
  };
  std::vector<std::string> names;
  const json all = shown({"--json", "--quiet"}).json();
  for (const json& row : all.at("timings")) {
    names.push_back(row.at("stage"));
    CHECK(row.at("ms").get<double>() >= 0);
  }
  CHECK(names == stages);
  CHECK(shown({"--json", "--after", "attach_loss"}).json().at("timings").size() == 6);
  const std::vector<std::string> table = lines_of(shown({}).out);
  REQUIRE(table.size() == stages.size() + 2);
  for (size_t i = 0; i < stages.size(); ++i) CHECK(table[i + 2].starts_with(stages[i]));
  CHECK(shown({"--quiet"}).out.empty());
}

TEST_CASE("inspect writes pictures and data") {
  const TemporaryDirectory directory;
  const auto inspect = [&](const std::string& format) {
    const std::string path = directory / ("graph." + format);
    const Outcome outcome = run_marvin(
        {"inspect", model_path("mlp.onnx"), "--after", "insert_quantization", "--format", format, "--output", path});
    CAPTURE(format, outcome.err);
    CHECK(outcome.code == 0);
    return file_content(path);
  };
  const json graph = json::parse(inspect("json"));
  CHECK(graph.at("slots")[0].at("wl") == 8);
  CHECK(graph.at("loss") == "loss");
  CHECK(inspect("dot").find("<8,") != std::string::npos);
  CHECK(inspect("onnx").find("Quantize") != std::string::npos);
}

TEST_CASE("a picture without Graphviz is an error that says how to get it") {
  const char* path = getenv("PATH");
  const std::string before = path ? path : "";
  setenv("PATH", "/nonexistent", 1);
  const Outcome outcome = run_marvin({"inspect", model_path("mlp.onnx"), "--format", "svg"});
  setenv("PATH", before.c_str(), 1);
  CHECK(outcome.code == 1);
  CHECK(outcome.says("graphviz"));
}

// ---- export ---------------------------------------------------------------------------------------------------------

TEST_CASE("export writes what a run learnt as float, fixed point and training graph") {
  const TemporaryDirectory directory;
  const std::string data = directory / "bands.npz", run = directory / "run";
  write_bands(data, 40);
  REQUIRE(run_marvin({"train", model_path("mlp.onnx"), "--data", data, "--out", run, "--steps", "2", "--batch-size",
                      "20", "--quiet"})
              .code == 0);
  const auto exported = [&](const std::string& format, const std::vector<std::string>& more) {
    const std::string path = directory / (format + ".onnx");
    std::vector<std::string> arguments = {"export", run, "--format", format, "--output", path, "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome outcome = run_marvin(arguments);
    CAPTURE(format, outcome.err);
    REQUIRE(outcome.code == 0);
    CHECK(outcome.json().at("bytes") == file_content(path).size());
    return outcome.json();
  };
  const json in_float = exported("float", {"--verify", data});
  const json fixed_point = exported("qdq", {"--verify", data});
  CHECK(in_float.at("verify").at("float32") == fixed_point.at("verify").at("float32"));
  CHECK(fixed_point.at("verify").at("fixed_point").at("loss") != fixed_point.at("verify").at("float32").at("loss"));
  CHECK(file_content(directory / "qdq.onnx").find("DequantizeLinear") != std::string::npos);
  exported("training", {"--batch-size", "20"});
  CHECK(file_content(directory / "training.onnx").find("QuantizeLinear") == std::string::npos);
  CHECK(file_content(directory / "training.onnx").find("Quantize") != std::string::npos);
}

}  // namespace
}  // namespace marvin
