// Einsum, attention and Fourier transforms, whose newer forms ONNX's conformance cases leave out.
#include <cmath>
#include <numbers>

#include "tests/ops/interpret.h"
#include "tests/ops/run_op.h"

namespace marvin {
namespace {

std::vector<std::string> ops_of(const std::string& text) {
  const Graph graph = from_text(text);
  std::vector<std::string> ops;
  for (const NodeId node : live_nodes(graph)) ops.push_back(graph[node].op);
  return ops;
}

std::string refusal(const std::string& equation, const std::string& operands = "%a, %b") {
  try {
    from_text("graph g { input %a: f32[2,3] input %b: f32[3,4] %y = Einsum(" + operands + ") {equation=\"" + equation +
              "\"} output %y }");
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

Tensor einsum(const std::string& equation, const Tensor& a, const Tensor& b) {
  const std::string text = cat("graph g { input %a: ", text_of(a.type()), " input %b: ", text_of(b.type()),
                               " %y = Einsum(%a, %b) {equation=\"", equation, "\"} output %y }");
  return interpret(from_text(text), {{"a", a}, {"b", b}}).at("y");
}

}  // namespace

TEST_CASE("sums over labels that two operands share are matrix products, without copies where the order allows") {
  using Ops = std::vector<std::string>;
  CHECK(ops_of("graph g { input %a: f32[2,3,4] input %b: f32[2,5,4] %y = Einsum(%a, %b) {equation=\"bij,bkj->bik\"} "
               "output %y }") == Ops{"MatMul"});
  CHECK(ops_of("graph g { input %a: f32[2,3,4] input %b: f32[4,5,6] %y = Einsum(%a, %b) {equation=\"bsd,dhk->bshk\"} "
               "output %y }") == Ops{"Reshape", "Reshape", "MatMul", "Reshape"});
}

TEST_CASE("Einsum takes labels in any order and broadcasts extents of 1") {
  const Tensor a = floats({2, 3}, {1, 2, 3, 4, 5, 6}), b = floats({3, 2}, {1, 0, 0, 1, 1, 1});
  check_close(einsum("ij,jk->ki", a, b), {4, 10, 5, 11}, 0);
  check_close(einsum("ij,jk", a, b), {4, 5, 10, 11}, 0);
  check_close(einsum("ij,ji->", a, b), {1 + 3 + 5 + 6}, 0);
  check_close(einsum("ba,ab->b", a, b), {1 + 3, 5 + 6}, 0);
  check_close(einsum("ij,kj->ik", a, floats({1, 1}, {2})), {12, 30}, 0);
}

TEST_CASE("Einsum refuses equations that do not fit their operands") {
  CHECK(refusal("ij,jk->ik").empty());
  CHECK_THAT(refusal("ij,ik"), Catch::Contains("'i' has the extents 2 and 3"));
  CHECK_THAT(refusal("ij,jk->il"), Catch::Contains("'l' of the output is in no operand"));
  CHECK_THAT(refusal("ij,jk->ii"), Catch::Contains("twice in the output"));
  CHECK_THAT(refusal("ij->i"), Catch::Contains("1 terms for 2 operands"));
  CHECK_THAT(refusal("ijk,jk->i"), Catch::Contains("3 labels"));
  CHECK_THAT(refusal("i1,jk->i"), Catch::Contains("'1' is not a label"));
  CHECK_THAT(refusal("......,jk->i"), Catch::Contains("two ellipses"));
}

TEST_CASE("queries see the keys that masks leave them, and the past before") {
  // All scores are equal: y is the mean of the values that are seen.
  const auto attend = [](const std::string& operands, const std::string& attributes) {
    const std::string text =
        "graph g { input %q: f32[1,1,2,1] input %k: f32[1,1,3,1] input %v: f32[1,1,3,1] input %past: f32[1,1,1,1] "
        "constant %mask: bool[2,2] = {1, 0, 1, 1} constant %count: i64[1] = {2} %y = Attention(%q, %k, %v" +
        operands + ") {" + attributes + "} output %y }";
    Tensor zeros(Type{DType::f32, {1, 1, 2, 1}});
    return interpret(from_text(text), {{"q", zeros},
                                       {"k", floats({1, 1, 3, 1}, {1, 2, 3})},
                                       {"v", floats({1, 1, 3, 1}, {1, 2, 6})},
                                       {"past", floats({1, 1, 1, 1}, {10})}})
        .at("y");
  };
  check_close(attend("", ""), {3, 3});
  check_close(attend("", "is_causal=1"), {1, 1.5f});
  check_close(attend(", %mask", ""), {1, 1.5f});  // the third key is behind the mask
  check_close(attend(", _, %past, %past", "is_causal=1"), {5.5f, 13.0f / 3});
  check_close(attend(", _, _, _, %count", ""), {1.5f, 1.5f});
  check_close(attend(", _, _, _, %count", "is_causal=1"), {1, 1.5f});
}

TEST_CASE("the cap of attention scores is below the mask") {
  const Graph graph = from_text(R"(graph g {
    input %q: f32[1,1,1,1] constant %k: f32[1,1,2,1] = {4.0, 8.0} constant %v: f32[1,1,2,1] = {1.0, 2.0}
    constant %mask: f32[1,2] = {1.0, 2.0}
    %y0, _, _, %scaled = Attention(%q, %k, %v, %mask) {softcap=2.0, qk_matmul_output_mode=0}
    %y1, _, _, %capped = Attention(%q, %k, %v, %mask) {softcap=2.0, qk_matmul_output_mode=1}
    %y2, _, _, %masked = Attention(%q, %k, %v, %mask) {softcap=2.0, qk_matmul_output_mode=2}
    output %scaled output %capped output %masked })");
  const Values values = interpret(graph, {{"q", floats({1, 1, 1, 1}, {1})}});
  const float first = 2 * std::tanh(2.0f), second = 2 * std::tanh(4.0f);
  check_close(values.at("scaled"), {4, 8});
  check_close(values.at("capped"), {first, second});
  check_close(values.at("masked"), {first + 1, second + 2});
}

TEST_CASE("transforms of every length agree with the sum that defines them, and the inverse undoes them") {
  for (const int64_t n : {1, 2, 5, 8, 12, 13, 30}) {
    INFO(n << " points");
    const Tensor x = random_tensor({n, 2}, 5);
    const Attrs attrs = {{"axis", int64_t{0}}, {"points", n}};
    const Tensor y = run("FourierTransform", {&x}, attrs, 1)[0];
    Floats expected;
    for (int64_t k = 0; k < n; ++k) {
      double real = 0, imaginary = 0;
      for (int64_t i = 0; i < n; ++i) {
        const double angle = -2 * std::numbers::pi * static_cast<double>(i * k) / static_cast<double>(n);
        const double a = x.as<float>()[static_cast<size_t>(2 * i)], b = x.as<float>()[static_cast<size_t>(2 * i + 1)];
        real += a * std::cos(angle) - b * std::sin(angle);
        imaginary += a * std::sin(angle) + b * std::cos(angle);
      }
      expected.insert(expected.end(), {static_cast<float>(real), static_cast<float>(imaginary)});
    }
    check_close(y, expected);
    Attrs inverse = attrs;
    inverse.set("inverse", int64_t{1});
    check_close(run("FourierTransform", {&y}, inverse, 1)[0], {x.as<float>().begin(), x.as<float>().end()});
  }
}

}  // namespace marvin
