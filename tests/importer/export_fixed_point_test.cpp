// export_fixed_point: where quantizers go, and how each form writes them.
#include <google/protobuf/util/message_differencer.h>

#include <cmath>

#include "importer/export.h"
#include "tests/importer/exported_model.h"
#include "tests/ops/interpret.h"

using namespace marvin;
using Catch::Matchers::Contains;
using google::protobuf::util::MessageDifferencer;

namespace {

onnx::ModelProto quantized(const ModelBuilder& model, const Formats& formats, const Metadata& metadata = {},
                           QuantizerForm form = QuantizerForm::qdq) {
  const TemporaryDirectory directory;
  export_fixed_point(model.load(), form, {}, formats, metadata, directory / "out.onnx");
  return read_proto(directory / "out.onnx");
}

onnx::ModelProto quantized(QuantizerForm form, const ModelBuilder& model, const Formats& formats) {
  return quantized(model, formats, {}, form);
}

// A line per node, without its attributes.
std::string nodes_text(const onnx::ModelProto& model) {
  std::string text;
  for (const onnx::NodeProto& node : model.graph().node()) {
    const std::vector<std::string> inputs(node.input().begin(), node.input().end());
    text += cat(node.output(0), " = ", node.domain(), node.domain().empty() ? "" : ".", node.op_type(), "(");
    for (size_t i = 0; i < inputs.size(); ++i) text += (i == 0 ? "" : ", ") + inputs[i];
    text += ")\n";
  }
  return text;
}

// What rounding to a format makes of x, by its definition.
Tensor rounded(const Tensor& x, FixedPoint format) {
  Tensor result(x.type());
  for (size_t i = 0; i < result.as<float>().size(); ++i) {
    const double q = std::nearbyint(std::ldexp(double{x.as<float>()[i]}, format.fl));
    const double word = std::min<double>(std::max<double>(q, format.min()), format.max());
    result.as<float>()[i] = static_cast<float>(std::ldexp(word, -format.fl)) + 0.0f;
  }
  return result;
}

constexpr QuantizerForm kForms[] = {QuantizerForm::qdq, QuantizerForm::qcdq, QuantizerForm::intquant};

}  // namespace

// ---- Where quantizers go, and qdq -----------------------------------------------------------------------------------

TEST_CASE("8-bit operands become QuantizeLinear and DequantizeLinear, weights int8") {
  const onnx::ModelProto out = quantized(perceptron(), {{"x", {8, 5}}, {"w", {8, 4}}}, {{"marvin.note", "hi"}});
  CHECK(ops(out) == std::vector<std::string>{"DequantizeLinear", "QuantizeLinear", "DequantizeLinear", "Gemm"});
  const onnx::NodeProto& gemm = maker(out, "y");
  CHECK(gemm.input(0) == "x_dequantized");
  CHECK(gemm.input(1) == "w_dequantized");
  CHECK(gemm.input(2) == "b");
  CHECK(value_of(out, "w_quantized") == Tensor::of<int8_t>({3, 2}, {8, -4, 2, 48, -128, 0}));
  CHECK(value_of(out, "w_scale") == Tensor::scalar(1.0f / 16));
  CHECK(value_of(out, "w_zero_point") == Tensor::scalar<int8_t>(0));
  CHECK(value_of(out, "x_scale") == Tensor::scalar(1.0f / 32));
  CHECK_FALSE(initializer(out, "w"));
  CHECK(metadata(out, "marvin.format.x") == "8,5");
  CHECK(metadata(out, "marvin.format.w") == "8,4");
  CHECK(metadata(out, "marvin.note") == "hi");
}

TEST_CASE("operands of a transposed convolution are quantized where the model reads them") {
  ModelBuilder model(13);
  model.input("x", {1, 1, 3}).initializer("w", Tensor::of<float>({1, 1, 2}, {0.5f, -0.25f}));
  model.node("ConvTranspose", {"x", "w"}, {"y"}).output("y");
  const onnx::ModelProto out = quantized(model, {{"x", {8, 5}}, {"w", {8, 4}}});
  CHECK(maker(out, "y").input(0) == "x_dequantized");
  CHECK(maker(out, "y").input(1) == "w_dequantized");
  CHECK(value_of(out, "w_quantized") == Tensor::of<int8_t>({1, 1, 2}, {8, -4}));
}

