// Numbers of 8 and 4 bits: what their bits stand for, how they are rounded to, and ops on them.
#include <catch2/catch.hpp>
#include <cmath>

#include "tests/ops/interpret.h"
#include "tests/ops/run_op.h"

namespace marvin {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

template <class T>
constexpr int kCodes = std::is_same_v<T, Float4E2M1> ? 16 : 256;

template <class T>
float number(int bits) {
  T stored;
  stored.bits = static_cast<decltype(stored.bits)>(bits);
  return static_cast<float>(stored);
}

// The number of T that is nearest to x, halves to the even one, found by looking at all of them.
template <class T>
float nearest(float x) {
  float best = 0, distance = kInfinity;
  for (int bits = 0; bits < kCodes<T>; ++bits) {
    const float candidate = number<T>(bits);
    if (!std::isfinite(candidate)) continue;
    const float error = std::abs(candidate - x);
    if (error > distance || (error == distance && (bits & 1) != 0)) continue;
    best = candidate;
    distance = error;
  }
  return best;
}

template <class T>
void check_rounding() {
  for (int bits = 0; bits < kCodes<T>; ++bits) {
    const float exact = number<T>(bits);
    if (!std::isfinite(exact)) continue;
    CHECK(static_cast<float>(T(exact)) == exact);
    for (const float factor : {0.97f, 1.01f, 1.0625f, 1.125f, 1.25f, 1.4f}) {
      const float x = exact * factor;
      if (static_cast<float>(T(x)) != nearest<T>(x)) FAIL(x << " became " << static_cast<float>(T(x)));
    }
  }
}

}  // namespace

