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
  // Of cross-entropy and nll: the axis of the scores along which the classes lie, below 0 from the end. None: where the
  // labels' shape says that they lie; axis 1 as in ONNX's losses where `labels` is not known.
  std::optional<int64_t> class_axis;
  std::optional<Shape> labels;  // the shape of a batch of the data's labels where these are integers; none: unknown
  bool operator==(const LossOptions&) const = default;
};

// The losses that attach_loss builds: "cross-entropy", "nll", "bce-with-logits", "bce", "mse", "l1", "huber", "kl".
const std::vector<std::string>& loss_names();

// The loss that training uses when the user names none: "output:NAME" for the scalar that the graph already ends in,
// else mse for real labels; for integer ones cross-entropy, or, where a sample has one score, bce of what a Sigmoid
// made and bce-with-logits of others. `output` is that of LossOptions.
std::string default_loss(const Graph& graph, bool integer_labels, const std::string& output);

// The output that this loss is computed from; "" for output:NAME, and where the graph has one float output alone.
std::string loss_output(const Graph& graph, const LossOptions& options);

// The axis of its classes, from 0; none for losses without classes, and where the scores [n,c] leave no choice. Throws
// Error as attach_loss does.
std::optional<int64_t> class_axis(const Graph& graph, const LossOptions& options);

// What the loss was built from; neither is known of a loss in the model that does not compare scores with an input.
struct LossInputs {
  // What is compared with the labels (for cross-entropy, logits), an output of the graph: [n,c,...] where these are
  // classes; none: unknown.
  ValueId scores;
  ValueId labels;                       // an input of the graph: named "labels" where this pass made it
  std::optional<int64_t> ignore_index;  // the class label that counts for nothing
  bool ranks = false;                   // the scores are of classes, one of which is the label
  int64_t label_limit = 0;              // labels are integers from 0 to this less one; 0: they are numbers
};

// Gives the graph a scalar loss over one of its float outputs and an input `labels`, or makes "output:NAME" the loss.
// The mean over the batch is taken, as PyTorch's losses do. A Softmax in front of cross-entropy is looked through: its
// operand holds the logits. kl takes log-probabilities.
//
// Labels of cross-entropy and nll are i64 of the scores' shape without the axis of the classes; of scores [n*t,c],
// which a model has flattened, also [n,t]. Those of the others are floats of the scores' shape, or, of the shape that
// `options.labels` says, integers that differ from it in axes of extent 1 alone.
//
// Throws Error on an unknown name, options that the loss has not, labels that do not fit, and on labels that fit scores
// with classes on axis 1 and on the last alike where the options do not say which.
LossInputs attach_loss(Graph& graph, const LossOptions& options);

}  // namespace marvin