TEST_CASE("a view of a value is quantized in the value's format") {
  ModelBuilder model(13);
  model.input("x", {2, 3, 4}).constant("rows", Tensor::of<int64_t>({2}, {6, 4}));
  model.initializer("v", Tensor::of<float>({4, 1}, {1, 2, 3, 4}))
      .initializer("w", Tensor::of<float>({4, 1}, {4, 3, 2, 1}));
  model.node("MatMul", {"x", "v"}, {"y"}).output("y");
  model.node("Reshape", {"x", "rows"}, {"r"}).node("Identity", {"r"}, {"s"});
  model.node("MatMul", {"s", "w"}, {"z"}).output("z");
  const onnx::ModelProto out = quantized(model, {{"x", {8, 5}}});
  CHECK(maker(out, "y").input(0) == "x_dequantized");
  CHECK(maker(out, "z").input(0) == "s_dequantized");
  CHECK(value_of(out, "s_scale") == value_of(out, "x_scale"));
}

TEST_CASE("weights are rounded half to even and clipped to the word") {
  ModelBuilder model(13);
  const float inf = INFINITY;
  model.input("x", {1, 8}).initializer("w", Tensor::of<float>({8, 1}, {0.5f, 1.5f, 2.5f, -0.5f, 100, -100, inf, NAN}));
  model.node("MatMul", {"x", "w"}, {"y"}).output("y");
  const onnx::ModelProto out = quantized(model, {{"w", {5, 0}}});
  CHECK(value_of(out, "w_quantized") == Tensor::of<int8_t>({8, 1}, {0, 2, 2, 0, 15, -16, 15, 0}));
}

TEST_CASE("qdq clips words narrower than their container before they are quantized") {
  const onnx::ModelProto out = quantized(perceptron(), {{"x", {5, 2}}});
  CHECK(ops(out) == std::vector<std::string>{"Clip", "QuantizeLinear", "DequantizeLinear", "Gemm"});
  CHECK(maker(out, "x_quantized").input(0) == "x_clipped");
  CHECK(value_of(out, "x_min") == Tensor::scalar(-4.0f));
  CHECK(value_of(out, "x_max") == Tensor::scalar(3.75f));
  const onnx::ModelProto old = quantized(perceptron(10), {{"x", {5, 2}}});
  CHECK(maker(old, "x_clipped").input_size() == 1);
  CHECK(maker(old, "x_clipped").attribute(1).f() == 3.75f);
}

TEST_CASE("wider operands are rounded by arithmetic, wider weights are int32") {
  const onnx::ModelProto out = quantized(perceptron(), {{"x", {12, 8}}, {"w", {20, 10}}});
  CHECK(ops(out) == std::vector<std::string>{"DequantizeLinear", "Mul", "Round", "Clip", "Mul", "Gemm"});
  CHECK(value_of(out, "x_min") == Tensor::scalar(-2048.0f));
  CHECK(value_of(out, "x_max") == Tensor::scalar(2047.0f));
  CHECK(value_of(out, "x_inverse_scale") == Tensor::scalar(256.0f));
  CHECK(value_of(out, "w_quantized").as<int32_t>()[1] == -266);
  CHECK(maker(out, "w_dequantized").input_size() == 2);
}

TEST_CASE("one pair serves all products, other readers keep the real value") {
  ModelBuilder model;
  model.input("x", {2, 2}).constant("w", Tensor::of<float>({2, 2}, {1, 2, 3, 4})).node("Relu", {"x"}, {"r"});
  model.node("MatMul", {"r", "w"}, {"a"}).node("MatMul", {"w", "r"}, {"b"}).node("Add", {"a", "r"}, {"c"});
  model.node("Add", {"c", "b"}, {"y"}).output("y").output("r");
  const onnx::ModelProto out = quantized(model, {{"r", {8, 4}}, {"w", {8, 4}}});
  CHECK(ops(out) == std::vector<std::string>{"DequantizeLinear", "Relu", "QuantizeLinear", "DequantizeLinear", "MatMul",
                                             "MatMul", "Add", "Add"});
  CHECK(maker(out, "a").input(0) == "r_dequantized");
  CHECK(maker(out, "b").input(1) == "r_dequantized");
  CHECK(maker(out, "b").input(0) == "w_dequantized");
  CHECK(maker(out, "c").input(1) == "r");
}

