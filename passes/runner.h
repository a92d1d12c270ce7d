// How every pass is called: timed, verified, and shown on request.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/ir/graph.h"

namespace marvin {

class PassRunner {
 public:
  struct Timing {
    std::string pass;
    double ms = 0;
  };
  // Called with the graph after every pass.
  using Observer = std::function<void(std::string_view pass, const Graph& graph)>;

  explicit PassRunner(Observer after = {}) : after_(std::move(after)) {}

  // Runs one pass, then verifies the graph. An Error that leaves the pass says which pass it was only when it is a
  // defect (std::logic_error); users know models, not passes.
  void run(std::string_view pass, Graph& graph, const std::function<void(Graph&)>& body);
  const std::vector<Timing>& timings() const { return timings_; }

 private:
  Observer after_;
  std::vector<Timing> timings_;
};

}  // namespace marvin
