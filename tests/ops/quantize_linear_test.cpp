#include "passes/differentiate.h"
#include "tests/data/files.h"
#include "tests/ops/interpret.h"
#include "tests/ops/run_op.h"

namespace marvin {
namespace {

std::vector<std::string> ops_of(const Graph& graph) {
  std::vector<std::string> ops;
  for (const NodeId node : live_nodes(graph)) ops.push_back(graph[node].op);
  return ops;
}

// x quantized with `scale` and dequantized with `other`.
std::string pair_text(const std::string& between, const std::string& dequantized) {
  return R"(graph g {
    input %x: f32[9]
    constant %scale: f32[] = {0.05} constant %zero: u8[] = {100}
    constant %copy: f32[] = {0.05} constant %zero_copy: u8[] = {100} constant %other: f32[] = {0.1}
    constant %low: u8[] = {92} constant %high: u8[] = {106}
    %q = QuantizeLinear(%x, %scale, %zero) )" +
         between + " %y = DequantizeLinear(" + dequantized + ") output %y }";
}

// y and the gradient by x of <y, weights> for a graph from x to y.
std::pair<Tensor, Tensor> value_and_gradient(Graph graph, const Tensor& x, const Tensor& weights) {
  const ValueId constant = graph.add_constant("weights", weights);
  const ValueId product =
      graph[append(graph, {.op = "Mul", .inputs = {graph.outputs[0], constant}}, {"product"})].outputs[0];
  graph.loss =
      graph[append(graph, {.op = "ReduceSum", .inputs = {product}, .attrs = {{"keepdims", int64_t{0}}}}, {"loss"})]
          .outputs[0];
  const ValueId gradient = differentiate(graph, {graph.find("x")})[0];
  graph.outputs.push_back(gradient);
  const Values values = interpret(graph, {{"x", x}});
  return {values.at("y"), values.at(graph[gradient].name)};
}

}  // namespace

TEST_CASE(
    "a value that is quantized and dequantized by one scale is fake quantized, as is one that is clipped between") {
  CHECK(ops_of(from_text(pair_text("", "%q, %copy, %zero_copy"))) == std::vector<std::string>{"FakeQuantize"});
  const Graph clipped = from_text(pair_text("%c = Clip(%q, %low, %high)", "%c, %scale, %zero"));
  REQUIRE(ops_of(clipped) == std::vector<std::string>{"FakeQuantize"});
  CHECK(clipped[live_nodes(clipped)[0]].attrs.real("low") == 92);
  CHECK(clipped[live_nodes(clipped)[0]].attrs.real("high") == 106);
  CHECK(ops_of(from_text(pair_text("", "%q, %other, %zero")))[0] == "QuantizeLinear");
}

TEST_CASE("fake quantization and its gradient are PyTorch's") {
  const Tensor x = floats({9}, {-2, -0.34f, -0.05f, 0, 0.024f, 0.026f, 0.31f, 0.9f, 3});
  const Tensor weights = floats({9}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  const auto [y, dx] =
      value_and_gradient(from_text(pair_text("%c = Clip(%q, %low, %high)", "%c, %scale, %zero")), x, weights);
  check_close(y, {-0.4f, -0.35f, -0.05f, 0, 0, 0.05f, 0.3f, 0.3f, 0.3f});
  check_close(dx, {0, 2, 3, 4, 5, 6, 7, 0, 0}, 0);

  const Graph per_channel = from_text(R"(graph g {
    input %x: f32[2,4]
    constant %scale: f32[2] = {0.1, 0.002} constant %zero: i8[2] = {0, 3}
    %q = QuantizeLinear(%x, %scale, %zero) {axis=0}
    %y = DequantizeLinear(%q, %scale, %zero) {axis=0}
    output %y })");
  const Tensor rows = floats({2, 4}, {-1, -0.2f, 0.2f, 1, -1, -0.2f, 0.2f, 1});
  const auto [levels, gradient] = value_and_gradient(per_channel, rows, floats({2, 4}, Floats(8, 1)));
  check_close(levels, {-1, -0.2f, 0.2f, 1, -0.262f, -0.2f, 0.2f, 0.248f});
  check_close(gradient, {1, 1, 1, 1, 0, 1, 1, 0}, 0);
}

TEST_CASE("quantizers round as their mode says") {
  const Tensor x = floats({8}, {-2.5f, -1.5f, -1.2f, -0.5f, 0.5f, 1.2f, 1.5f, 2.5f});
  const Tensor scale = floats({}, {1}), zero = floats({}, {0});
  const auto rounded = [&](const std::string& mode) {
    return run("FakeQuantize", {&x, &scale, &zero}, {{"rounding_mode", mode}}, 1)[0];
  };
  check_close(rounded("ROUND"), {-2, -2, -1, 0, 0, 1, 2, 2}, 0);
  check_close(rounded("half_up"), {-3, -2, -1, -1, 1, 1, 2, 3}, 0);
  check_close(rounded("HALF_DOWN"), {-2, -1, -1, 0, 0, 1, 1, 2}, 0);
  check_close(rounded("UP"), {-3, -2, -2, -1, 1, 2, 2, 3}, 0);
  check_close(rounded("DOWN"), {-2, -1, -1, 0, 0, 1, 1, 2}, 0);
  check_close(rounded("CEIL"), {-2, -1, -1, 0, 1, 2, 2, 3}, 0);
  check_close(rounded("FLOOR"), {-3, -2, -2, -1, 0, 1, 1, 2}, 0);
  check_close(rounded("BIPOLAR"), {-1, -1, -1, -1, 1, 1, 1, 1}, 0);
  CHECK_THROWS_AS(rounded("NEAREST"), Error);
}

