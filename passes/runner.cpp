#include "passes/runner.h"

#include <chrono>
#include <stdexcept>

#include "runtime/ops/op.h"

namespace marvin {

void PassRunner::run(std::string_view pass, Graph& graph, const std::function<void(Graph&)>& body) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  try {
    body(graph);
    timings_.push_back({std::string(pass), std::chrono::duration<double, std::milli>(Clock::now() - start).count()});
    verify_types(graph);
  } catch (const std::logic_error& error) {
    throw std::logic_error(cat("pass ", pass, ": ", error.what()));
  }
  if (after_) after_(pass, graph);
}

}  // namespace marvin
