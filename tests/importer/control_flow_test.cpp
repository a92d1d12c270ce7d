// If, Loop and Scan: written out as the nodes of their bodies.
#include <algorithm>
#include <catch2/catch.hpp>

#include "runtime/ops/op.h"
#include "runtime/train/gradient_check.h"
#include "tests/importer/model_builder.h"
#include "tests/ops/interpret.h"

using namespace marvin;
using Catch::Matchers::Contains;

namespace {

using Names = std::vector<std::string>;

Tensor pair(float first, float second) { return Tensor::of<float>({2}, {first, second}); }

// x is f32[2]; total is its sum; the constants are called after their values.
ModelBuilder model_of_x(int64_t opset = 17) {
  ModelBuilder model(opset);
  model.input("x", {2}).output("y").node("ReduceSum", {"x"}, {"total"}, {attribute("keepdims", int64_t{0})});
  for (const int number : {0, 1, 2, 3, 10, 100})
    model.constant(cat(number), Tensor::scalar(static_cast<float>(number)));
  for (const int64_t number : {0, 3, 8}) model.constant(cat("i", number), Tensor::scalar(number));
  return model.constant("yes", Tensor::scalar(true)).constant("no", Tensor::scalar(false));
}

Values results_of(const ModelBuilder& model, Values given) {
  const Graph graph = model.import();
  verify_types(graph);
  return interpret(graph, std::move(given));
}
Tensor result_of(const ModelBuilder& model, const Tensor& x) { return results_of(model, {{"x", x}}).at("y"); }

std::string import_error(const ModelBuilder& model) {
  return error_of([&] { model.import(); });
}

// t = op(operands)
ModelBuilder branch(const std::string& op, const Names& operands) {
  return ModelBuilder().node(op, operands, {"t"}).output("t");
}

ModelBuilder& add_if(ModelBuilder& model, const std::string& condition, const std::string& output,
                     const ModelBuilder& yes, const ModelBuilder& no) {
  return model.node("If", {condition}, {output},
                    {attribute("then_branch", yes.graph()), attribute("else_branch", no.graph())}, "choice");
}

// Returns the condition `go` and the states; `i`, `go_in` and the states' names are its inputs.
ModelBuilder loop_body(const Names& states) {
  ModelBuilder body;
  body.input("i", {}, DType::i64).input("go_in", {}, DType::boolean).output("go");
  for (const std::string& state : states) body.input(state, {2});
  return body;
}

// v = 2 v while max v < 10, that is.
ModelBuilder doubling() {
  ModelBuilder body = loop_body({"v"});
  body.node("Mul", {"v", "2"}, {"w"}).node("ReduceMax", {"w"}, {"top"}, {attribute("keepdims", int64_t{0})});
  return body.node("Less", {"top", "10"}, {"go"}).output("w");
}

ModelBuilder& add_loop(ModelBuilder& model, const Names& operands, const Names& outputs, const ModelBuilder& body) {
  return model.node("Loop", operands, outputs, {attribute("body", body.graph())}, "repeat");
}

void check_gradients_of(const ModelBuilder& model, const Tensor& x) {
  const std::vector<GradientCheck> checks = check_gradients(model.import(), {{"x", x}}, 1);
  REQUIRE(checks.size() == 2);
  for (const GradientCheck& check : checks) {
    CAPTURE(check.name, check.error);
    CHECK(check.reached);
    CHECK(check.norm > 0);
    CHECK(check.error < 5e-3);
  }
}

}  // namespace

// ---- If -------------------------------------------------------------------------------------------------------------

TEST_CASE("an If whose condition is known is the branch that it takes") {
  for (const bool taken : {true, false}) {
    ModelBuilder model = model_of_x();
    add_if(model, taken ? "yes" : "no", "y", branch("Neg", {"x"}), branch("Abs", {"x"}));
    const Graph graph = model.import();
    CHECK(live_nodes(graph).size() == 1);
    CHECK(graph[graph[graph.find("y")].producer].op == (taken ? "Neg" : "Abs"));
    CHECK(result_of(model, pair(-1, 2)) == (taken ? pair(1, -2) : pair(1, 2)));
  }
}

