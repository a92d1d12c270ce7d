#include <algorithm>
#include <catch2/catch.hpp>

#include "runtime/ops/op.h"
#include "tests/importer/model_builder.h"

using namespace marvin;
using Catch::Matchers::Contains;

namespace {

const ImportOptions kBatch4 = {.batch = 4};

std::string import_error(const ModelBuilder& model, const ImportOptions& options = {}) {
  return error_of([&] { model.import(options); });
}

ValueKind kind(const Graph& graph, const std::string& name) { return graph[graph.find(name)].kind; }
Type type(const Graph& graph, const std::string& name) { return graph.type_of(graph.find(name)); }

ModelBuilder perceptron(int64_t opset = 17) {
  ModelBuilder model(opset);
  model.input("x", {"batch", 3}).initializer("w", Tensor(Type{DType::f32, {3, 2}}));
  model.initializer("b", Tensor::of<float>({2}, {1, 2}));
  model.node("Gemm", {"x", "w", "b"}, {"y"}, {}, "fc").output("y");
  return model;
}

}  // namespace

TEST_CASE("a model becomes a graph with the same names") {
  const Graph graph = perceptron().import(kBatch4);
  CHECK(graph.name == "test");
  REQUIRE(graph.inputs.size() == 1);
  CHECK(graph[graph.inputs[0]].name == "x");
  CHECK(type(graph, "x") == Type{DType::f32, {4, 3}});
  CHECK(kind(graph, "w") == ValueKind::parameter);
  CHECK(*graph[graph.find("b")].data == Tensor::of<float>({2}, {1, 2}));
  REQUIRE(graph.outputs.size() == 1);
  CHECK(graph[graph.outputs[0]].name == "y");
  CHECK(type(graph, "y") == Type{DType::f32, {4, 2}});
  CHECK(graph[graph[graph.outputs[0]].producer].name == "fc");
  CHECK_NOTHROW(verify_types(graph));
}

TEST_CASE("symbolic axes are bound by batch size and by name") {
  ModelBuilder model;
  model.input("x", {"n", "length"}).input("mask", {"length", "n"}).node("Relu", {"x"}, {"y"}).output("y");
  const Graph graph = model.import({.batch = 2, .dims = {{"length", 7}}});
  CHECK(type(graph, "x").shape == Shape{2, 7});
  CHECK(type(graph, "mask").shape == Shape{7, 2});

  ModelBuilder open;
  open.input("x", {"n", "length"}).node("Relu", {"x"}, {"y"}).output("y");
  CHECK_THAT(import_error(open), Contains("input 'x'") && Contains("axis 1 ('length')"));
  CHECK_THAT(import_error(open, {.dims = {{"lenght", 7}}}),
             Contains("no input of the model has an axis 'lenght'") && Contains("Did you mean 'length'?"));
  CHECK(type(open.import({.batch = 3, .dims = {{"n", 5}, {"length", 1}}}), "y").shape == Shape{5, 1});
  CHECK_THAT(import_error(perceptron(), {.batch = -1}), Contains("batch size"));
}

TEST_CASE("a batch that the file fixes is rebound, in shapes that begin with it too") {
  ModelBuilder model;
  model.input("x", {2, 3, 4}).input("y", {2, 12}).input("w", {3, 12});
  model.constant("rows", Tensor::of<int64_t>({2}, {2, -1})).node("Reshape", {"x", "rows"}, {"flat"});
  model.node("Add", {"flat", "y"}, {"sum"}).node("Gemm", {"sum", "w"}, {"z"}, {attribute("transB", int64_t{1})});
  ModelBuilder::describe(*model.graph().add_output(), "z", {2, 3}, DType::f32);
  CHECK(type(model.import(), "z").shape == Shape{2, 3});
  CHECK(type(model.import({.batch = 2}), "z").shape == Shape{2, 3});
  const Graph graph = model.import({.batch = 5});
  CHECK(type(graph, "flat").shape == Shape{5, 12});
  CHECK(type(graph, "w").shape == Shape{3, 12});
  CHECK(type(graph, "z").shape == Shape{5, 3});
}