TEST_CASE("QONNX's Quant clamps to its bits, narrow or not, signed or not") {
  const auto quantized = [](float bits, int64_t is_signed, int64_t narrow) {
    const std::string text = cat(
        "graph g { input %x: f32[4] constant %scale: f32[1] = {0.5} constant %zero: f32[] = {0.0} constant %bits: "
        "f32[] = {",
        bits, ".0} %y = IntQuant(%x, %scale, %zero, %bits) {signed=", is_signed, ", narrow=", narrow, "} output %y }");
    return interpret(from_text(text), {{"x", floats({4}, {-9, -0.3f, 0.3f, 9})}}).at("y");
  };
  check_close(quantized(3, 1, 0), {-2, -0.5f, 0.5f, 1.5f}, 0);
  check_close(quantized(3, 1, 1), {-1.5f, -0.5f, 0.5f, 1.5f}, 0);
  check_close(quantized(3, 0, 0), {0, 0, 0.5f, 3.5f}, 0);
  check_close(quantized(3, 0, 1), {0, 0, 0.5f, 3}, 0);
  check_close(quantized(1, 1, 0), {-0.5f, -0.5f, 0.5f, 0.5f}, 0);
}

TEST_CASE("IntQuant takes a bit width of 1 to 32, a float or an integer") {
  const auto quantized = [](const std::string& bits) {
    const std::string text = cat(
        "graph g { input %x: f32[4] constant %scale: f32[] = {1} constant %zero: f32[] = {0} constant %bits: ", bits,
        " %y = IntQuant(%x, %scale, %zero, %bits) output %y }");
    return interpret(from_text(text), {{"x", floats({4}, {-3e9f, -40, 40, 3e9f})}}).at("y");
  };
  check_close(quantized("f32[] = {6}"), {-32, -32, 31, 31}, 0);
  check_close(quantized("i32[] = {6}"), {-32, -32, 31, 31}, 0);
  check_close(quantized("i64[1] = {32}"), {-0x1p31f, -40, 40, 0x1p31f}, 0);
  for (const char* bits : {"f32[] = {0}", "f32[] = {33}", "f32[] = {2.5}", "i8[] = {-1}"})
    CHECK_THAT(error_of([&] { quantized(bits); }), Catch::Matchers::Contains("it is 1 to 32"));
  CHECK_THAT(error_of([&] { quantized("bool[] = {1}"); }), Catch::Matchers::Contains("one constant"));
}

TEST_CASE("sums of integer products are exact beyond 24 bits, and wrap around at 32") {
  const auto sum = [](int64_t count) {
    Tensor a(Type{DType::u8, {1, count}}), b(Type{DType::u8, {count, 1}});
    std::ranges::fill(a.as<uint8_t>(), uint8_t{255});
    std::ranges::fill(b.as<uint8_t>(), uint8_t{255});
    b.as<uint8_t>()[0] = 254;
    const std::string text =
        cat("graph g { input %a: u8[1,", count, "] input %b: u8[", count, ",1] %y = MatMulInteger(%a, %b) output %y }");
    return interpret(from_text(text), {{"a", a}, {"b", b}}).at("y").as<int32_t>()[0];
  };
  CHECK(sum(1001) == 1001 * 255 * 255 - 255);
  CHECK(sum(50000) == static_cast<int32_t>(static_cast<uint32_t>(int64_t{50000} * 255 * 255 - 255)));
}

TEST_CASE("scales that do not belong to their operand are refused") {
  const Tensor x = floats({2, 3}, Floats(6, 1)), pair = floats({2}, {1, 1}), none = floats({}, {1});
  CHECK_THROWS_AS(run("QuantizeLinear", {&x, &pair}, {}, 1), Error);
  CHECK_NOTHROW(run("QuantizeLinear", {&x, &pair}, {{"axis", int64_t{0}}}, 1));
  CHECK_THROWS_AS(run("QuantizeLinear", {&x, &pair}, {{"axis", int64_t{2}}}, 1), Error);
  CHECK_THROWS_AS(run("QuantizeLinear", {&x, &none}, {{"block_size", int64_t{2}}}, 1), Error);
  CHECK_THROWS_AS(run("QuantizeLinear", {&x, &none}, {{"output_dtype", int64_t{6}}}, 1), Error);
}

}  // namespace marvin
