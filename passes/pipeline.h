// From a model to a training step, and on to a plan.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "passes/append_optimizer.h"
#include "passes/attach_loss.h"
#include "passes/insert_quantization.h"
#include "passes/runner.h"
#include "passes/shape_gradients.h"
#include "runtime/exec/plan.h"
#include "runtime/precision/fixed_point.h"

namespace marvin {

struct CompileOptions {
  LossOptions loss;  // without a name: none, the model as it is
  std::optional<OptimizerOptions>
      optimizer;            // none: no parameter changes, and nothing is differentiated unless `gradients`
  std::string freeze;       // a regular expression on names of parameters; empty: all are trained
  GradientOptions shaping;  // of gradients, before the optimizer
  bool gradients = false;   // differentiate without an optimizer: gradients are computed and observed
  Formats formats;          // a slot that is not named is float32
  Treatment treatment;      // what the policy that decides on formats asks for
  Observation observe;
  std::optional<Backend> backend;  // preferred for products
};

// The passes in order, by the names that `inspect --after` takes.
const std::vector<std::string>& pass_names();

// A graph that is ready to be planned, and the inputs that passes gave it.
struct Compiled {
  Graph graph;
  LossInputs loss;
  OptimizerInputs optimizer;
  std::vector<std::vector<size_t>> partners;  // by slot: those that products multiply it with
  size_t product_slots = 0;                   // of graph.slots; those after them are of parameters' gradients
  std::vector<std::string> untrained;  // parameters that no gradient reaches: no derivative passes what reads them
};

// Runs the passes. Throws Error where the model cannot be trained.
Compiled compile(const Graph& model, const CompileOptions& options, PassRunner& runner);

}  // namespace marvin
