#include "importer/opset_quirks.h"

#include <catch2/catch.hpp>

#include "tests/importer/model_builder.h"

using namespace marvin;
using Catch::Matchers::Contains;

namespace {

// A node in a graph that has one input, x.
struct Bench {
  explicit Bench(const std::string& op, Attrs attrs = {}, Type type = {DType::f32, {2, 3, 4}}) {
    node = {.op = op,
            .name = "n",
            .inputs = {graph.add_input("x", std::move(type))},
            .outputs = {"y"},
            .attrs = std::move(attrs)};
  }
  Bench& apply(int64_t opset) {
    Builder builder(graph, Phase::forward, "y", "n");
    apply_quirks(node, opset, builder);
    return *this;
  }
  const Tensor& constant(size_t operand) const { return *graph[node.inputs.at(operand)].data; }

  Graph graph;
  ModelNode node;
};

Tensor integers(const std::vector<int64_t>& values) {
  return Tensor::of<int64_t>({static_cast<int64_t>(values.size())}, values);
}

}  // namespace

TEST_CASE("axes become an operand before opset 13 and stay as they are from then on") {
  for (const std::string op : {"Squeeze", "Unsqueeze", "ReduceSum"}) {
    const Bench old = Bench(op, {{"axes", std::vector<int64_t>{0, 2}}}).apply(12);
    CHECK(old.constant(1) == integers({0, 2}));
    CHECK(old.node.attrs.empty());
    CHECK(Bench(op, {{"axes", std::vector<int64_t>{0, 2}}}).apply(13).node.inputs.size() == 1);
    CHECK(Bench(op).apply(12).node.inputs.size() == 1);
  }
}

TEST_CASE("axes of the other reductions become an operand before opset 18") {
  for (const std::string op : {"ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean",
                               "ReduceMin", "ReduceProd", "ReduceSumSquare"}) {
    CHECK(Bench(op, {{"axes", std::vector<int64_t>{-1}}}).apply(17).constant(1) == integers({-1}));
    CHECK(Bench(op).apply(18).node.inputs.size() == 1);
  }
}

TEST_CASE("Split's lengths become an operand before opset 13") {
  CHECK(Bench("Split", {{"axis", int64_t{1}}, {"split", std::vector<int64_t>{1, 2}}}).apply(11).constant(1) ==
        integers({1, 2}));
}

TEST_CASE("Upsample's scales become an operand before opset 9, Resize's move behind the region in opset 10") {
  const Bench upsample = Bench("Upsample", {{"scales", std::vector<float>{1, 2, 3}}}).apply(8);
  CHECK(upsample.constant(1) == Tensor::of<float>({3}, {1, 2, 3}));
  CHECK(upsample.node.attrs.empty());
  Bench resize("Resize");
  const ValueId scales = resize.graph.add_constant("scales", Tensor::of<float>({3}, {1, 2, 3}));
  resize.node.inputs.push_back(scales);
  resize.apply(10);
  CHECK(resize.node.inputs.at(2) == scales);
  CHECK_FALSE(resize.node.inputs.at(1).valid());
  CHECK(resize.node.attrs.string("coordinate_transformation_mode") == "asymmetric");
  CHECK(resize.node.attrs.string("nearest_mode") == "floor");
}

TEST_CASE("GroupNormalization's scales are spread over channels before opset 21") {
  Bench bench("GroupNormalization", {{"num_groups", int64_t{2}}}, {DType::f32, {1, 4, 3}});
  for (const char* name : {"scale", "bias"})
    bench.node.inputs.push_back(bench.graph.add_constant(name, Tensor::of<float>({2}, {5, 7})));
  bench.apply(20);
  CHECK(bench.constant(1) == Tensor::of<float>({4}, {5, 5, 7, 7}));
  CHECK(bench.constant(2) == Tensor::of<float>({4}, {5, 5, 7, 7}));
}

TEST_CASE("GridSample's modes lose their axes before opset 20, RoiAlign's regions are of centers before 16") {
  CHECK(Bench("GridSample", {{"mode", std::string("bicubic")}}).apply(16).node.attrs.string("mode") == "cubic");
  CHECK(Bench("GridSample", {{"mode", std::string("bilinear")}}).apply(19).node.attrs.string("mode") == "linear");
  CHECK(Bench("GridSample", {{"mode", std::string("nearest")}}).apply(19).node.attrs.string("mode") == "nearest");
  CHECK(Bench("RoiAlign").apply(15).node.attrs.string("coordinate_transformation_mode") == "output_half_pixel");
  CHECK_FALSE(Bench("RoiAlign").apply(16).node.attrs.has("coordinate_transformation_mode"));
}

