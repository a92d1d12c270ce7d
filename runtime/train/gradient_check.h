// Symbolic gradients against differences of a model's outputs.
#pragma once

#include <string>
#include <vector>

#include "runtime/data/dataset.h"
#include "runtime/ir/graph.h"

namespace marvin {

struct GradientCheck {
  std::string name;  // the parameter's or input's
  Type type;
  bool reached = true;            // whether any gradient gets there
  bool straight_through = false;  // whether it passed a FakeQuantize, where it is no derivative
  double norm = 0;                // of the symbolic gradient
  double error = 0;  // the largest difference of directional derivatives, beyond rounding, relative to the norm
};

// Compares, for every trainable parameter and float32 input of the model, derivatives of a random weighting of its
// float32 outputs along random directions with central differences. Of several step lengths the best one counts: long
// ones cross kinks of the function, short ones are rounded away. The model's state does not change. Throws Error where
// an op has no gradient, or where `inputs` lack one of the model's.
std::vector<GradientCheck> check_gradients(const Graph& model, const std::vector<NamedArray>& inputs, uint64_t seed);

}  // namespace marvin
