#pragma once

#include <string>
#include <vector>

#include "runtime/ir/graph.h"

namespace marvin {

// The losses that attach_loss builds: "cross-entropy", "nll", "bce-with-logits", "bce", "mse", "l1", "huber".
const std::vector<std::string>& loss_names();

// The loss that training uses when the user names none: "output:NAME" for the scalar that the graph already ends in,
// else cross-entropy for integer labels and mse for real ones.
std::string default_loss(const Graph& graph, bool integer_labels);

// What the loss was built from; neither is known of a loss in the model that does not compare scores with an input.
struct LossInputs {
  ValueId scores;  // what is compared with the labels (for cross-entropy, logits), an output of the graph; none: unknown
  ValueId labels;  // an input of the graph: named "labels" where this pass made it
};

// Gives the graph a scalar loss over its first float output and an input `labels` (i64 of the scores' shape without the
// class axis for cross-entropy and nll, floats of the scores' shape otherwise), or makes "output:NAME" the loss. The
// mean over the batch is taken, as PyTorch's losses do. A Softmax in front of cross-entropy is looked through: its
// operand holds the logits. Throws Error on an unknown name or shapes that do not fit.
LossInputs attach_loss(Graph& graph, const std::string& name);

}  // namespace marvin