TEST_CASE("float32 slots and gradients change nothing but metadata") {
  const onnx::ModelProto out = quantized(perceptron(), {{"x", {32, 0}}, {"d.y", {8, 9}}});
  CHECK(ops(out) == std::vector<std::string>{"Gemm"});
  CHECK(metadata(out, "marvin.format.x") == "32,0");
  CHECK(metadata(out, "marvin.format.d.y") == "8,9");
}

TEST_CASE("names that the model uses already are avoided") {
  ModelBuilder model = perceptron();
  model.initializer("x_scale", Tensor::scalar(1.0f))
      .node("Mul", {"y", "x_scale"}, {"x_dequantized"})
      .output("x_dequantized");
  const onnx::ModelProto out = quantized(model, {{"x", {8, 5}}});
  CHECK(maker(out, "y").input(0) == "x_dequantized.2");
  CHECK(maker(out, "x_quantized").input(1) == "x_scale.2");
}

TEST_CASE("models whose opset cannot say the arithmetic are refused") {
  CHECK_THAT(error_of([] {
               quantized(perceptron(9), {{"x", {8, 5}}});
             }),
             Contains("'x' in fixed point needs QuantizeLinear, which came with opset 10"));
  CHECK_THAT(error_of([] { quantized(perceptron(9), {{"w", {8, 5}}}); }), Contains("DequantizeLinear"));
  CHECK_THAT(error_of([] {
               quantized(perceptron(10), {{"x", {12, 5}}});
             }),
             Contains("Round, which came with opset 11"));
  CHECK_THAT(error_of([] {
               quantized(QuantizerForm::qcdq, perceptron(9), {{"x", {6, 5}}});
             }),
             Contains("opset 10") && Contains("or write it with IntQuant"));
  CHECK_THAT(error_of([] { quantized(QuantizerForm::qcdq, perceptron(10), {{"x", {20, 5}}}); }), Contains("Round"));
  for (const QuantizerForm form : kForms)
    CHECK_THAT(error_of([&] { quantized(form, perceptron(), {{"x", {8, 127}}}); }), Contains("127 fractional"));
}

TEST_CASE("a model in fixed point can be imported again") {
  const TemporaryDirectory directory;
  export_fixed_point(training_model().load(), QuantizerForm::qdq, {}, Formats{{"x", {12, 5}}}, {},
                     directory / "out.onnx");
  const Graph graph = OnnxModel::load(directory / "out.onnx").import({.batch = 4});
  CHECK(graph.find("x_dequantized").valid());
}

// ---- qcdq -----------------------------------------------------------------------------------------------------------

TEST_CASE("qcdq clips int8 words between QuantizeLinear and DequantizeLinear, and weights never") {
  const onnx::ModelProto out = quantized(QuantizerForm::qcdq, perceptron(12), {{"x", {5, 2}}, {"w", {6, 3}}});
  CHECK(nodes_text(out) == R"(w_dequantized = DequantizeLinear(w_quantized, w_scale, w_zero_point)
x_quantized = QuantizeLinear(x, x_scale, x_zero_point)
x_clipped = Clip(x_quantized, x_min, x_max)
x_dequantized = DequantizeLinear(x_clipped, x_scale, x_zero_point)
y = Gemm(x_dequantized, w_dequantized, b)
)");
  CHECK(value_of(out, "x_min") == Tensor::scalar<int8_t>(-16));
  CHECK(value_of(out, "x_max") == Tensor::scalar<int8_t>(15));
  CHECK(value_of(out, "x_scale") == Tensor::scalar(0.25f));
  CHECK(value_of(out, "w_quantized") == Tensor::of<int8_t>({3, 2}, {4, -2, 1, 24, -32, 0}));
}

