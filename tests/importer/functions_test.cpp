// Functions of a model: written out where they are called.
#include <catch2/catch.hpp>

#include "runtime/ops/op.h"
#include "tests/importer/model_builder.h"
#include "tests/ops/interpret.h"

using namespace marvin;
using Catch::Matchers::Contains;

namespace {

using Names = std::vector<std::string>;

// The nodes and the opset of `body`.
onnx::FunctionProto& add_function(ModelBuilder& model, const std::string& name, const Names& inputs,
                                  const Names& outputs, const ModelBuilder& body) {
  onnx::FunctionProto& function = *model.model.add_functions();
  function.set_domain("local");
  function.set_name(name);
  for (const std::string& input : inputs) function.add_input(input);
  for (const std::string& output : outputs) function.add_output(output);
  *function.mutable_node() = body.graph().node();
  *function.mutable_opset_import() = body.model.opset_import();
  return function;
}

ModelBuilder& call(ModelBuilder& model, const std::string& function, const Names& inputs, const Names& outputs,
                   const std::vector<onnx::AttributeProto>& attributes = {}, const std::string& name = "") {
  model.node(function, inputs, outputs, attributes, name).last_node().set_domain("local");
  return model;
}

onnx::AttributeProto reference(const std::string& name, const std::string& of) {
  onnx::AttributeProto proto;
  proto.set_name(name);
  proto.set_ref_attr_name(of);
  proto.set_type(onnx::AttributeProto::FLOAT);
  return proto;
}

// FunctionProto.attribute_proto, overload, NodeProto.overload: newer than the protobuf classes.
void set_default(onnx::FunctionProto& function, const onnx::AttributeProto& attribute) {
  function.GetReflection()->MutableUnknownFields(&function)->AddLengthDelimited(11, attribute.SerializeAsString());
}
void set_overload(onnx::FunctionProto& function, const std::string& overload) {
  function.GetReflection()->MutableUnknownFields(&function)->AddLengthDelimited(13, overload);
}
void set_overload(onnx::NodeProto& node, const std::string& overload) {
  node.GetReflection()->MutableUnknownFields(&node)->AddLengthDelimited(8, overload);
}

// x is f32[2] = -4, 3.
ModelBuilder model_of_x() { return ModelBuilder().input("x", {2}).output("y"); }

Tensor result_of(const ModelBuilder& model) {
  const Graph graph = model.import();
  verify_types(graph);
  return interpret(graph, {{"x", Tensor::of<float>({2}, {-4, 3})}}).at("y");
}
Tensor pair(float first, float second) { return Tensor::of<float>({2}, {first, second}); }

std::string import_error(const ModelBuilder& model) {
  return error_of([&] { model.import(); });
}

// f(a, b) = |a| - b
ModelBuilder model_with_f() {
  ModelBuilder model = model_of_x();
  add_function(model, "f", {"a", "b"}, {"c"}, ModelBuilder().node("Abs", {"a"}, {"t"}).node("Sub", {"t", "b"}, {"c"}));
  return model;
}

// leaky(a) = LeakyRelu(a), alpha being its attribute `slope`
onnx::FunctionProto& add_leaky(ModelBuilder& model) {
  return add_function(model, "leaky", {"a"}, {"b"},
                      ModelBuilder().node("LeakyRelu", {"a"}, {"b"}, {reference("alpha", "slope")}));
}

}  // namespace

TEST_CASE("a call of a function is its body on the caller's values") {
  ModelBuilder model = model_with_f();
  call(model, "f", {"x", "x"}, {"y"});
  CHECK(result_of(model) == pair(8, 0));
  const Graph graph = model.import();
  CHECK(live_nodes(graph).size() == 2);
  CHECK(graph[graph[graph.find("y")].producer].op == "Sub");
}

TEST_CASE("inner values of functions are named after the call, and differ from call to call") {
  ModelBuilder model = model_with_f();
  call(model, "f", {"x", "x"}, {"t"}, {}, "first");
  call(model, "f", {"x", "t"}, {"u"}, {}, "second");
  call(model, "f", {"x", "u"}, {"y"}, {}, "second");
  CHECK(result_of(model) == pair(8, 0));
  const Graph graph = model.import();
  for (const char* name : {"first/t", "second/t", "t", "u"}) CHECK(graph.find(name).valid());
  int64_t absolutes = 0;
  for (const NodeId node : live_nodes(graph)) absolutes += graph[node].op == "Abs" ? 1 : 0;
  CHECK(absolutes == 3);
}

TEST_CASE("functions call functions") {
  ModelBuilder model = model_with_f();
  ModelBuilder body;
  call(body, "f", {"a", "a"}, {"t"}, {}, "inner");
  body.node("Add", {"t", "a"}, {"b"});
  add_function(model, "g", {"a"}, {"b"}, body);
  call(model, "g", {"x"}, {"y"}, {}, "outer");
  CHECK(result_of(model) == pair(4, 3));
  CHECK(model.import().find("outer/inner/t").valid());
}

