#pragma once

#include <string>
#include <vector>

#include "runtime/ir/graph.h"

namespace marvin {

// How parameters are updated; the meaning of every field is torch.optim's.
struct OptimizerOptions {
  std::string name = "sgd";  // one of optimizer_names()
  float momentum = 0;        // of sgd and rmsprop
  bool nesterov = false;     // of sgd
  float weight_decay = 0;
  float beta1 = 0.9f, beta2 = 0.999f;  // of adam and adamw
  float alpha = 0.99f;                 // of rmsprop
  float epsilon = 1e-8f;               // of all but sgd and adagrad (which has 1e-10)
};

const std::vector<std::string>& optimizer_names();

// The scalar float32 inputs that append_optimizer adds; none where the optimizer has no use for one.
struct OptimizerInputs {
  ValueId lr;
  ValueId step;  // counts from 1
};

// Adds one optimizer node per parameter and its updates: the parameter w takes w.next, and its state (w.velocity for
// momentum, w.m and w.v for Adam, w.sum for Adagrad, w.square for RMSprop) likewise. Adds the input `lr` and, for Adam
// and Adagrad, `step`. Parameters without a gradient are left alone. Throws Error on an unknown optimizer.
OptimizerInputs append_optimizer(Graph& graph, const OptimizerOptions& options, const std::vector<ValueId>& parameters,
                                 const std::vector<ValueId>& gradients);

}  // namespace marvin