TEST_CASE("qcdq is qdq where there are no integers narrower than int8 to clip") {
  struct Case {
    int64_t opset;
    int8_t wl;
  };
  for (const auto& [opset, wl] : {Case{17, 8}, {17, 12}, {17, 20}, {21, 12}, {21, 16}, {21, 20}, {11, 5}, {10, 5}}) {
    CAPTURE(opset, int{wl});
    const Formats formats = {{"x", {wl, 2}}, {"w", {wl, 3}}};
    const ModelBuilder model = perceptron(opset);
    CHECK(MessageDifferencer::Equals(quantized(QuantizerForm::qcdq, model, formats),
                                     quantized(QuantizerForm::qdq, model, formats)));
  }
}

// ---- intquant -------------------------------------------------------------------------------------------------------

TEST_CASE("intquant puts QONNX's IntQuant before products, for any word and opset, and leaves weights in float32") {
  const onnx::ModelProto out = quantized(QuantizerForm::intquant, perceptron(7), {{"x", {20, 5}}, {"w", {4, -2}}});
  CHECK(nodes_text(out) == R"(w_dequantized = qonnx.custom_op.general.IntQuant(w, w_scale, w_zero_point, w_bit_width)
x_dequantized = qonnx.custom_op.general.IntQuant(x, x_scale, x_zero_point, x_bit_width)
y = Gemm(x_dequantized, w_dequantized, b)
)");
  CHECK(value_of(out, "w") == value_of(perceptron().model, "w"));
  CHECK(value_of(out, "w_scale") == Tensor::scalar(4.0f));
  CHECK(value_of(out, "w_zero_point") == Tensor::scalar(0.0f));
  CHECK(value_of(out, "w_bit_width") == Tensor::scalar(4.0f));
  CHECK(value_of(out, "x_bit_width") == Tensor::scalar(20.0f));
  const onnx::NodeProto& node = out.graph().node(0);
  REQUIRE(node.attribute_size() == 3);
  CHECK((node.attribute(0).name() == "signed" && node.attribute(0).i() == 1));
  CHECK((node.attribute(1).name() == "narrow" && node.attribute(1).i() == 0));
  CHECK((node.attribute(2).name() == "rounding_mode" && node.attribute(2).s() == "ROUND"));
  REQUIRE(out.opset_import_size() == 2);
  CHECK(out.opset_import(1).domain() == "qonnx.custom_op.general");
  CHECK(out.opset_import(1).version() == 1);
}

TEST_CASE("intquant imports its domain once, and only where it writes nodes of it") {
  CHECK(quantized(QuantizerForm::intquant, perceptron(), {{"x", {32, 0}}}).opset_import_size() == 1);
  ModelBuilder model = perceptron();
  model.model = quantized(QuantizerForm::intquant, model, {{"x", {8, 5}}});
  CHECK(quantized(QuantizerForm::intquant, model, {{"w", {8, 5}}}).opset_import_size() == 2);
}

// ---- All forms ------------------------------------------------------------------------------------------------------

TEST_CASE("every form rounds every word to the same numbers, and is read back to them") {
  const float inf = INFINITY;
  const Tensor x = Tensor::of<float>(
      {16, 1}, {0, 0.5f, -0.5f, 1.5f, 2.5f, -3.5f, 0.1f, -0.07f, 7.75f, -8.25f, 31.9f, 1e3f, -3e4f, 1e30f, inf, -inf});
  for (const int64_t opset : {17, 21})
    for (const int fl : {-3, 1, 6}) {
      ModelBuilder model(opset);
      model.initializer("one", Tensor::of<float>({1, 1}, {1}));
      Formats formats;
      Values given, expected;
      for (const int wl : {2, 4, 6, 8, 12, 16, 20, 24}) {
        const std::string input = cat("x", wl), weight = cat("w", wl);
        model.input(input, {16, 1}).initializer(weight, x);
        for (const std::string& name : {input, weight}) {
          formats[name] = {static_cast<int8_t>(wl), static_cast<int8_t>(fl)};
          model.node("MatMul", {name, "one"}, {name + ".y"}).output(name + ".y");
          expected[name + ".y"] = rounded(x, formats[name]);
        }
        given[input] = x;
      }
      for (const QuantizerForm form : kForms) {
        ModelBuilder file;
        file.model = quantized(form, model, formats);
        const Values values = interpret(file.import(), given);
        for (const auto& [name, value] : expected) {
          CAPTURE(opset, fl, static_cast<int>(form), name);
          CHECK(values.at(name) == value);
        }
      }
    }
}
