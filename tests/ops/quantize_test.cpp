#include <set>

#include "tests/ops/run_op.h"

namespace marvin {
namespace {

// Which elements of a value a sample shows.
std::vector<int64_t> sampled(int64_t count, int64_t limit) {
  Tensor x(Type{DType::f32, {count}});
  for (int64_t i = 0; i < count; ++i) x.as<float>()[static_cast<size_t>(i)] = static_cast<float>(i);
  const Tensor sample = run("Sample", {&x}, {{"limit", limit}}, 1)[0];
  const std::span<const float> values = sample.as<float>();
  return {values.begin(), values.end()};
}

}  // namespace

TEST_CASE("a sample shows different elements, from the first to the last, with equal gaps between runs of 64") {
  struct Case {
    int64_t count, limit;
  };
  for (const auto& [count, limit] : {Case{600, 130}, {131, 130}, {5120, 4096}, {100000, 65536}, {1 << 20, 65536}}) {
    INFO(limit << " of " << count);
    const std::vector<int64_t> shown = sampled(count, limit);
    CHECK(std::set(shown.begin(), shown.end()).size() == static_cast<size_t>(limit));
    CHECK(shown.front() == 0);
    CHECK(shown.back() == count - 1);
    const int64_t gaps = (limit - 1) / 64, gap = (count - limit) / gaps;
    for (size_t i = 1; i < shown.size(); ++i) {
      const int64_t step = shown[i] - shown[i - 1];
      if (i % 64 == 0 ? step < gap + 1 || step > gap + 2 : step != 1) FAIL("element " << i << " comes after " << step);
    }
  }
}

TEST_CASE("a sample of no more elements than its limit shows all") {
  CHECK(sampled(3, 4096) == std::vector<int64_t>{0, 1, 2});
  CHECK(sampled(64, 64).back() == 63);
}

}  // namespace marvin
