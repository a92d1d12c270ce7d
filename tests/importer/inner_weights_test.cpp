// Weights that are in branches, bodies of loops and functions.
#include <catch2/catch.hpp>

#include "importer/export.h"
#include "tests/importer/model_builder.h"
#include "tests/ops/interpret.h"

using namespace marvin;

namespace {

using Names = std::vector<std::string>;

const Tensor kWeight = Tensor::of<float>({2, 2}, {1, 2, 3, 4});
const Tensor kLearnt = Tensor::of<float>({2, 2}, {0.5f, -1, 2, 1});

Names parameters_of(const Graph& graph) {
  Names names;
  for (const auto& [name, tensor] : weights_of(graph)) names.push_back(name);
  return names;
}

// The same model with kLearnt for this weight, through a file.
Graph exported(const ModelBuilder& model, const std::string& weight) {
  const TemporaryDirectory directory;
  export_trained(model.load(), {{weight, kLearnt}}, {}, directory / "out.onnx");
  return OnnxModel::load(directory / "out.onnx").import({});
}

// t = x w
ModelBuilder branch() { return ModelBuilder().initializer("w", kWeight).node("MatMul", {"x", "w"}, {"t"}).output("t"); }

// b = (a w), w a Constant.
onnx::FunctionProto product(const onnx::AttributeProto& value) {
  onnx::FunctionProto function;
  function.set_domain("local");
  function.set_name("F");
  function.add_input("a");
  function.add_output("b");
  *function.mutable_node() =
      ModelBuilder().node("Constant", {}, {"w"}, {value}).node("MatMul", {"a", "w"}, {"b"}).graph().node();
  return function;
}

ModelBuilder& call(ModelBuilder& model, const std::string& x, const std::string& y,
                   const std::vector<onnx::AttributeProto>& attributes = {}) {
  model.node("F", {x}, {y}, attributes).last_node().set_domain("local");
  return model;
}

}  // namespace

TEST_CASE("weights of branches are trained, each by itself, and go back to where they were") {
  ModelBuilder model;
  model.input("x", {1, 2}).constant("zero", Tensor::scalar(0.0f));
  model.node("ReduceSum", {"x"}, {"s"}, {attribute("keepdims", int64_t{0})}).node("Greater", {"s", "zero"}, {"c"});
  model.node("If", {"c"}, {"y"},
             {attribute("then_branch", branch().graph()), attribute("else_branch", branch().graph())});
  model.output("y");
  CHECK(parameters_of(model.import()) == Names{"y/else_branch/w", "y/then_branch/w"});
  const TensorMap weights = weights_of(exported(model, "y/then_branch/w"));
  CHECK(weights.at("y/then_branch/w") == kLearnt);
  CHECK(weights.at("y/else_branch/w") == kWeight);
}

TEST_CASE("all iterations of a loop share the weights of its body") {
  ModelBuilder body;
  body.input("i", {}, DType::i64).input("go_in", {}, DType::boolean).input("v", {1, 2}).initializer("w", kWeight);
  body.node("Identity", {"go_in"}, {"go"}).node("MatMul", {"v", "w"}, {"u"}).output("go").output("u");
  ModelBuilder model;
  model.input("x", {1, 2}).constant("trips", Tensor::scalar<int64_t>(2)).constant("yes", Tensor::scalar(true));
  model.node("Loop", {"trips", "yes", "x"}, {"y"}, {attribute("body", body.graph())}).output("y");
  CHECK(parameters_of(model.import()) == Names{"y/body/w"});
  const Values results = interpret(exported(model, "y/body/w"), {{"x", Tensor::of<float>({1, 2}, {1, 0})}});
  CHECK(results.at("y") == Tensor::of<float>({1, 2}, {-1.75f, -1.5f}));
}

TEST_CASE("all calls of a function share the weights in it") {
  ModelBuilder model;
  model.input("x", {1, 2});
  *model.model.add_functions() = product(attribute("value", kWeight));
  call(call(model, "x", "h"), "h", "y").output("y");
  CHECK(parameters_of(model.import()) == Names{"local.F/w"});
  CHECK(weights_of(exported(model, "local.F/w")).at("local.F/w") == kLearnt);
}

TEST_CASE("a Constant's list of floats is trained as its tensor would be") {
  ModelBuilder model;
  model.input("x", {2, 2}).initializer("w", Tensor::of<float>({2, 2}, {1, 2, 3, 4}));
  model.node("Constant", {}, {"b"}, {attribute("value_floats", std::vector<float>{5, 6})});
  model.node("Gemm", {"x", "w", "b"}, {"y"}).output("y");
  const Graph graph = model.load().import({});
  REQUIRE(graph[graph.find("b")].kind == ValueKind::parameter);
  CHECK(*graph[graph.find("b")].data == Tensor::of<float>({2}, {5, 6}));
  const TemporaryDirectory directory;
  export_trained(model.load(), {{"b", Tensor::of<float>({2}, {7, 8})}}, {}, directory / "out.onnx");
  const Graph trained = OnnxModel::load(directory / "out.onnx").import({});
  CHECK(*trained[trained.find("b")].data == Tensor::of<float>({2}, {7, 8}));
}

TEST_CASE("a tensor that a call gives to a function as an attribute is constant") {
  onnx::AttributeProto reference;
  reference.set_name("value");
  reference.set_ref_attr_name("weight");
  reference.set_type(onnx::AttributeProto::TENSOR);
  ModelBuilder model;
  model.input("x", {1, 2});
  *model.model.add_functions() = product(reference);
  call(model, "x", "y", {attribute("weight", kWeight)}).output("y");
  CHECK(parameters_of(model.import()).empty());
}