TEST_CASE("a batch that is written into the model is refused where another one is wanted") {
  ModelBuilder model;
  model.input("x", {1, 3}).constant("row", Tensor::of<int64_t>({2}, {3, 1})).node("Reshape", {"x", "row"}, {"y"});
  model.output("y");
  CHECK_THAT(import_error(model, {.batch = 4}),
             Contains("with a batch of 4 where the file fixes 1: importing the node of 'y' (Reshape") &&
                 Contains("use --batch-size 1, or export the model with dynamic axes"));

  ModelBuilder nothing;
  nothing.input("x", {1, 3}).constant("row", Tensor::of<int64_t>({1}, {1})).node("Reshape", {"", "row"}, {"y"});
  CHECK_THAT(import_error(nothing.output("y"), {.batch = 4}), Contains("operand 0 is missing"));

  ModelBuilder first;
  first.input("x", {1, 3}).constant("zero", Tensor::of<int64_t>({1}, {0})).node("Gather", {"x", "zero"}, {"y"});
  ModelBuilder::describe(*first.graph().add_output(), "y", {1, 3}, DType::f32);
  CHECK_THAT(import_error(first, {.batch = 4}), Contains("the output 'y' would be f32[1,3]"));
}

TEST_CASE("inputs with known values are constants, and shapes may depend on them") {
  ModelBuilder model;
  model.input("x", {2, 3}).input("shape", {"rank"}, DType::i64).node("Reshape", {"x", "shape"}, {"y"}).output("y");
  CHECK_THAT(import_error(model), Contains("(Reshape, opset 17)"));
  const Graph graph = model.import({.values = {{"shape", Tensor::of<int64_t>({3}, {3, 1, 2})}}});
  CHECK(graph.inputs.size() == 1);
  CHECK(type(graph, "y").shape == Shape{3, 1, 2});
  CHECK_THAT(import_error(model, {.values = {{"shape", Tensor::of<int32_t>({1}, {6})}}}),
             Contains("input 'shape'") && Contains("i32[1]"));
  CHECK_THAT(import_error(model, {.values = {{"x", Tensor::of<float>({1, 3}, {1, 2, 3})}}}), Contains("f32[1,3]"));
}

TEST_CASE("an input without shape, tensor or known element type is refused by name") {
  ModelBuilder model = perceptron();
  onnx::TypeProto& input = *model.graph().mutable_input(0)->mutable_type();
  input.mutable_tensor_type()->set_elem_type(onnx::TensorProto::STRING);
  CHECK_THAT(import_error(model), Contains("input 'x': the element type STRING"));
  input.mutable_tensor_type()->set_elem_type(std::numeric_limits<int32_t>::min());
  CHECK_THAT(import_error(model), Contains("input 'x': the element type number -2147483648"));
  input.mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
  input.mutable_tensor_type()->clear_shape();
  CHECK_THAT(import_error(model), Contains("input 'x': has no shape"));
  input.mutable_sequence_type();
  CHECK_THAT(import_error(model), Contains("input 'x': is not a tensor"));
}

TEST_CASE("initializers that are also listed as inputs are not inputs") {
  ModelBuilder model = perceptron(9);
  model.input("w", {3, 2});
  CHECK(model.import(kBatch4).inputs.size() == 1);
}

