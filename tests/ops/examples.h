// What tests share that hold ops against examples in text form.
#pragma once

#include <catch2/catch.hpp>
#include <limits>

#include "runtime/ir/text.h"
#include "tests/ops/interpret.h"

namespace marvin {

constexpr int64_t kAll = std::numeric_limits<int64_t>::max();

struct Example {
  std::string_view name;
  std::string_view body;      // constants and nodes; the result is %y
  std::string_view shape;     // of the result
  std::string_view elements;  // of the result
};

// The value %y of a graph made of constants.
inline Tensor result_of(std::string_view body) {
  const Graph graph = from_text(cat("graph g { ", body, " output %y }"));
  return interpret(graph, {}).at("y");
}

inline void check(std::span<const Example> examples) {
  for (const Example& example : examples) {
    INFO(example.name);
    const Tensor result = result_of(example.body);
    CHECK(text_of(result.type()) == example.shape);
    CHECK(elements_text(result, kAll) == example.elements);
  }
}

// The message of the Error that parsing a graph of this body throws; empty when it does not.
inline std::string refusal_of(std::string_view body) {
  try {
    from_text(cat("graph g { ", body, " }"));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace marvin
