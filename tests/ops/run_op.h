// What tests of single ops share.
#pragma once

#include <catch2/catch.hpp>
#include <random>
#include <string_view>
#include <vector>

#include "runtime/ops/op.h"

namespace marvin {

using Floats = std::vector<float>;

inline Tensor floats(Shape shape, const Floats& values) { return Tensor::of<float>(std::move(shape), values); }

// Each within tolerance, relative or absolute.
inline void check_close(const Tensor& got, const Floats& want, double tolerance = 1e-6) {
  const std::span<const float> values = got.as<float>();
  REQUIRE(values.size() == want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    INFO("element " << i);
    CHECK(values[i] == Approx(want[i]).epsilon(tolerance).margin(tolerance));
  }
}

inline std::vector<Tensor> run(std::string_view op, const std::vector<const Tensor*>& inputs, const Attrs& attrs,
                               size_t outputs) {
  return evaluate(op_named(op), inputs, attrs, outputs);
}

// Elements in [-1, 1).
inline Tensor random_tensor(Shape shape, unsigned seed) {
  Tensor tensor(Type{DType::f32, std::move(shape)});
  std::mt19937 random(seed);
  for (float& element : tensor.as<float>()) element = static_cast<float>((random() >> 8) * 0x1p-23 - 1);
  return tensor;
}

}  // namespace marvin