TEST_CASE("an If whose condition depends on data selects what it gives") {
  ModelBuilder model = model_of_x();
  model.node("Greater", {"total", "0"}, {"c"});
  add_if(model, "c", "y", branch("Mul", {"x", "10"}), branch("Sub", {"x", "1"}));
  CHECK(result_of(model, pair(-1, 2)) == pair(-10, 20));
  CHECK(result_of(model, pair(-2, 1)) == pair(-3, 0));
}

TEST_CASE("Ifs in Ifs select among all their branches") {
  ModelBuilder model = model_of_x();
  model.node("Greater", {"total", "0"}, {"c"}).node("Greater", {"total", "10"}, {"d"});
  ModelBuilder positive = ModelBuilder().output("t"), negative = ModelBuilder().output("t");
  negative.node("Less", {"total", "e"}, {"f"}).constant("e", Tensor::scalar(-10.0f));
  add_if(positive, "d", "t", branch("Mul", {"x", "2"}), branch("Mul", {"x", "3"}));
  add_if(negative, "f", "t", branch("Add", {"x", "1"}), branch("Add", {"x", "2"}));
  add_if(model, "c", "y", positive, negative);
  CHECK(result_of(model, pair(1, 10)) == pair(2, 20));
  CHECK(result_of(model, pair(1, 9)) == pair(3, 27));
  CHECK(result_of(model, pair(-2, -9)) == pair(-1, -8));
  CHECK(result_of(model, pair(-1, -9)) == pair(1, -7));
}

TEST_CASE("a branch may return a value from outside, its own initializer, and more than one value") {
  ModelBuilder yes = ModelBuilder().output("x").output("own"), no = ModelBuilder().node("Neg", {"x"}, {"t"});
  yes.initializer("own", pair(5, 6));
  no.output("t").output("t");
  for (const bool known : {true, false}) {
    ModelBuilder model = model_of_x();
    model.node("Greater", {"total", "0"}, {"c"}).output("z");
    model.node("If", {known ? "yes" : "c"}, {"y", "z"},
               {attribute("then_branch", yes.graph()), attribute("else_branch", no.graph())});
    const Values values = results_of(model, {{"x", pair(3, 4)}});
    CHECK(values.at("y") == pair(3, 4));
    CHECK(values.at("z") == pair(5, 6));
    CHECK(result_of(model, pair(-3, -4)) == (known ? pair(-3, -4) : pair(3, 4)));
  }
}

TEST_CASE("what bodies read of the graph around them is made before them, and may be a weight") {
  ModelBuilder model = model_of_x();
  add_if(model, "c", "y", branch("Mul", {"late", "w"}), branch("Add", {"late", "w"}));
  model.node("Less", {"total", "0"}, {"c"}).node("Abs", {"x"}, {"late"}).initializer("w", pair(2, 3));
  CHECK(result_of(model, pair(-5, 1)) == pair(10, 3));
  const Graph graph = model.import();
  CHECK(graph[graph.find("w")].kind == ValueKind::parameter);
}

TEST_CASE("an If that has no one condition, no branch or no one type is refused") {
  ModelBuilder wide = model_of_x(), number = model_of_x(), lone = model_of_x(), shapes = model_of_x(),
               counts = model_of_x();
  wide.node("Greater", {"x", "0"}, {"c"});
  CHECK_THAT(import_error(add_if(wide, "c", "y", branch("Neg", {"x"}), branch("Abs", {"x"}))),
             Contains("'choice' (If") && Contains("the condition is bool[2]; it must be one bool"));
  CHECK_THAT(import_error(add_if(number, "1", "y", branch("Neg", {"x"}), branch("Abs", {"x"}))),
             Contains("the condition is f32[]"));
  lone.node("If", {"yes"}, {"y"}, {attribute("then_branch", branch("Neg", {"x"}).graph())});
  CHECK_THAT(import_error(lone), Contains("attribute 'else_branch' is missing; it must be a graph"));
  shapes.node("Greater", {"total", "0"}, {"c"});
  CHECK_THAT(import_error(add_if(shapes, "c", "y", branch("Neg", {"x"}), branch("Abs", {"total"}))),
             Contains("which of f32[2] and f32[] a result is depends on data"));
  counts.node("Greater", {"total", "0"}, {"c"});
  CHECK_THAT(import_error(add_if(counts, "c", "y", branch("Neg", {"x"}), branch("Abs", {"x"}).output("x"))),
             Contains("different numbers of outputs"));
}

// ---- Loop -----------------------------------------------------------------------------------------------------------