TEST_CASE("floating-point initializers are parameters unless they are scalars or settings") {
  ModelBuilder model;
  model.input("x", {1, 3}).initializer("scale", Tensor::of<float>({3}, {1, 2, 3}));
  model.initializer("eps", Tensor::scalar(1e-5f)).initializer("one", Tensor::of<float>({1}, {1}));
  model.initializer("shape", Tensor::of<int64_t>({2}, {3, 1})).initializer("low", Tensor::of<float>({1}, {0}));
  model.node("Mul", {"x", "scale"}, {"a"}).node("Add", {"a", "eps"}, {"b"}).node("Mul", {"b", "one"}, {"c"});
  model.node("Clip", {"c", "low"}, {"d"}).node("Reshape", {"d", "shape"}, {"y"}).output("y");
  model.graph().mutable_initializer(4)->clear_dims();
  const Graph graph = model.import();
  CHECK(kind(graph, "scale") == ValueKind::parameter);
  CHECK(kind(graph, "one") == ValueKind::parameter);
  CHECK(kind(graph, "eps") == ValueKind::constant);
  CHECK(kind(graph, "low") == ValueKind::constant);
  CHECK(kind(graph, "shape") == ValueKind::constant);
}

TEST_CASE("weights in Constant nodes are parameters, other Constant nodes are constants of every form") {
  ModelBuilder model;
  model.input("x", {1, 3}).constant("w", Tensor::of<float>({3, 1}, {1, 2, 3}));
  model.constant("offset", Tensor::of<float>({1}, {1}));
  model.node("Constant", {}, {"f"}, {attribute("value_float", 2.0f)});
  model.node("Constant", {}, {"fs"}, {attribute("value_floats", std::vector<float>{1, 2})});
  model.node("Constant", {}, {"i"}, {attribute("value_int", int64_t{7})});
  model.node("Constant", {}, {"is"}, {attribute("value_ints", std::vector<int64_t>{1, 1})});
  model.node("MatMul", {"x", "w"}, {"a"}).node("Add", {"a", "offset"}, {"b"}).node("Mul", {"b", "f"}, {"c"});
  model.node("Reshape", {"c", "is"}, {"y"}).output("y");
  const Graph graph = model.import();
  CHECK(kind(graph, "w") == ValueKind::parameter);
  CHECK(kind(graph, "offset") == ValueKind::constant);
  CHECK(*graph[graph.find("f")].data == Tensor::scalar(2.0f));
  CHECK(*graph[graph.find("fs")].data == Tensor::of<float>({2}, {1, 2}));
  CHECK(*graph[graph.find("i")].data == Tensor::scalar<int64_t>(7));
  CHECK(*graph[graph.find("is")].data == Tensor::of<int64_t>({2}, {1, 1}));

  ModelBuilder without;
  without.node("Constant", {}, {"c"}).output("c");
  CHECK_THAT(import_error(without), Contains("has no value"));
}

TEST_CASE("a normalisation's ones and zeros in Constant nodes are literals, other scales are weights") {
  ModelBuilder model;
  model.input("x", {2, 2, 3}).constant("ones", Tensor::of<float>({2}, {1, 1}));
  model.constant("zeros", Tensor::of<float>({2}, {0, 0})).constant("scale", Tensor::of<float>({2}, {1, 2}));
  model.node("InstanceNormalization", {"x", "ones", "zeros"}, {"a"});
  model.node("InstanceNormalization", {"a", "scale", "ones"}, {"y"}).output("y");
  const Graph graph = model.import();
  CHECK(kind(graph, "zeros") == ValueKind::constant);
  CHECK(kind(graph, "scale") == ValueKind::parameter);
  CHECK(kind(graph, "ones") == ValueKind::parameter);  // which the second one adds

  ModelBuilder plain;
  plain.input("x", {2, 2, 3}).constant("ones", Tensor::of<float>({2}, {1, 1}));
  plain.constant("zeros", Tensor::of<float>({2}, {0, 0})).node("InstanceNormalization", {"x", "ones", "zeros"}, {"y"});
  CHECK(kind(plain.output("y").import(), "ones") == ValueKind::constant);
}

