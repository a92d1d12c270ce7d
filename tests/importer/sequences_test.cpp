// Sequences and optionals: resolved while a model is read.
#include <catch2/catch.hpp>

#include "runtime/ops/op.h"
#include "tests/importer/model_builder.h"
#include "tests/ops/interpret.h"

using namespace marvin;
using Catch::Matchers::Contains;

namespace {

Tensor scalar(int64_t number) { return Tensor::scalar(number); }

// x is f32[2,5] = 0, 1, ... 9; constants 0, 1, -1 and 9 are called so.
ModelBuilder model_of_x(int64_t opset = 17) {
  ModelBuilder model(opset);
  model.input("x", {2, 5}).output("y");
  for (const int64_t number : {0, 1, -1, 2, 9}) model.constant(std::to_string(number), scalar(number));
  return model;
}

// y of the model.
Tensor result_of(const ModelBuilder& model) {
  const Graph graph = model.import();
  Tensor x(Type{DType::f32, {2, 5}});
  for (size_t i = 0; i < 10; ++i) x.as<float>()[i] = static_cast<float>(i);
  return interpret(graph, {{"x", x}}).at("y");
}

std::string import_error(const ModelBuilder& model) {
  return error_of([&] { model.import(); });
}

}  // namespace

TEST_CASE("a tensor is split to a sequence of equal, given or single parts") {
  ModelBuilder twos = model_of_x();
  twos.node("SplitToSequence", {"x", "2"}, {"s"}, {attribute("axis", int64_t{1})});
  twos.node("SequenceAt", {"s", "-1"}, {"y"});
  CHECK(result_of(twos) == Tensor::of<float>({2, 1}, {4, 9}));

  ModelBuilder given = model_of_x();
  given.constant("parts", Tensor::of<int64_t>({2}, {4, 1}));
  given.node("SplitToSequence", {"x", "parts"}, {"s"},
             {attribute("axis", int64_t{-1}), attribute("keepdims", int64_t{0})});
  given.node("SequenceAt", {"s", "1"}, {"y"});
  CHECK(result_of(given) == Tensor::of<float>({2, 1}, {4, 9}));

  ModelBuilder single = model_of_x();
  single.node("SplitToSequence", {"x"}, {"s"}, {attribute("keepdims", int64_t{0})});
  single.node("SequenceAt", {"s", "1"}, {"y"});
  CHECK(result_of(single) == Tensor::of<float>({5}, {5, 6, 7, 8, 9}));
}

TEST_CASE("sequences are concatenated along an axis that they have or a new one") {
  ModelBuilder model = model_of_x();
  model.node("SplitToSequence", {"x"}, {"s"}).node("SequenceInsert", {"s", "x", "0"}, {"t"});
  model.node("ConcatFromSequence", {"t"}, {"y"}, {attribute("axis", int64_t{0})});
  CHECK(result_of(model).type().shape == Shape{4, 5});

  ModelBuilder stack = model_of_x();
  stack.node("SequenceConstruct", {"x", "x", "x"}, {"s"});
  stack.node("ConcatFromSequence", {"s"}, {"y"}, {attribute("axis", int64_t{-1}), attribute("new_axis", int64_t{1})});
  CHECK(result_of(stack).type().shape == Shape{2, 5, 3});
}

TEST_CASE("sequences grow, shrink, have a length and pass through Identity") {
  ModelBuilder model = model_of_x();
  model.node("SequenceEmpty", {}, {"s0"}).node("SequenceInsert", {"s0", "0"}, {"s1"});
  model.node("SequenceInsert", {"s1", "1"}, {"s2"}).node("SequenceInsert", {"s2", "9", "-1"}, {"s3"});
  model.node("SequenceErase", {"s3", "0"}, {"s4"}).node("Identity", {"s4"}, {"s5"});
  model.node("SequenceLength", {"s5"}, {"n"}).node("SequenceInsert", {"s5", "n"}, {"s6"});
  model.node("ConcatFromSequence", {"s6"}, {"y"}, {attribute("axis", int64_t{0}), attribute("new_axis", int64_t{1})});
  CHECK(result_of(model) == Tensor::of<int64_t>({3}, {9, 1, 2}));
}