TEST_CASE("Clip's bounds become operands of the input's type before opset 11") {
  const Bench both = Bench("Clip", {{"min", 0.0f}, {"max", 6.0f}}).apply(10);
  CHECK(both.constant(1) == Tensor::scalar(0.0f));
  CHECK(both.constant(2) == Tensor::scalar(6.0f));
  const Bench upper = Bench("Clip", {{"max", 6.0f}}, {DType::f64, {2}}).apply(7);
  CHECK_FALSE(upper.node.inputs[1].valid());
  CHECK(upper.constant(2) == Tensor::scalar(6.0));
}

TEST_CASE("Pad's amounts and value become operands before opset 11") {
  const Bench pad =
      Bench("Pad",
            {{"mode", std::string("constant")}, {"pads", std::vector<int64_t>{0, 1, 0, 1, 0, 0}}, {"value", 2.0f}})
          .apply(10);
  CHECK(pad.constant(1) == integers({0, 1, 0, 1, 0, 0}));
  CHECK(pad.constant(2) == Tensor::scalar(2.0f));
  CHECK(pad.node.attrs == Attrs{{"mode", std::string("constant")}});
}

TEST_CASE("Slice's bounds become operands before opset 10") {
  const Bench slice =
      Bench("Slice",
            {{"starts", std::vector<int64_t>{0}}, {"ends", std::vector<int64_t>{2}}, {"axes", std::vector<int64_t>{1}}})
          .apply(9);
  CHECK(slice.constant(1) == integers({0}));
  CHECK(slice.constant(2) == integers({2}));
  CHECK(slice.constant(3) == integers({1}));
}

TEST_CASE("TopK's k becomes an operand before opset 10") {
  CHECK(Bench("TopK", {{"k", int64_t{3}}}).apply(9).constant(1) == integers({3}));
}

TEST_CASE("Dropout's ratio becomes an operand before opset 12, and nothing drops") {
  const Bench dropout = Bench("Dropout", {{"ratio", 0.25f}}).apply(11);
  CHECK(dropout.constant(1) == Tensor::scalar(0.25f));
  CHECK(dropout.node.inputs.size() == 2);
}

TEST_CASE("Softmax over inner axes before opset 13 is one over the columns of a matrix") {
  for (const std::string op : {"Softmax", "LogSoftmax"}) {
    const Bench last = Bench(op, {{"axis", int64_t{-1}}}).apply(12);
    CHECK(last.node.op == op);
    CHECK(last.node.attrs.integer("axis") == 2);
    const Bench matrix = Bench(op).apply(12);
    CHECK(matrix.node.op == "Reshape");
    CHECK(matrix.constant(1) == integers({2, 3, 4}));
    const Node& softmax = matrix.graph[matrix.graph[matrix.node.inputs[0]].producer];
    CHECK(softmax.op == op);
    CHECK(softmax.attrs.integer("axis") == 1);
    CHECK(matrix.graph.type_of(softmax.inputs[0]).shape == Shape{2, 12});
    CHECK(Bench(op).apply(13).node.op == op);
  }
}

TEST_CASE("BatchNormalization before opset 14 says by its outputs whether it is in training mode") {
  Bench training("BatchNormalization");
  training.node.outputs = {"y", "mean", "var", "saved_mean", "saved_var"};
  training.apply(13);
  CHECK(training.node.attrs.integer("training_mode") == 1);
  CHECK(training.node.outputs == std::vector<std::string>{"y", "mean", "var"});
  CHECK(Bench("BatchNormalization").apply(9).node.attrs.integer("training_mode") == 0);
  CHECK_FALSE(Bench("BatchNormalization").apply(14).node.attrs.has("training_mode"));
}

TEST_CASE("BatchNormalization before opset 9 is spatial or refused") {
  CHECK_FALSE(Bench("BatchNormalization", {{"spatial", int64_t{1}}}).apply(8).node.attrs.has("spatial"));
  CHECK_THAT(error_of([] { Bench("BatchNormalization", {{"spatial", int64_t{0}}}).apply(8); }), Contains("spatial=0"));
}

TEST_CASE("ConstantOfShape is an Expand of its value") {
  Bench fill("ConstantOfShape", {}, {DType::i64, {2}});
  const ValueId shape = fill.node.inputs[0];
  fill.node.tensors.emplace("value", Tensor::of<int64_t>({1}, {int64_t{1} << 60}));
  fill.apply(17);
  CHECK(fill.node.op == "Expand");
  CHECK(fill.constant(0) == Tensor::of<int64_t>({1}, {int64_t{1} << 60}));
  CHECK(fill.node.inputs[1] == shape);
  CHECK(fill.node.tensors.empty());
  CHECK(Bench("ConstantOfShape", {}, {DType::i64, {2}}).apply(9).constant(0) == Tensor::scalar(0.0f));
}

TEST_CASE("an attribute of the wrong type is an error") {
  CHECK_THAT(error_of([] {
               Bench("Squeeze", {{"axes", int64_t{1}}}).apply(12);
             }),
             Contains("'axes' has the wrong type"));
}