TEST_CASE("the bits of small floats stand for what ONNX says") {
  CHECK(number<Float8E4M3FN>(0x38) == 1);
  CHECK(number<Float8E4M3FN>(0x01) == 0x1p-9f);
  CHECK(number<Float8E4M3FN>(0x7e) == 448);
  CHECK(std::isnan(number<Float8E4M3FN>(0xff)));
  CHECK(number<Float8E4M3FNUZ>(0x40) == 1);
  CHECK(number<Float8E4M3FNUZ>(0x7f) == 240);
  CHECK(std::isnan(number<Float8E4M3FNUZ>(0x80)));
  CHECK(number<Float8E5M2>(0xbc) == -1);
  CHECK(number<Float8E5M2>(0x7b) == 57344);
  CHECK(number<Float8E5M2>(0xfc) == -kInfinity);
  CHECK(std::isnan(number<Float8E5M2>(0x7d)));
  CHECK(number<Float8E5M2FNUZ>(0x7f) == 57344);
  CHECK(number<Float8E5M2FNUZ>(0x01) == 0x1p-17f);
  CHECK(number<Float8E8M0>(127) == 1);
  CHECK(number<Float8E8M0>(0) == 0x1p-127f);
  CHECK(std::isnan(number<Float8E8M0>(255)));
  const float float4[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  for (int bits = 0; bits < 16; ++bits) CHECK(number<Float4E2M1>(bits) == (bits < 8 ? 1 : -1) * float4[bits % 8]);
}

TEST_CASE("small floats round to the nearest number, halves to even") {
  check_rounding<Float8E4M3FN>();
  check_rounding<Float8E4M3FNUZ>();
  check_rounding<Float8E5M2>();
  check_rounding<Float8E5M2FNUZ>();
  check_rounding<Float4E2M1>();
}

TEST_CASE("what is too large for a small float saturates or not as ONNX's tables say") {
  const auto table = [](auto zero, float x, bool saturate) { return static_cast<float>(decltype(zero)(x, saturate)); };
  CHECK(table(Float8E4M3FN{}, 1e6f, true) == 448);
  CHECK(table(Float8E4M3FN{}, -kInfinity, true) == -448);
  CHECK(std::isnan(table(Float8E4M3FN{}, 1e6f, false)));
  CHECK(table(Float8E4M3FN{}, 463, false) == 448);
  CHECK(std::isnan(table(Float8E4M3FN{}, 465, false)));
  CHECK(table(Float8E4M3FNUZ{}, -1e6f, true) == -240);
  CHECK(std::isnan(table(Float8E4M3FNUZ{}, kInfinity, true)));
  CHECK(table(Float8E5M2{}, 1e6f, true) == 57344);
  CHECK(table(Float8E5M2{}, kInfinity, true) == 57344);
  CHECK(table(Float8E5M2{}, -1e6f, false) == -kInfinity);
  CHECK(table(Float8E5M2FNUZ{}, 1e6f, true) == 57344);
  CHECK(std::isnan(table(Float8E5M2FNUZ{}, 1e6f, false)));
  CHECK(table(Float4E2M1{}, 1e6f, false) == 6);
  CHECK(std::isnan(static_cast<float>(Float8E4M3FN(NAN))));
  CHECK(std::signbit(static_cast<float>(Float8E4M3FN(-0.0f))));
  CHECK(!std::signbit(static_cast<float>(Float8E4M3FNUZ(-0.0f))));
}

TEST_CASE("powers of two for scales round up") {
  CHECK(Float8E8M0(1).bits == 127);
  CHECK(Float8E8M0(1.01f).bits == 128);
  CHECK(Float8E8M0(0x1p-130f).bits == 0);
  CHECK(Float8E8M0(kInfinity).bits == 254);
  CHECK(Float8E8M0(NAN).bits == 255);
}

TEST_CASE("narrow numbers are written, cast, quantized to and dequantized") {
  const Values values = interpret(from_text(R"(graph g {
    constant %x: f32[6] = {-9, -0.3, 0.26, 1.75, 5, nan}
    constant %wide: i32[3] = {23, -9, 7}
    constant %scale: f32[] = {0.5} constant %i4: i4[] = {1} constant %u4: u4[] = {2} constant %f8: f8e4m3fn[] = {0}
    constant %words: i4[4] = {-8, -1, 0, 7}
    constant %rows: f32[2,2] = {1, 2, 4, 8}
    constant %blocks: u4[2,2] = {1, 2, 3, 15}
    %cut = Cast(%x) {to=22}
    %low_bits = Cast(%wide) {to=22}
    %low_unsigned = Cast(%wide) {to=21}
    %back = Cast(%words) {to=7}
    %q4 = QuantizeLinear(%x, %scale, %i4)
    %qu4 = QuantizeLinear(%x, %scale, %u4)
    %q8 = QuantizeLinear(%x, %scale, %f8)
    %qf4 = QuantizeLinear(%x, %scale) {output_dtype=23}
    %d4 = DequantizeLinear(%words, %scale, %i4)
    %db = DequantizeLinear(%blocks, %rows) {block_size=1}
    %moved = Transpose(%blocks)
    output %cut output %low_bits output %low_unsigned output %back output %q4 output %qu4 output %q8 output %qf4
    output %d4 output %db output %moved })"),
                                  {});
  const auto text = [&](const std::string& name) {
    const Tensor wide = converted(values.at(name), DType::f32);
    std::string numbers;
    for (const float x : wide.as<float>()) numbers += cat(x, " ");
    return numbers;
  };
  CHECK(text("cut") == "-8 0 0 1 5 0 ");
  CHECK(text("low_bits") == "7 7 7 ");
  CHECK(text("low_unsigned") == "7 7 7 ");
  CHECK(values.at("back") == Tensor::of<int64_t>({4}, {-8, -1, 0, 7}));
  CHECK(text("q4") == "-8 0 2 5 7 -8 ");
  CHECK(text("qu4") == "0 1 3 6 12 0 ");
  CHECK(text("q8") == "-18 -0.625 0.5 3.5 10 nan ");
  CHECK(text("qf4") == "-6 -0.5 0.5 4 6 0 ");
  CHECK(text("d4") == "-4.5 -1 -0.5 3 ");
  CHECK(text("db") == "1 4 12 120 ");
  CHECK(text("moved") == "1 3 2 15 ");
}

TEST_CASE("gradients pass a small float that is quantized to and back, where it is not clamped") {
  const Graph graph = from_text(R"(graph g {
    input %x: f32[4] constant %scale: f32[] = {0.5} constant %zero: f8e4m3fn[] = {0}
    %q = QuantizeLinear(%x, %scale, %zero) %y = DequantizeLinear(%q, %scale, %zero) output %y })");
  REQUIRE(graph[live_nodes(graph)[0]].op == "FakeQuantize");
  const Tensor x = Tensor::of<float>({4}, {0.26f, -3.3f, 223, 300});
  CHECK(interpret(graph, {{"x", x}}).at("y") == Tensor::of<float>({4}, {0.25f, -3.25f, 224, 224}));
}

TEST_CASE("nothing computes in narrow numbers") {
  CHECK_THROWS_WITH(from_text("graph g { constant %x: i4[2] = {1, 2} %y = Add(%x, %x) output %y }"),
                    Catch::Matchers::Contains("i4"));
}

}  // namespace marvin
