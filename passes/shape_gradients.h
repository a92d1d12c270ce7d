#pragma once

#include <vector>

#include "runtime/ir/graph.h"

namespace marvin {

// What happens to gradients between differentiation and the optimizer.
struct GradientOptions {
  float l1 = 0;         // adds l1 * sign(w): the gradient of l1 * |w|
  float clip_norm = 0;  // scales all gradients so that their common 2-norm is at most this; 0: no clipping
  // Micro-batches to an optimizer step. The gradients of those before the last are summed up in `w.gradient_sum`; the
  // last one's step takes the mean.
  int64_t accumulate = 1;
  bool is_last = true;  // of the micro-batches: whether this graph ends in a step
};

// Rewrites the gradients of the parameters, in this order: mean over micro-batches, l1, clipping as
// torch.nn.utils.clip_grad_norm_ does (scaled by clip_norm / (norm + 1e-6) where that is below 1). Where is_last does
// not hold, adds the updates of the sums and makes every gradient none: there is nothing to optimize.
void shape_gradients(Graph& graph, const GradientOptions& options, const std::vector<ValueId>& parameters,
                     std::vector<ValueId>& gradients);

// Makes every gradient a value of its own, <parameter>.gradient, which nothing else reads.
void set_apart(Graph& graph, const std::vector<ValueId>& parameters, std::vector<ValueId>& gradients);

// Divides every gradient by its 2-norm. One that is zero stays zero, as one below 1e-18 stays near it.
void make_unit(Graph& graph, std::vector<ValueId>& gradients);

}  // namespace marvin
