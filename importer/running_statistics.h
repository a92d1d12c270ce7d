// BatchNormalization in training mode moves its running statistics. Internal to importer/.
#pragma once

#include <vector>

#include "importer/opset_quirks.h"

namespace marvin {

struct RunningStatistic {
  ValueId state;
  size_t output;  // which output of the node is the next state
};

// Outputs 1 and 2 of a BatchNormalization in training mode are the running statistics after operands 3 and 4. Those
// that are parameters are listed; their outputs are added where the file leaves them out. A layer that is used twice
// moves its statistics twice, so the second use goes on from the first: `node` reads the update so far.
std::vector<RunningStatistic> running_statistics(const Graph& graph, ModelNode& node);

// Makes the node's outputs the next states.
void update_statistics(Graph& graph, std::span<const RunningStatistic> statistics, std::span<const ValueId> outputs);

}  // namespace marvin
