// Which array of a data set feeds which input of a graph.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "passes/attach_loss.h"
#include "runtime/data/batches.h"
#include "runtime/exec/executor.h"

namespace marvin {

struct InputBinding {
  std::string array;  // of the data set
  std::string input;  // of the graph
};

// Binds every data input of the graph (all but `fed`, which the caller fills) to an array: in an image data set "input"
// feeds the one data input and "labels" the labels; otherwise arrays have the names of the inputs, and `labels` feeds
// the label input where none has its name. Throws Error naming array, input and what was expected.
std::vector<InputBinding> bind_inputs(const Graph& graph, const LossInputs& loss, const std::vector<ValueId>& fed,
                                      const Dataset& data);

// The shape of a batch of the labels that a loss of attach_loss compares the model's scores with; none where the data
// has no integer labels.
std::optional<Shape> label_shape(const Graph& model, const Dataset& data, int64_t batch_size);

// Throws Error where labels are not in [0, loss.label_limit).
void check_labels(const Graph& graph, const LossInputs& loss, const std::vector<InputBinding>& bindings,
                  const Dataset& data);

// The executor's input memory as destinations of a batch reader; `bindings` must outlive them. Throws Error where an
// array does not fit.
std::vector<Destination> destinations(Executor& executor, const std::vector<InputBinding>& bindings,
                                      const BatchReader& reader);

}  // namespace marvin
