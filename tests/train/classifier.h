// A small classifier and data that it learns at once.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

#include "runtime/train/trainer.h"

namespace marvin {

constexpr int64_t kSamples = 96;

inline Graph classifier(int64_t batch, bool) {
  std::mt19937 random(3);
  Graph graph = from_text(cat("graph g { input %x: f32[", batch, R"(,6]
    parameter %fc1.weight: f32[8,6] parameter %fc1.bias: f32[8]
    parameter %fc2.weight: f32[3,8] parameter %fc2.bias: f32[3]
    %a = Gemm(%x, %fc1.weight, %fc1.bias) {transB=1}
    %r = Relu(%a)
    %y = Gemm(%r, %fc2.weight, %fc2.bias) {transB=1}
    output %y })"));
  for (uint32_t i = 0; i < graph.value_count(); ++i) {
    Value& value = graph[ValueId{i}];
    if (value.kind != ValueKind::parameter) continue;
    Tensor data(value.type);
    for (float& element : data.as<float>()) element = static_cast<float>(random() >> 8) * 0x1p-24f - 0.5f;
    value.data = std::make_shared<const Tensor>(std::move(data));
  }
  return graph;
}

// Which of the first three inputs is the largest.
inline Dataset easy_data() {
  std::mt19937 random(4);
  Tensor x(Type{DType::f32, {kSamples, 6}}), labels(Type{DType::i64, {kSamples}});
  for (float& element : x.as<float>()) element = static_cast<float>(random() >> 8) * 0x1p-23f - 1;
  for (size_t n = 0; n < kSamples; ++n) {
    const std::span<const float> row = x.as<float>().subspan(n * 6, 3);
    labels.as<int64_t>()[n] = std::max_element(row.begin(), row.end()) - row.begin();
  }
  return {.kind = DataKind::arrays, .arrays = {{"x", x}, {"labels", labels}}, .classes = 3};
}

inline Recipe recipe_in(const std::string& precision) {
  Recipe recipe;
  recipe.batch_size = 16;
  recipe.epochs = 20;
  recipe.schedule.lr = 0.2;
  recipe.optimizer.momentum = 0.9f;
  recipe.precision = precision;
  return recipe;
}

}  // namespace marvin
