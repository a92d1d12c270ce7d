// Graphs for people and for scripts.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "runtime/ir/graph.h"
#include "runtime/precision/fixed_point.h"
#include "runtime/report/json.h"

namespace marvin {

struct GraphViewOptions {
  // Attributes equal to these are left out. None: all are shown.
  std::function<const Attrs*(std::string_view op)> defaults;
  std::map<std::string, FixedPoint, std::less<>> formats;  // by slot name, where they are known
};

// For Graphviz: nodes coloured by phase, Quantize in a colour of its own with its slot and format, parameters as boxes,
// edges labelled with types. Only live nodes are shown.
std::string to_dot(const Graph& graph, const GraphViewOptions& options);

// {"name", "inputs", "parameters", "constants", "slots", "nodes", "outputs", "loss", "updates"}; live nodes alone, in
// an order that they can run in. Operands that are left out are null.
Json to_json(const Graph& graph, const GraphViewOptions& options);

// Draws a picture with Graphviz's program `dot`. Throws Error when it is not installed, fails or takes longer.
std::string svg_of(const std::string& dot, int most_seconds = 60);

}  // namespace marvin