TEST_CASE("shape arithmetic of exporters is folded") {
  ModelBuilder model;
  model.input("x", {"batch", 2, 3}).node("Shape", {"x"}, {"shape"});
  model.constant("zero", Tensor::scalar<int64_t>(0)).node("Gather", {"shape", "zero"}, {"n"});
  model.constant("axes", Tensor::of<int64_t>({1}, {0})).node("Unsqueeze", {"n", "axes"}, {"n1"});
  model.constant("rest", Tensor::of<int64_t>({1}, {-1}));
  model.node("Concat", {"n1", "rest"}, {"to"}, {attribute("axis", int64_t{0})});
  model.node("Reshape", {"x", "to"}, {"y"}).output("y");
  const Graph graph = model.import(kBatch4);
  CHECK(type(graph, "y").shape == Shape{4, 6});
  CHECK(*graph[graph.find("to")].data == Tensor::of<int64_t>({2}, {4, -1}));
  CHECK(live_nodes(graph).size() == 1);
}

TEST_CASE("outputs may be inputs and initializers") {
  ModelBuilder model = perceptron();
  model.output("x").output("w");
  const Graph graph = model.import(kBatch4);
  CHECK(graph.outputs == std::vector<ValueId>{graph.find("y"), graph.find("x"), graph.find("w")});
}

TEST_CASE("nodes in any order are sorted") {
  ModelBuilder model;
  model.input("x", {2}).node("Relu", {"b"}, {"y"}).node("Relu", {"a"}, {"b"}).node("Relu", {"x"}, {"a"}).output("y");
  CHECK(live_nodes(model.import()).size() == 3);
  ModelBuilder chain;
  chain.input("v0", {2}).output("v20000");
  for (int i = 20000; i > 0; --i) chain.node("Relu", {cat("v", i - 1)}, {cat("v", i)});
  CHECK(live_nodes(chain.import()).size() == 20000);
}

TEST_CASE("broken wiring is told by node and value") {
  ModelBuilder dangling;
  dangling.input("x", {2}).node("Relu", {"z"}, {"y"}, {}, "act").output("y");
  CHECK_THAT(import_error(dangling), Contains("node 'act' (Relu) reads 'z', which nothing produces"));
  ModelBuilder output;
  output.input("x", {2}).output("y");
  CHECK_THAT(import_error(output), Contains("the output 'y'"));
  ModelBuilder cycle;
  cycle.input("x", {2}).node("Add", {"x", "b"}, {"a"}).node("Relu", {"a"}, {"b"}).output("b");
  CHECK_THAT(import_error(cycle), Contains("the node of 'a' (Add) reads what it produces"));
  ModelBuilder twice;
  twice.input("x", {2}).node("Relu", {"x"}, {"y"}).node("Relu", {"x"}, {"y"}).output("y");
  CHECK_THAT(import_error(twice), Contains("'y' is given to two values"));
}

TEST_CASE("unknown ops are counted, and the nearest known op is suggested") {
  ModelBuilder model;
  model.input("x", {2}).node("Rleu", {"x"}, {"a"}, {}, "act").node("Rleu", {"a"}, {"b"});
  model.node("Foo", {"b"}, {"y"}).output("y");
  const std::string error = import_error(model);
  CHECK_THAT(error, Contains("the ops 'Rleu' (2 nodes) and 'Foo' (1 node) are not known"));
  CHECK_THAT(error, Contains("node 'act' (Rleu)") && Contains("Did you mean 'Relu'?"));
  ModelBuilder own;
  own.input("x", {2}).node("ReluGrad", {"x", "x"}, {"y"}).output("y");
  CHECK_THAT(import_error(own), Contains("the op 'ReluGrad' (1 node) is not known"));
}

TEST_CASE("nodes of other domains are refused by domain") {
  ModelBuilder model = perceptron();
  model.graph().mutable_node(0)->set_domain("com.example");
  CHECK_THAT(import_error(model), Contains("'com.example.Gemm'") && Contains("'com.example'"));
  model.graph().mutable_node(0)->set_domain("ai.onnx");
  CHECK(import_error(model).empty());
}