TEST_CASE("a body's attributes are the caller's, the function's defaults, or the op's") {
  ModelBuilder given = model_of_x();
  set_default(add_leaky(given), attribute("slope", 0.25f));
  call(given, "leaky", {"x"}, {"y"}, {attribute("slope", 0.5f)});
  CHECK(result_of(given) == pair(-2, 3));

  ModelBuilder by_default = model_of_x();
  set_default(add_leaky(by_default), attribute("slope", 0.25f));
  call(by_default, "leaky", {"x"}, {"y"});
  CHECK(result_of(by_default) == pair(-1, 3));

  ModelBuilder of_op = model_of_x();
  add_leaky(of_op);
  call(of_op, "leaky", {"x"}, {"y"});
  CHECK(result_of(of_op) == pair(-4 * 0.01f, 3));
}

TEST_CASE("attributes are handed on to functions in functions and to graphs in bodies") {
  ModelBuilder handed = model_of_x();
  add_leaky(handed);
  ModelBuilder body;
  call(body, "leaky", {"a"}, {"b"}, {reference("slope", "steepness")});
  add_function(handed, "g", {"a"}, {"b"}, body);
  call(handed, "g", {"x"}, {"y"}, {attribute("steepness", 2.0f)});
  CHECK(result_of(handed) == pair(-8, 3));

  ModelBuilder branch = model_of_x();
  const ModelBuilder leaky = ModelBuilder().node("LeakyRelu", {"a"}, {"t"}, {reference("alpha", "slope")}).output("t");
  ModelBuilder chooser;
  chooser.node("If", {"c"}, {"b"}, {attribute("then_branch", leaky.graph()), attribute("else_branch", leaky.graph())});
  add_function(branch, "choose", {"a", "c"}, {"b"}, chooser);
  branch.constant("yes", Tensor::scalar(true));
  call(branch, "choose", {"x", "yes"}, {"y"}, {attribute("slope", 0.5f)});
  CHECK(result_of(branch) == pair(-2, 3));
}

TEST_CASE("an attribute that is a tensor may be a function's") {
  ModelBuilder model = model_of_x();
  ModelBuilder body;
  body.node("Constant", {}, {"t"}, {reference("value", "offset")}).node("Add", {"a", "t"}, {"b"});
  add_function(model, "shift", {"a"}, {"b"}, body);
  call(model, "shift", {"x"}, {"y"}, {attribute("offset", pair(1, 2))});
  CHECK(result_of(model) == pair(-3, 5));
}

TEST_CASE("a function's nodes are of the opset that it says, or of its caller's") {
  ModelBuilder old = model_of_x();
  add_function(old, "sum", {"a"}, {"b"},
               ModelBuilder(12).node("ReduceSum", {"a"}, {"b"}, {attribute("axes", std::vector<int64_t>{0})}));
  call(old, "sum", {"x"}, {"y"});
  CHECK(result_of(old) == Tensor::of<float>({1}, {-1}));

  old.model.mutable_functions(0)->mutable_opset_import(0)->set_domain("other");
  CHECK_THAT(import_error(old), Contains("(ReduceSum, opset 17)") && Contains("'axes'"));
  old.model.mutable_functions(0)->mutable_opset_import(0)->set_domain("ai.onnx");
  old.model.mutable_functions(0)->mutable_opset_import(0)->set_version(99);
  CHECK_THAT(import_error(old), Contains("the function 'sum' uses opset 99; marvin reads 1 to 24"));
}

TEST_CASE("inputs that the caller leaves out are left out in the body") {
  ModelBuilder model = model_of_x();
  add_function(model, "clip", {"a", "low", "high"}, {"b"}, ModelBuilder().node("Clip", {"a", "low", "high"}, {"b"}));
  model.constant("one", Tensor::scalar(1.0f));
  call(model, "clip", {"x", "", "one"}, {"t"});
  call(model, "clip", {"t", "one"}, {"u"});
  model.node("Sub", {"t", "u"}, {"y"});
  CHECK(result_of(model) == pair(-5, 0));

  ModelBuilder wanted = model_with_f();
  call(wanted, "f", {"x"}, {"y"}, {}, "half");
  CHECK_THAT(import_error(wanted), Contains("'half'") && Contains("(Sub, opset 17)"));
}

