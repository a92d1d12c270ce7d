// The training graph of a model, made without data: what inspect shows and export writes.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <span>
#include <string>

#include "passes/pipeline.h"
#include "runtime/cli/options.h"

namespace marvin {

struct GraphOptions {
  int64_t batch_size = 0;  // as the file says
  InputShapes shapes;
  std::string loss;         // empty: the default one
  std::string loss_output;  // empty: the first
  std::optional<int64_t> class_axis;
  std::string optimizer = "sgd";
  std::string precision = "adaptive";
  std::string backend = "auto";
};
void add_graph_options(CLI::App& command, GraphOptions& options);

// The flags of GraphOptions, and the pass or "import", from which on each makes a difference.
struct GraphFlag {
  const char* name;
  const char* from;
};
std::span<const GraphFlag> graph_flags();

// The loss that training would choose: of what the graph ends in, else cross-entropy where its output has classes, else
// mse, for there are no labels to look at. Throws Error where none can be attached.
std::string usual_loss(const Graph& model);

// All of the training step's slots.
struct TrainingSlots {
  std::vector<Slot> slots;
  size_t products = 0;  // those of values that products read; the others are of parameters' gradients
};
TrainingSlots training_slots(const Graph& model, const GraphOptions& options);

// The formats that `precision` begins with when every value is within [-1, 1], since there is no data to look at.
Formats assumed_formats(const TrainingSlots& slots, const std::string& precision);

// A training graph, and the passes that led to it.
struct Stage {
  Graph graph;
  std::vector<PassRunner::Timing> timings;
};

// The training graph after a pass of pass_names(). Throws Error where the model cannot be trained up to there.
Stage stage_after(const Graph& model, const std::string& pass, const GraphOptions& options, const Formats& formats);

}  // namespace marvin