TEST_CASE("a Loop carries values and stacks others, as often as its trip count says") {
  ModelBuilder body = loop_body({"v", "u"});
  body.node("Identity", {"go_in"}, {"go"}).node("Cast", {"i"}, {"f"}, {attribute("to", int64_t{1})});
  body.node("Add", {"v", "u"}, {"v_next"}).node("Add", {"u", "f"}, {"u_next"}).node("Mul", {"v", "100"}, {"s"});
  body.output("v_next").output("u_next").output("s");
  ModelBuilder model = model_of_x();
  add_loop(model, {"i3", "yes", "x", "x"}, {"y", "u_end", "stack"}, body).output("u_end").output("stack");
  const Values values = results_of(model, {{"x", pair(1, 2)}});
  CHECK(values.at("y") == pair(5, 9));
  CHECK(values.at("u_end") == pair(4, 5));
  CHECK(values.at("stack") == Tensor::of<float>({3, 2}, {100, 200, 200, 400, 300, 600}));
}

TEST_CASE("a Loop of no iteration gives its states as they are, and empty stacks of the declared shape") {
  ModelBuilder body = loop_body({"v"});
  body.node("Identity", {"go_in"}, {"go"}).node("Neg", {"v"}, {"w"}).output("w").output("w");
  ModelBuilder::describe(*body.graph().mutable_output(2), "w", {2}, DType::f32);
  for (const Names& bounds : {Names{"i0", "yes"}, Names{"i3", "no"}}) {
    ModelBuilder model = model_of_x();
    add_loop(model, {bounds[0], bounds[1], "x"}, {"y", "stack"}, body).output("stack");
    const Values values = results_of(model, {{"x", pair(1, 2)}});
    CHECK(values.at("y") == pair(1, 2));
    CHECK(values.at("stack").type() == Type{DType::f32, {0, 2}});
  }
  body.graph().mutable_output(2)->clear_type();
  ModelBuilder model = model_of_x();
  CHECK_THAT(import_error(add_loop(model, {"i0", "", "x"}, {"y", "stack"}, body)),
             Contains("no iteration runs, and the shape of 'w' is not declared"));
}

TEST_CASE("a condition that follows from the iteration's number ends the Loop, trip count or not") {
  ModelBuilder body = loop_body({"v"});
  body.constant("last", Tensor::scalar<int64_t>(4)).node("Less", {"i", "last"}, {"go"});
  body.node("Mul", {"v", "2"}, {"w"}).output("w").output("v");
  for (const char* trips : {"", "i8"}) {
    ModelBuilder model = model_of_x();
    add_loop(model, {trips, "yes", "x"}, {"y", "stack"}, body).output("stack");
    const Values values = results_of(model, {{"x", pair(1, 3)}});
    CHECK(values.at("y") == pair(32, 96));
    CHECK(values.at("stack").type().shape == Shape{5, 2});
  }
}

TEST_CASE("a Loop whose condition depends on data stops where it is false") {
  ModelBuilder model = model_of_x();
  model.node("ReduceMax", {"x"}, {"top"}, {attribute("keepdims", int64_t{0})}).node("Less", {"top", "10"}, {"c"});
  add_loop(model, {"i8", "c", "x"}, {"y"}, doubling());
  CHECK(result_of(model, pair(1, 0.5f)) == pair(16, 8));
  CHECK(result_of(model, pair(6, -1)) == pair(12, -2));
  CHECK(result_of(model, pair(11, 1)) == pair(11, 1));
  CHECK(result_of(model, pair(0, 0x1p-6f)) == pair(0, 4));  // by the trip count
}

TEST_CASE("once a Loop has stopped, a condition that would be true again does not start it") {
  ModelBuilder body = loop_body({"v"});  // from 3 by -1 while v != 2
  body.node("Sub", {"v", "1"}, {"w"}).node("ReduceSum", {"w"}, {"sum"}, {attribute("keepdims", int64_t{0})});
  body.node("Equal", {"sum", "2"}, {"stop"}).node("Not", {"stop"}, {"go"}).output("w");
  ModelBuilder model = model_of_x();
  add_loop(model, {"i8", "yes", "x"}, {"y"}, body);
  CHECK(result_of(model, pair(3, 3)) == pair(1, 1));
  CHECK(result_of(model, pair(2, 3)) == pair(-6, -5));
}

