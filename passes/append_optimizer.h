#pragma once

#include <string>
#include <vector>

#include "runtime/ir/graph.h"

namespace marvin {

// How parameters are updated; the meaning of every field is torch.optim's.
struct OptimizerOptions {
  std::string name = "sgd";  // sgd, adam or adamw
  float momentum = 0;
  bool nesterov = false;
  float weight_decay = 0;
  float beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f;
};

const std::vector<std::string>& optimizer_names();

// The scalar float32 inputs that append_optimizer adds; none where the optimizer has no use for one.
struct OptimizerInputs {
  ValueId lr;
  ValueId step;  // counts from 1
};

// Adds one optimizer node per parameter and its updates: the parameter w takes w.next, and its state (w.velocity, or
// w.m and w.v) likewise. Adds the inputs `lr` and, for Adam, `step`. Parameters without a
// gradient are left alone. Throws Error on an unknown optimizer.
OptimizerInputs append_optimizer(Graph& graph, const OptimizerOptions& options,
                                 const std::vector<ValueId>& parameters,
                                 const std::vector<ValueId>& gradients);

}  // namespace marvin
