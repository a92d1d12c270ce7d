#include "runtime/cli/synthetic_data.h"

#include <catch2/catch.hpp>
#include <set>

#include "runtime/ops/op.h"

namespace marvin {
namespace {

// All that is drawn for the model, with cross-entropy.
Dataset data_of(const std::string& text) { return synthetic_data(from_text(text), {.name = "cross-entropy"}); }

std::set<int64_t> values_of(const Dataset& data, std::string_view name) {
  const std::span<const int64_t> all = data.find(name)->values.as<int64_t>();
  return {all.begin(), all.end()};
}

std::set<int64_t> below(int64_t bound) {
  std::set<int64_t> all;
  for (int64_t i = 0; i < bound; ++i) all.insert(i);
  return all;
}

TEST_CASE("Synthetic tokens are rows of the smallest table that they pick from, and labels are classes") {
  const Dataset data = data_of(R"(graph g {
    input %tokens: i64[4,32]
    parameter %small: f32[5,3]
    parameter %large: f32[9,3]
    constant %one: i64[1] = {128}
    constant %three: i64[3] = {4, 32, 3}
    %flat = Reshape(%tokens, %one)
    %picked = Gather(%small, %flat)
    %rows = Reshape(%picked, %three)
    %others = Gather(%large, %tokens)
    %sum = Add(%rows, %others)
    %scores = Transpose(%sum) {perm=[0,2,1]}
    output %scores
  })");
  CHECK(values_of(data, "tokens") == below(5));
  CHECK(values_of(data, "labels") == below(3));
  CHECK(data.find("labels")->values.type() == Type{DType::i64, {4, 32}});
}

TEST_CASE("Synthetic integers that index nothing are zeros and ones, and reals are standard normal") {
  const Dataset data = data_of(R"(graph g {
    input %x: f32[100,50]
    input %mask: i64[100,50]
    %m = Cast(%mask) {to=1}
    %scores = Mul(%x, %m)
    output %scores
  })");
  CHECK(values_of(data, "mask") == below(2));
  double sum = 0, squares = 0;
  for (const float value : data.find("x")->values.as<float>()) {
    sum += value;
    squares += value * value;
  }
  CHECK(sum / 5000 == Approx(0).margin(0.05));
  CHECK(squares / 5000 == Approx(1).margin(0.05));
}

}  // namespace
}  // namespace marvin