TEST_CASE("a Loop whose length cannot be known is refused") {
  ModelBuilder count = model_of_x(), condition = model_of_x(), stack = model_of_x(), operands = model_of_x(),
               few = model_of_x();
  count.input("n", {}, DType::i64);
  CHECK_THAT(import_error(add_loop(count, {"n", "yes", "x"}, {"y"}, doubling())),
             Contains("'repeat' (Loop") && Contains("how often it runs"));
  CHECK_THAT(import_error(add_loop(condition, {"", "yes", "x"}, {"y"}, doubling())),
             Contains("how often it runs depends on data"));
  CHECK_THAT(import_error(add_loop(stack, {"i3", "yes", "x"}, {"y", "s"}, doubling().output("w"))),
             Contains("how many results it has depends on data"));
  CHECK_THAT(import_error(add_loop(operands, {"i3", "yes"}, {"y"}, doubling())),
             Contains("has 2 operands, but its body 3 inputs"));
  ModelBuilder body = doubling();
  body.graph().mutable_output()->RemoveLast();
  CHECK_THAT(import_error(add_loop(few, {"i3", "yes", "x"}, {"y"}, body)),
             Contains("fewer values than there are states"));
}

// ---- Scan -----------------------------------------------------------------------------------------------------------

namespace {

// s += a, p *= b; the second also gives a - b.
ModelBuilder scan_body() {
  ModelBuilder body;
  for (const char* name : {"s", "p", "a", "b"}) body.input(name, {2});
  body.node("Add", {"s", "a"}, {"sum"}).node("Mul", {"p", "b"}, {"product"}).node("Sub", {"a", "b"}, {"rest"});
  return body.output("sum").output("product").output("sum").output("rest");
}

std::vector<onnx::AttributeProto> scan_attributes(const ModelBuilder& body, int64_t scanned) {
  return {attribute("body", body.graph()), attribute("num_scan_inputs", scanned)};
}

}  // namespace

TEST_CASE("a Scan runs along any axis in either direction, with several states and stacks") {
  ModelBuilder model;
  model.input("s", {2}).input("p", {2}).input("a", {3, 2}).input("b", {2, 3});
  std::vector<onnx::AttributeProto> attributes = scan_attributes(scan_body(), 2);
  const auto integers = [&](const char* name, const std::vector<int64_t>& values) {
    attributes.push_back(attribute(name, values));
  };
  integers("scan_input_axes", {0, -1});
  integers("scan_input_directions", {0, 1});
  integers("scan_output_axes", {0, -1});
  integers("scan_output_directions", {0, 1});
  model.node("Scan", {"s", "p", "a", "b"}, {"sum", "product", "sums", "rests"}, attributes);
  for (const char* name : {"sum", "product", "sums", "rests"}) model.output(name);
  const Values values = results_of(model, {{"s", pair(0, 0)},
                                           {"p", pair(1, 1)},
                                           {"a", Tensor::of<float>({3, 2}, {1, 2, 3, 4, 5, 6})},
                                           {"b", Tensor::of<float>({2, 3}, {7, 8, 9, 10, 11, 12})}});
  CHECK(values.at("sum") == pair(9, 12));
  CHECK(values.at("product") == pair(504, 1320));
  CHECK(values.at("sums") == Tensor::of<float>({3, 2}, {1, 2, 4, 6, 9, 12}));
  CHECK(values.at("rests") == Tensor::of<float>({2, 3}, {-2, -5, -8, -4, -7, -10}));
}

TEST_CASE("a Scan over nothing gives its states and empty stacks") {
  ModelBuilder body =
      ModelBuilder().input("s", {2}).input("a", {2}).node("Add", {"s", "a"}, {"t"}).output("t").output("t");
  ModelBuilder::describe(*body.graph().mutable_output(1), "t", {2}, DType::f32);
  ModelBuilder model = ModelBuilder().input("s", {2}).input("a", {0, 2});
  model.node("Scan", {"s", "a"}, {"y", "stack"}, scan_attributes(body, 1)).output("y").output("stack");
  const Values values = results_of(model, {{"s", pair(1, 2)}, {"a", Tensor(Type{DType::f32, {0, 2}})}});
  CHECK(values.at("y") == pair(1, 2));
  CHECK(values.at("stack").type() == Type{DType::f32, {0, 2}});
}

