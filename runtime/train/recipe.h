// Everything that decides how a model is trained.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "passes/append_optimizer.h"
#include "passes/attach_loss.h"
#include "runtime/data/preprocess.h"
#include "runtime/ops/op.h"
#include "runtime/train/schedule.h"

namespace marvin {

struct Recipe {
  LossOptions loss;  // without a name: default_loss
  OptimizerOptions optimizer;
  ScheduleOptions schedule;
  float l1 = 0;               // weight of the sum of absolute values, on every parameter
  float clip_grad_norm = 0;   // the largest 2-norm of all gradients together; 0: no clipping
  int64_t accumulate = 1;     // batches to an optimizer step
  std::string init = "keep";  // how weights begin: one of initializer_names()
  std::string freeze;         // a regular expression: parameters that are not trained; empty: none
  int64_t epochs = 1;
  std::optional<int64_t> steps;  // instead of epochs
  int64_t batch_size = 128;
  bool shuffle = true;
  uint64_t seed = 0;
  double validation_split = 0;  // share of the training data that is set aside for evaluation
  std::string precision = "adaptive";
  bool switch_at_epoch = false;          // apply switches at the end of an epoch only
  int64_t evaluate_every = 1;            // epochs
  std::optional<Preprocess> preprocess;  // empty: scale, and normalise with the training set's mean and deviation
  std::optional<Backend> backend;        // preferred for products
  bool profile = false;                  // time every step of the plan
};

// Throws Error naming the flag and the legal values where a setting makes no sense by itself.
void check_values(const Recipe& recipe);
// And where settings make no sense together.
void check(const Recipe& recipe);

}  // namespace marvin
