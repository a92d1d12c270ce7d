// The table of ops in README.md is what the registry and the samples say. MARVIN_BLESS=1 rewrites it.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "importer/onnx_ops.h"
#include "runtime/ir/error.h"
#include "runtime/ops/types.h"
#include "tests/ops/samples.h"

namespace marvin {
namespace {

struct Support {
  std::set<std::string> all, differentiated, multiplied;
};

bool calls(const Sample& sample, const OpDef& op) {
  return sample.graph.find(cat("= ", op.name, "(")) != std::string_view::npos;
}

// A gradient counts where a sample compares it with differences. What is quantized are products of float32, those that
// a composition is made of among them.
Support support() {
  Support result;
  for (const OpDef* op : all_ops())
    if (is_onnx_op(op->name)) result.all.emplace(op->name);
  for (const Sample& sample : all_samples()) {
    const Graph graph = from_text(sample.graph);
    const std::vector<NodeId> nodes = live_nodes(graph);
    const bool multiplies = std::ranges::any_of(nodes, [&](NodeId node) {
      return op_named(graph[node].op).product && graph.type_of(graph[node].outputs[0]).dtype == DType::f32;
    });
    for (const OpDef* op : all_ops()) {
      if (!is_onnx_op(op->name) || !calls(sample, *op)) continue;
      const bool has_gradient = op->expand || (op->gradient && op->gradient != no_gradient);
      if (sample.differentiable && has_gradient) result.differentiated.emplace(op->name);
      if (op->product || (op->expand && multiplies)) result.multiplied.emplace(op->name);
    }
  }
  return result;
}

std::string listed(const std::set<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string table() {
  const Support found = support();
  std::set<std::string> forward_only;
  std::ranges::set_difference(found.all, found.differentiated, std::inserter(forward_only, forward_only.end()));
  return cat("| ONNX ops that | |\n|---|---|\n| run and train (", found.differentiated.size(), ") | ",
             listed(found.differentiated), " |\n| run; no derivative passes (", forward_only.size(), ") | ",
             listed(forward_only), " |\n| multiply in fixed point (", found.multiplied.size(), ") | ",
             listed(found.multiplied), " |\n");
}

constexpr std::string_view kBegin = "<!-- ops -->\n", kEnd = "<!-- /ops -->\n";

}  // namespace

TEST_CASE("the README's table of ops is what the registry says, and at least 120 have gradients") {
  const std::string path = MARVIN_SOURCE_DIR "/README.md";
  const std::ifstream file(path);
  std::stringstream content;
  content << file.rdbuf();
  const std::string text = content.str();
  const size_t begin = text.find(kBegin), end = text.find(kEnd);
  REQUIRE(begin != std::string::npos);
  REQUIRE(end != std::string::npos);
  const size_t first = begin + kBegin.size();
  if (std::getenv("MARVIN_BLESS")) {
    std::ofstream(path) << text.substr(0, first) << table() << text.substr(end);
    return;
  }
  CHECK(text.substr(first, end - first) == table());
  CHECK(support().differentiated.size() >= 120);
}

}  // namespace marvin
