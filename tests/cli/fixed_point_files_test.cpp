// What export --format qdq reaches, what it says of the rest, and that eval takes such files as they stand.
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

}  // namespace

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
