// What export reaches in fixed point, what it says of the rest, and that such files compute what the model does.
#include "importer/export.h"
#include "passes/pipeline.h"
#include "passes/plan_memory.h"
#include "runtime/cli/run_model.h"
#include "runtime/exec/executor.h"
#include "tests/cli/workshop.h"
#include "tests/importer/model_builder.h"

namespace marvin {
namespace {

void set_format(ModelBuilder& model, const std::string& slot, const std::string& format) {
  onnx::StringStringEntryProto& entry = *model.model.add_metadata_props();
  entry.set_key("marvin.format." + slot);
  entry.set_value(format);
}

// y = `last` of (x w): x is in 3 bits of which 1 is a fraction, everything else too.
ModelBuilder two_products(const std::string& last, const std::vector<onnx::AttributeProto>& attributes) {
  ModelBuilder model;
  model.input("x", {"n", 2}).initializer("w", Tensor::of<float>({2, 2}, {0.3f, 1, -0.7f, 0.4f}));
  model.initializer("v", Tensor::of<float>({2, 2}, {0.3f, 0.9f, -0.6f, 0.4f}));
  model.node("MatMul", {"x", "w"}, {"h"}, {}, "first").node(last, {"h", "v"}, {"y"}, attributes, "last").output("y");
  for (const char* slot : {"x", "w", "h", "v"}) set_format(model, slot, "3,1");
  return model;
}

onnx::AttributeProto product_equation() {
  onnx::AttributeProto proto;
  proto.set_name("equation");
  proto.set_type(onnx::AttributeProto::STRING);
  proto.set_s("ij,jk->ik");
  return proto;
}

struct Files {
  Files() {
    Tensor x = Tensor::of<float>({4, 2}, {0.2f, -0.9f, 1.2f, 0.4f, -0.3f, 0.8f, 0.6f, 0.1f});
    Tensor labels = Tensor::of<float>({4, 2}, {0, 1, 1, 0, 0, 1, 1, 0});
    write_npz(data, std::vector<NamedArray>{{"x", std::move(x)}, {"labels", std::move(labels)}});
  }
  Outcome exported(const ModelBuilder& builder) const {
    write_file(model, builder.model.SerializeAsString());
    return run_marvin({"export", model, "--format", "qdq", "--output", qdq, "--verify", data, "--json"});
  }
  const TemporaryDirectory directory;
  const std::string model = directory / "model.onnx", qdq = directory / "qdq.onnx", data = directory / "data.npz";
};

// Four inputs, two layers, three classes: sums of four products, which float32 holds to the bit where the words of both
// operands have 24 bits together.
ModelBuilder classifier(int64_t opset) {
  ModelBuilder model(opset);
  model.input("x", {"n", 4})
      .initializer("w", Tensor::of<float>({4, 4}, {0.3f, -0.7f, 0.2f, 0.9f, -0.4f, 0.5f, 0.8f, -0.1f, 0.6f, 0.1f, -0.9f,
                                                   0.4f, -0.2f, 0.7f, 0.3f, -0.5f}));
  model.initializer(
      "v", Tensor::of<float>({4, 3}, {0.5f, -0.3f, 0.2f, 0.1f, 0.7f, -0.6f, -0.8f, 0.4f, 0.9f, 0.3f, -0.2f, 0.6f}));
  model.initializer("b", Tensor::of<float>({4}, {0.1f, -0.03f, 0.07f, 0.02f}));
  model.node("Gemm", {"x", "w", "b"}, {"h"}, {}, "first").node("Relu", {"h"}, {"r"});
  model.node("MatMul", {"r", "v"}, {"y"}, {}, "last").output("y");
  return model;
}

Tensor samples() {
  Tensor x(Type{DType::f32, {24, 4}});
  for (size_t i = 0; i < 96; ++i) x.as<float>()[i] = static_cast<float>((i * 37 % 101) / 31.0 - 1.6);
  return x;
}

// The outputs of a model whose slots are in `formats`.
Tensor output_in(const Formats& formats, const OnnxModel& model, const NamedArray& x) {
  PassRunner runner;
  const Graph graph = compile(import_for(model, {x}), {.formats = formats}, runner).graph;
  ParameterStore parameters;
  parameters.adopt(graph);
  Arena arena;
  Executor executor(std::make_shared<Plan>(plan_memory(graph)), parameters, arena);
  std::ranges::copy(x.values.as<float>(), executor.input<float>(0).begin());
  std::vector<FixedPoint> by_slot;
  for (const Slot& slot : executor.plan().slots) by_slot.push_back(formats.at(slot.name));
  executor.run({.formats = by_slot});
  return executor.output_tensor(0);
}

}  // namespace

TEST_CASE("what a model computes in fixed point, every form of file computes to the bit, of any word length") {
  const TemporaryDirectory directory;
  struct Case {
    int64_t opset;
    int8_t activations, weights;
  };
  for (const auto& [opset, activations, weights] : {Case{17, 4, 4},
                                                    {17, 6, 6},
                                                    {12, 8, 8},
                                                    {17, 12, 12},
                                                    {21, 12, 12},
                                                    {17, 16, 4},
                                                    {21, 4, 16},
                                                    {17, 20, 4},
                                                    {21, 4, 20}}) {
    CAPTURE(opset, int{activations}, int{weights});
    const OnnxModel model = classifier(opset).load();
    const Formats formats = {{"x", {activations, fitted_fl(activations, 1)}},
                             {"r", {activations, fitted_fl(activations, 1)}},
                             {"w", {weights, fitted_fl(weights, 1)}},
                             {"v", {weights, fitted_fl(weights, 0.5f)}}};
    const NamedArray x = {"x", samples()};
    const Tensor expected = output_in(formats, model, x);
    CHECK_FALSE(run_model(model, {x}, "")[0].values == expected);
    for (const QuantizerForm form : {QuantizerForm::qdq, QuantizerForm::qcdq, QuantizerForm::intquant}) {
      CAPTURE(static_cast<int>(form));
      export_fixed_point(model, form, {}, formats, {}, directory / "out.onnx");
      CHECK(run_model(OnnxModel::load(directory / "out.onnx"), {x}, "")[0].values == expected);
    }
  }
}

TEST_CASE("export --verify evaluates each form of fixed point as eval does the run") {
  const TemporaryDirectory directory;
  const std::string data = directory / "x.npz", run = directory / "run";
  Tensor labels(Type{DType::i64, {24}});
  for (size_t i = 0; i < 24; ++i) labels.as<int64_t>()[i] = static_cast<int64_t>(i % 3);
  write_npz(data, std::vector<NamedArray>{{"x", samples()}, {"labels", std::move(labels)}});
  const std::string model = write_file(directory / "model.onnx", classifier(17).model.SerializeAsString());
  REQUIRE(run_marvin({"train", model, "--data", data, "--out", run, "--steps", "6", "--batch-size", "8", "--lr", "0.1",
                      "--precision", "fixed:6", "--quiet"})
              .code == 0);
  const json evaluated = run_marvin({"eval", run + "/trained.onnx", "--data", data, "--json"}).json();
  for (const std::string format : {"qdq", "qcdq", "intquant"}) {
    const std::string file = directory / (format + ".onnx");
    const Outcome outcome =
        run_marvin({"export", run, "--format", format, "--output", file, "--verify", data, "--json"});
    CAPTURE(format, outcome.err);
    REQUIRE(outcome.code == 0);
    const json verified = outcome.json().at("verify");
    CHECK(verified.at("fixed_point").at("loss") == evaluated.at("loss"));
    CHECK(verified.at("float32").at("loss") != evaluated.at("loss"));
    CHECK(run_marvin({"export", file, "--format", format, "--output", model}).says("by its nodes already"));
  }
}

TEST_CASE("export --format qdq names the layers that stay in float32, and --verify evaluates the file's nodes") {
  const Files files;
  const Outcome outcome = files.exported(two_products("Einsum", {product_equation()}));
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK(outcome.json().at("in_float32") == json::parse(R"([{"name": "last", "op": "Einsum"}])"));
  onnx::ModelProto plain = read_proto(files.qdq);
  plain.clear_metadata_props();
  const std::string nodes_alone = files.directory / "plain.onnx";
  write_file(nodes_alone, plain.SerializeAsString());
  const auto loss_of = [&](const std::string& model) {
    return run_marvin({"eval", model, "--data", files.data, "--loss", "mse", "--json"}).json().at("loss");
  };
  const json verified = outcome.json().at("verify").at("fixed_point").at("loss");
  CHECK(verified == loss_of(nodes_alone));
  CHECK(verified == loss_of(files.qdq));
  CHECK(verified != loss_of(files.model));
  CHECK(run_marvin({"eval", files.qdq, "--data", files.data, "--precision", "float32"}).says("by its nodes"));
}

TEST_CASE("a file of plain products has nothing to name in float32, and computes what the model does") {
  const Files files;
  const Outcome outcome = files.exported(two_products("MatMul", {}));
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK(outcome.json().at("in_float32").empty());
  const json in_formats = run_marvin({"eval", files.model, "--data", files.data, "--json"}).json();
  CHECK(outcome.json().at("verify").at("fixed_point").at("loss") == in_formats.at("loss"));
  CHECK(run_marvin({"export", files.qdq, "--format", "qdq", "--output", files.model}).says("by its nodes already"));
}

TEST_CASE("export --format qdq of a model without a product that it reaches is an error") {
  const Files files;
  ModelBuilder model;
  model.input("x", {"n", 2}).initializer("v", Tensor::of<float>({2, 2}, {0.3f, 0.9f, -0.6f, 0.4f}));
  model.node("Einsum", {"x", "v"}, {"y"}, {product_equation()}).output("y");
  set_format(model, "x", "3,1");
  set_format(model, "v", "3,1");
  const Outcome outcome = files.exported(model);
  CHECK(outcome.code == 1);
  CHECK(outcome.says("y (Einsum)"));
  CHECK(outcome.says("--format float"));
  CHECK_FALSE(fs::exists(files.qdq));
}

TEST_CASE("a model whose weights are integers trains the rest, says so, and is not quantized twice") {
  const Files files;
  ModelBuilder model;
  model.input("x", {"n", 2}).initializer("w", Tensor::of<int8_t>({2, 2}, {40, -7, 12, 9}));
  model.initializer("s", Tensor::of<float>({}, {0.03125f})).initializer("b", Tensor::of<float>({2}, {0, 0}));
  model.node("DequantizeLinear", {"w", "s"}, {"real"}).node("Gemm", {"x", "real", "b"}, {"y"}).output("y");
  write_file(files.model, model.model.SerializeAsString());
  const std::string run = files.directory / "run";
  const Outcome trained = run_marvin({"train", files.model, "--data", files.data, "--out", run, "--steps", "1"});
  CAPTURE(trained.err);
  REQUIRE(trained.code == 0);
  CHECK(trained.out.find("DequantizeLinear reads the integers w: these stay as they are") != std::string::npos);
  const Outcome twice = run_marvin({"export", run, "--format", "qdq", "--output", files.qdq});
  CHECK(twice.code == 1);
  CHECK(twice.says("rounds by nodes of its own already (DequantizeLinear)"));
  CHECK(run_marvin({"export", run, "--format", "float", "--output", files.qdq}).code == 0);
}

TEST_CASE("export --format float refuses what marvin cannot read, and writes nothing") {
  const Files files;
  ModelBuilder model;
  model.input("x", {"n", 2}).node("Frobnicate", {"x"}, {"y"}).output("y");
  write_file(files.model, model.model.SerializeAsString());
  const Outcome outcome = run_marvin({"export", files.model, "--format", "float", "--output", files.qdq});
  CHECK(outcome.code == 1);
  CHECK(outcome.says("Frobnicate"));
  CHECK_FALSE(fs::exists(files.qdq));
}

TEST_CASE("export --format float takes shapes that a file leaves open from --shape, the data or the run") {
  const Files files;
  ModelBuilder model;
  model.input("x", {"n", "t"}).initializer("w", Tensor::of<float>({2, 2}, {40, -7, 12, 9}));
  model.node("MatMul", {"x", "w"}, {"y"}).output("y");
  write_file(files.model, model.model.SerializeAsString());
  const auto exported = [&](const std::string& source, const std::vector<std::string>& more) {
    std::vector<std::string> command = {"export", source, "--format", "float", "--output", files.qdq};
    command.insert(command.end(), more.begin(), more.end());
    return run_marvin(command);
  };
  CHECK(exported(files.model, {}).says("--shape"));
  CHECK(exported(files.model, {"--shape", "x=1,2"}).code == 0);
  CHECK(exported(files.model, {"--verify", files.data}).code == 0);
  const std::string run = files.directory / "run";
  REQUIRE(run_marvin({"train", files.model, "--data", files.data, "--out", run, "--steps", "1", "-q"}).code == 0);
  CHECK(exported(run, {}).code == 0);
}

TEST_CASE("check counts the products that training quantizes, those inside of branches too") {
  const Files files;
  ModelBuilder model;
  model.input("x", {"n", 2}).initializer("v", Tensor::of<float>({2, 2}, {0.3f, 0.9f, -0.6f, 0.4f}));
  model.initializer("zero", Tensor::scalar(0.0f));
  model.node("ReduceSum", {"x"}, {"s"}, {attribute("keepdims", int64_t{0})}).node("Greater", {"s", "zero"}, {"c"});
  onnx::GraphProto branch;
  branch.set_name("branch");
  onnx::NodeProto& product = *branch.add_node();
  product.set_op_type("MatMul");
  product.add_input("x");
  product.add_input("v");
  product.add_output("r");
  branch.add_output()->set_name("r");
  model.node("If", {"c"}, {"y"}, {attribute("then_branch", branch), attribute("else_branch", branch)}).output("y");
  write_file(files.model, model.model.SerializeAsString());
  const json report = run_marvin({"check", files.model, "--json"}).json();
  CHECK(report.at("quantized_products") == 2);
  CHECK(report.at("slots") == 2);
  CHECK(report.at("nodes")[2].at("quantizes") == "yes");
}

}  // namespace marvin