TEST_CASE("what an op refuses is told with node, op and opset") {
  ModelBuilder model(13);
  model.input("x", {2, 3}).initializer("w", Tensor(Type{DType::f32, {4, 2}}));
  model.node("Gemm", {"x", "w"}, {"y"}, {}, "fc").output("y");
  CHECK_THAT(import_error(model), Contains("importing node 'fc' (Gemm, opset 13): "));
  ModelBuilder attr(13);
  attr.input("x", {2}).node("Relu", {"x"}, {"y"}, {attribute("slope", 1.0f)}).output("y");
  CHECK_THAT(import_error(attr), Contains("importing the node of 'y' (Relu, opset 13): unknown attribute 'slope'"));
  ModelBuilder tensor;
  tensor.input("x", {2}).node("Relu", {"x"}, {"y"}, {attribute("t", Tensor::scalar(1.0f))}).output("y");
  CHECK_THAT(import_error(tensor), Contains("attribute 't' is a tensor"));
}

TEST_CASE("attributes and extents that would overflow or fill the memory are refused") {
  ModelBuilder transposed;
  transposed.input("x", {2, 3, 4, 5}).initializer("w", Tensor(Type{DType::f32, {3, 3, 3, 3}}));
  transposed.node("ConvTranspose", {"x", "w"}, {"y"}, {attribute("group", std::numeric_limits<int64_t>::max())});
  CHECK_THAT(import_error(transposed.output("y")), Contains("does not divide 3 channels"));
  ModelBuilder integers;
  integers.input("x", {1, 1, 2147483647, 3}, DType::u8).initializer("w", Tensor(Type{DType::u8, {1, 1, 2, 2}}));
  integers.node("ConvInteger", {"x", "w"}, {"y"}).output("y");
  CHECK_THAT(import_error(integers), Contains("2147483646 windows of 2 elements are too many"));
  ModelBuilder dropout(7);
  dropout.input("x", {4}, DType::u32).node("Dropout", {"x"}, {"y"}, {attribute("ratio", -7.0f)}).output("y");
  CHECK_THAT(import_error(dropout), Contains("-7 is no u32"));
  ModelBuilder equation;
  equation.input("x", {2, 2}).node("Einsum", {"x"}, {"y"}, {attribute("equation", int64_t{1})}).output("y");
  CHECK_THAT(import_error(equation), Contains("attribute 'equation' has the wrong type"));
}

TEST_CASE("a Gradient node gives zeros for what its y does not depend on") {
  ModelBuilder model;
  model.input("a", {2}).input("b", {2}).node("Mul", {"a", "a"}, {"y"}).node("Gradient", {"a", "b"}, {"da", "db"});
  model.last_node().set_domain("ai.onnx.preview.training");
  onnx::AttributeProto& xs = *model.last_node().add_attribute();
  xs.set_name("xs");
  xs.set_type(onnx::AttributeProto::STRINGS);
  xs.add_strings("a");
  xs.add_strings("b");
  onnx::AttributeProto& y = *model.last_node().add_attribute();
  y.set_name("y");
  y.set_type(onnx::AttributeProto::STRING);
  y.set_s("y");
  const Graph graph = model.output("da").output("db").import();
  CHECK(type(graph, "da") == Type{DType::f32, {2}});
  CHECK(*graph[graph.find("db")].data == Tensor::of<float>({2}, {0, 0}));
}

// ---- Training mode --------------------------------------------------------------------------------------------------

namespace {

ModelBuilder normalised(int64_t opset, const std::vector<std::string>& outputs,
                        const std::vector<onnx::AttributeProto>& attributes = {}) {
  ModelBuilder model(opset);
  model.input("x", {"batch", 2, 3, 3});
  for (const char* name : {"scale", "bias", "mean", "var"}) model.initializer(name, Tensor::of<float>({2}, {1, 1}));
  model.node("BatchNormalization", {"x", "scale", "bias", "mean", "var"}, outputs, attributes, "bn").output("y");
  return model;
}

int64_t training_mode(const Graph& graph) {
  return graph[graph[graph.find("y")].producer].attrs.integer("training_mode");
}

}  // namespace