TEST_CASE("a Scan of opset 8 runs once per element of the batch") {
  ModelBuilder body(8);
  body.input("s", {2}).input("a", {2}).node("Add", {"s", "a"}, {"t"}).output("t").output("t");
  ModelBuilder model(8);
  model.input("s", {2, 2}).input("a", {2, 2, 2});
  std::vector<onnx::AttributeProto> attributes = scan_attributes(body, 1);
  attributes.push_back(attribute("directions", std::vector<int64_t>{1}));
  model.node("Scan", {"", "s", "a"}, {"end", "all"}, attributes).output("end").output("all");
  const Values values = results_of(model, {{"s", Tensor::of<float>({2, 2}, {0, 10, 20, 30})},
                                           {"a", Tensor::of<float>({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8})}});
  CHECK(values.at("end") == Tensor::of<float>({2, 2}, {4, 16, 32, 44}));
  CHECK(values.at("all") == Tensor::of<float>({2, 2, 2}, {3, 14, 4, 16, 27, 38, 32, 44}));

  model.graph().mutable_input(1)->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(0)->set_dim_value(
      0);
  CHECK_THAT(error_of([&] { model.import(); }), Contains("its operands have different batches"));
}

TEST_CASE("a Scan whose operands do not fit its body or each other is refused") {
  const auto error_with = [](const std::vector<ModelBuilder::Dim>& b, int64_t scanned, const Names& operands) {
    ModelBuilder model;
    model.input("s", {2}).input("p", {2}).input("a", {3, 2}).input("b", b);
    model.node("Scan", operands, {"y"}, scan_attributes(scan_body(), scanned), "sweep").output("y");
    return import_error(model);
  };
  CHECK_THAT(error_with({4, 2}, 2, {"s", "p", "a", "b"}), Contains("'sweep' (Scan") && Contains("different lengths"));
  CHECK_THAT(error_with({3, 2}, 0, {"s", "p", "a", "b"}), Contains("num_scan_inputs is 0, of 4 operands"));
  CHECK_THAT(error_with({3, 2}, 5, {"s", "p", "a", "b"}), Contains("num_scan_inputs is 5, of 4 operands"));
  CHECK_THAT(error_with({3, 2}, 2, {"s", "a", "b"}), Contains("do not fit its operands"));
}

// ---- Training -------------------------------------------------------------------------------------------------------

TEST_CASE("gradients flow through the branch that an If takes") {
  ModelBuilder model = model_of_x();
  model.initializer("w", pair(0.5f, -2)).node("Greater", {"total", "0"}, {"c"});
  add_if(model, "c", "y", branch("Mul", {"x", "w"}), branch("Div", {"w", "x"}));
  check_gradients_of(model, pair(1, 2));
  check_gradients_of(model, pair(-1, -2));
}

TEST_CASE("gradients flow through the iterations that a Loop runs and no others") {
  ModelBuilder body = loop_body({"v"});
  body.node("Mul", {"v", "w"}, {"t"}).node("ReduceMax", {"t"}, {"top"}, {attribute("keepdims", int64_t{0})});
  body.node("Less", {"top", "10"}, {"go"}).output("t");
  for (const char* condition : {"yes", "c"}) {
    ModelBuilder model = model_of_x();
    model.initializer("w", pair(2, 1.5f)).node("Less", {"total", "100"}, {"c"});
    add_loop(model, {"i8", condition, "x"}, {"y"}, body);
    check_gradients_of(model, pair(1.5f, 0.5f));
  }
}

TEST_CASE("gradients flow through the elements of a Scan") {
  ModelBuilder body;
  body.input("s", {})
      .input("a", {})
      .node("Mul", {"s", "w"}, {"t"})
      .node("Add", {"t", "a"}, {"u"})
      .output("u")
      .output("t");
  ModelBuilder model;
  model.input("x", {4})
      .initializer("w", Tensor::of<float>({1}, {0.75f}))
      .constant("shape", Tensor(Type{DType::i64, {0}}));
  model.node("Reshape", {"w", "shape"}, {"w0"}).constant("s", Tensor::scalar(1.0f));
  body.graph().mutable_node(0)->set_input(1, "w0");
  model.node("Scan", {"s", "x"}, {"y", "all"}, scan_attributes(body, 1)).output("y").output("all");
  check_gradients_of(model, Tensor::of<float>({4}, {1, -2, 3, 4}));
}