TEST_CASE("an optional is its element or nothing") {
  ModelBuilder full = model_of_x();
  full.node("Optional", {"x"}, {"o"}).node("OptionalGetElement", {"o"}, {"e"}).node("Neg", {"e"}, {"y"});
  CHECK(result_of(full).as<float>()[9] == -9);

  onnx::AttributeProto type;
  type.set_name("type");
  type.set_type(onnx::AttributeProto::TYPE_PROTO);
  ModelBuilder none = model_of_x();
  none.node("Optional", {}, {"o"}, {type}).node("OptionalHasElement", {"o"}, {"y"});
  CHECK(result_of(none) == Tensor::scalar(false));

  ModelBuilder wanted = model_of_x();
  wanted.node("Optional", {}, {"o"}, {type}).node("OptionalGetElement", {"o"}, {"y"});
  CHECK_THAT(import_error(wanted), Contains("the optional has no element"));
}

TEST_CASE("the body of SequenceMap is written out for every element") {
  onnx::GraphProto body;
  ModelBuilder::describe(*body.add_input(), "a", {5}, DType::f32);
  ModelBuilder::describe(*body.add_input(), "b", {2, 5}, DType::f32);
  body.add_output()->set_name("sum");
  onnx::NodeProto& add = *body.add_node();
  add.set_op_type("Add");
  add.add_input("a"), add.add_input("b"), add.add_output("sum");

  ModelBuilder model = model_of_x();
  model.node("SplitToSequence", {"x"}, {"s"}, {attribute("keepdims", int64_t{0})});
  model.node("SequenceMap", {"s", "x"}, {"t"}, {attribute("body", body)});
  model.node("SequenceAt", {"t", "1"}, {"y"});
  CHECK(result_of(model) == Tensor::of<float>({2, 5}, {5, 7, 9, 11, 13, 10, 12, 14, 16, 18}));
}

TEST_CASE("a loop may carry a sequence") {
  onnx::GraphProto body;
  ModelBuilder::describe(*body.add_input(), "i", {}, DType::i64);
  ModelBuilder::describe(*body.add_input(), "go", {}, DType::boolean);
  body.add_input()->set_name("before");
  onnx::NodeProto& insert = *body.add_node();
  insert.set_op_type("SequenceInsert");
  insert.add_input("before"), insert.add_input("i"), insert.add_output("after");
  body.add_output()->set_name("go");
  body.add_output()->set_name("after");

  ModelBuilder model = model_of_x();
  model.node("SequenceEmpty", {}, {"none"}).node("Loop", {"2", "", "none"}, {"s"}, {attribute("body", body)});
  model.node("ConcatFromSequence", {"s"}, {"y"}, {attribute("axis", int64_t{0}), attribute("new_axis", int64_t{1})});
  CHECK(result_of(model) == Tensor::of<int64_t>({2}, {0, 1}));
}

TEST_CASE("sequences are refused where they depend on data or cannot stand") {
  ModelBuilder position = model_of_x();
  position.input("p", {}, DType::i64);
  position.node("SequenceConstruct", {"x", "x"}, {"s"}).node("SequenceAt", {"s", "p"}, {"y"}, {}, "pick");
  CHECK_THAT(import_error(position), Contains("'pick'") && Contains("the position depends on data"));

  ModelBuilder range = model_of_x();
  range.node("SequenceConstruct", {"x"}, {"s"}).node("SequenceAt", {"s", "1"}, {"y"});
  CHECK_THAT(import_error(range), Contains("the position 1 is out of the range of 1 elements"));

  ModelBuilder op = model_of_x();
  op.node("SequenceConstruct", {"x"}, {"s"}).node("Relu", {"s"}, {"y"});
  CHECK_THAT(import_error(op), Contains("a sequence stands where a tensor should"));

  ModelBuilder output = model_of_x();
  output.node("SequenceConstruct", {"x"}, {"y"});
  CHECK_THAT(import_error(output), Contains("'y' is a sequence, not a tensor"));

  ModelBuilder empty = model_of_x();
  empty.node("SequenceEmpty", {}, {"s"}).node("ConcatFromSequence", {"s"}, {"y"}, {attribute("axis", int64_t{0})});
  CHECK_THAT(import_error(empty), Contains("the sequence has no elements"));

  ModelBuilder tensor = model_of_x();
  tensor.node("SequenceLength", {"x"}, {"y"});
  CHECK_THAT(import_error(tensor), Contains("a tensor stands where a sequence should"));
}