TEST_CASE("BatchNormalization in training mode updates its running statistics") {
  for (const ModelBuilder& model :
       {normalised(17, {"y", "m", "v"}, {attribute("training_mode", int64_t{1})}),
        normalised(17, {"y"}, {attribute("training_mode", int64_t{1})}), normalised(9, {"y", "m", "v", "sm", "sv"})}) {
    const Graph graph = model.import(kBatch4);
    CHECK(training_mode(graph) == 1);
    REQUIRE(graph.updates.size() == 2);
    CHECK(graph.updates[0].state == graph.find("mean"));
    CHECK(graph.updates[1].state == graph.find("var"));
    const Node& node = graph[graph[graph.find("y")].producer];
    CHECK(graph.updates[0].next == node.outputs[1]);
    CHECK(graph.updates[1].next == node.outputs[2]);
    CHECK_NOTHROW(verify_types(graph));
  }
  CHECK(normalised(17, {"y"}, {attribute("training_mode", int64_t{1})}).import().find("mean.next").valid());
}

TEST_CASE("BatchNormalization in inference mode updates nothing") {
  for (const ModelBuilder& model : {normalised(17, {"y"}), normalised(9, {"y"})}) {
    const Graph graph = model.import(kBatch4);
    CHECK(training_mode(graph) == 0);
    CHECK(graph.updates.empty());
  }
}

TEST_CASE("inference form takes BatchNormalization out of training mode") {
  ModelBuilder model = normalised(17, {"y", "m", "v"}, {attribute("training_mode", int64_t{1})});
  model.output("m");
  const Graph graph = model.import({.form = ImportOptions::Form::inference});
  CHECK(training_mode(graph) == 0);
  CHECK(graph.updates.empty());
  CHECK(graph[graph[graph.find("m")].producer].inputs[0] == graph.find("mean"));
  CHECK_FALSE(graph.find("v").valid());
}

TEST_CASE("a BatchNormalization that is used twice moves its statistics twice") {
  ModelBuilder model = normalised(17, {"h"}, {attribute("training_mode", int64_t{1})});
  model.node("BatchNormalization", {"h", "scale", "bias", "mean", "var"}, {"y", "m2", "v2"},
             {attribute("training_mode", int64_t{1})});
  const Graph graph = model.import(kBatch4);
  REQUIRE(graph.updates.size() == 2);
  CHECK(graph.updates[0].next == graph.find("m2"));
  CHECK(graph[graph[graph.find("y")].producer].inputs[3] == graph.find("mean.next"));
  CHECK_NOTHROW(verify_types(graph));
}

TEST_CASE("statistics that have no equivalent are refused where they are read") {
  ModelBuilder model = normalised(9, {"y", "m", "v", "saved_mean", "saved_var"});
  model.output("saved_mean");
  CHECK_THAT(import_error(model), Contains("'saved_mean' is not supported"));
}

TEST_CASE("Dropout drops in training form alone") {
  ModelBuilder model;
  model.input("x", {8}).constant("ratio", Tensor::scalar(0.5f)).constant("training", Tensor::scalar(true));
  model.node("Dropout", {"x", "ratio", "training"}, {"y", "mask"}).node("Not", {"mask"}, {"kept"});
  model.output("y").output("kept");
  const Graph as_found = model.import();
  CHECK(as_found[as_found[as_found.find("y")].producer].inputs.size() == 3);
  const Graph inference = model.import({.form = ImportOptions::Form::inference});
  CHECK(inference[inference[inference.find("y")].producer].inputs.size() == 2);
  CHECK(type(inference, "kept") == Type{DType::boolean, {8}});
}