TEST_CASE("outputs may be left out, but neither they nor inputs may be more than the function has") {
  ModelBuilder model = model_of_x();
  const ModelBuilder body = ModelBuilder().node("Neg", {"a"}, {"b"}).node("Abs", {"a"}, {"c"});
  add_function(model, "two", {"a"}, {"b", "c"}, body);
  ModelBuilder second = model, first = model, third = model, more = model;
  CHECK(result_of(call(second, "two", {"x"}, {"", "y"})) == pair(4, 3));
  CHECK(result_of(call(first, "two", {"x"}, {"y"})) == pair(4, -3));
  CHECK_THAT(import_error(call(third, "two", {"x"}, {"b", "c", "y"})), Contains("1 inputs and 2 outputs, not 1 and 3"));
  CHECK_THAT(import_error(call(more, "two", {"x", "x"}, {"y"})), Contains("1 inputs and 2 outputs, not 2 and 1"));
}

TEST_CASE("a body reads its own values alone, and makes its outputs") {
  ModelBuilder reads = model_of_x();
  add_function(reads, "peek", {"a"}, {"b"}, ModelBuilder().node("Add", {"a", "x"}, {"b"}));
  CHECK_THAT(import_error(call(reads, "peek", {"x"}, {"y"})), Contains("reads 'x', which nothing produces"));
  ModelBuilder makes = model_of_x();
  add_function(makes, "lack", {"a"}, {"b"}, ModelBuilder().node("Neg", {"a"}, {"c"}));
  CHECK_THAT(import_error(call(makes, "lack", {"x"}, {"y"})), Contains("the output 'b' is produced by nothing"));
}

TEST_CASE("functions that call themselves are refused") {
  ModelBuilder model = model_of_x();
  ModelBuilder f, g;
  add_function(model, "f", {"a"}, {"b"}, call(f, "g", {"a"}, {"b"}));
  add_function(model, "g", {"a"}, {"b"}, call(g, "f", {"a"}, {"b"}));
  const std::string error = import_error(call(model, "f", {"x"}, {"y"}, {}, "start"));
  CHECK_THAT(error, Contains("'start'") && Contains("the function 'f' calls itself"));
  CHECK(error.size() < 300);
}

TEST_CASE("functions that would fill the memory are refused") {
  ModelBuilder model = model_of_x();
  add_function(model, "f0", {"a"}, {"b"}, ModelBuilder().node("Identity", {"a"}, {"b"}));
  for (int i = 1; i < 40; ++i) {
    const std::string callee = cat("f", i - 1);
    ModelBuilder body;
    call(body, callee, {"a"}, {"c"});
    call(body, callee, {"c"}, {"b"});
    add_function(model, cat("f", i), {"a"}, {"b"}, body);
  }
  const std::string error = import_error(call(model, "f39", {"x"}, {"y"}));
  CHECK_THAT(error, Contains("come to more than 200000 nodes when they are written out"));
}

TEST_CASE("a function that nothing calls does not matter") {
  ModelBuilder model = model_with_f();
  add_function(model, "odd", {"a"}, {"b"}, ModelBuilder(99).node("Frobnicate", {"a"}, {"b"}));
  ModelBuilder used = model;
  call(model, "f", {"x", "x"}, {"y"});
  CHECK(result_of(model) == pair(8, 0));
  CHECK_THAT(import_error(call(used, "odd", {"x"}, {"y"})), Contains("the op 'Frobnicate' (1 node) is not known"));
}

TEST_CASE("functions of one name are told apart by their overloads") {
  ModelBuilder model = model_of_x();
  set_overload(add_function(model, "f", {"a"}, {"b"}, ModelBuilder().node("Neg", {"a"}, {"b"})), "negative");
  set_overload(add_function(model, "f", {"a"}, {"b"}, ModelBuilder().node("Abs", {"a"}, {"b"})), "absolute");
  set_overload(call(model, "f", {"x"}, {"t"}).last_node(), "absolute");
  set_overload(call(model, "f", {"t"}, {"y"}).last_node(), "negative");
  CHECK(result_of(model) == pair(-4, -3));
}

TEST_CASE("what a function is called does not decide what its operands are") {
  ModelBuilder model = model_of_x();
  add_function(model, "Clip", {"a", "scale"}, {"b"}, ModelBuilder().node("Mul", {"a", "scale"}, {"b"}));
  model.initializer("w", pair(2, 3));
  const Graph graph = call(model, "Clip", {"x", "w"}, {"y"}).import();
  CHECK(graph[graph.find("w")].kind == ValueKind::parameter);
}

TEST_CASE("layers in functions are put into inference form") {
  ModelBuilder model = model_of_x();
  ModelBuilder body;
  body.constant("ratio", Tensor::scalar(0.5f)).constant("training", Tensor::scalar(true));
  add_function(model, "drop", {"a"}, {"b"}, body.node("Dropout", {"a", "ratio", "training"}, {"b"}));
  call(model, "drop", {"x"}, {"y"});
  const auto operands = [&](ImportOptions::Form form) {
    const Graph graph = model.import({.form = form});
    return graph[graph[graph.find("y")].producer].inputs.size();
  };
  CHECK(operands(ImportOptions::Form::as_found) == 3);
  CHECK(operands(ImportOptions::Form::inference) == 2);
}
