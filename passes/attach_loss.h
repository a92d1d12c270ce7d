#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/ir/graph.h"

namespace marvin {

struct LossOptions {
  std::string name;                     // of loss_names(), or "output:NAME"
  std::string output;                   // what is compared with the labels; "": the first float output
  double label_smoothing = 0;           // of cross-entropy: the share of every label that is spread over all classes
  std::optional<int64_t> ignore_index;  // of cross-entropy and nll: the label that counts for nothing
  bool operator==(const LossOptions&) const = default;
};

// The losses that attach_loss builds: "cross-entropy", "nll", "bce-with-logits", "bce", "mse", "l1", "huber", "kl".
const std::vector<std::string>& loss_names();

// The loss that training uses when the user names none: "output:NAME" for the scalar that the graph already ends in,
// else cross-entropy for integer labels and mse for real ones.
std::string default_loss(const Graph& graph, bool integer_labels);

// The output that this loss is computed from; "" for output:NAME, and where the graph has one float output alone.
std::string loss_output(const Graph& graph, const LossOptions& options);

// What the loss was built from; neither is known of a loss in the model that does not compare scores with an input.
struct LossInputs {
  ValueId
      scores;  // what is compared with the labels (for cross-entropy, logits), an output of the graph; none: unknown
  ValueId labels;                       // an input of the graph: named "labels" where this pass made it
  std::optional<int64_t> ignore_index;  // the class label that counts for nothing
};

// Gives the graph a scalar loss over one of its float outputs and an input `labels` (i64 of the scores' shape without the
// class axis for cross-entropy and nll, floats of the scores' shape otherwise), or makes "output:NAME" the loss. The
// mean over the batch is taken, as PyTorch's losses do. A Softmax in front of cross-entropy is looked through: its
// operand holds the logits. kl takes log-probabilities. Throws Error on an unknown name, options that the loss has not,
// or shapes that do not fit.
LossInputs attach_loss(Graph& graph, const LossOptions& options);

}  // namespace marvin
