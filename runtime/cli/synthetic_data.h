// Data that a model can be timed on, made up from its types.
#pragma once

#include "passes/attach_loss.h"
#include "runtime/data/dataset.h"

namespace marvin {

// One batch for all inputs of the model, whose batch is bound, and for the labels of the loss. Reals are standard
// normal. Integers are uniform: below the extent that they index in Gather and its like, or the number of classes that
// they are compared with, followed through nodes from integers to integers; others, masks and segments, are 0 or 1, as
// are booleans. The same numbers for the same model. Throws Error where the loss does not fit the model.
Dataset synthetic_data(Graph model, const LossOptions& loss);

}  // namespace marvin
