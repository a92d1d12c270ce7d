// Pass tests are text files: a command line, the graph before, ----, the graph after.
//
//   # differentiate
//   graph before { ... }
//   ----
//   graph after { ... }
//
// MARVIN_BLESS=1 rewrites what is after the line.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>

#include "passes/absorb_transposes.h"
#include "passes/append_optimizer.h"
#include "passes/assign_layouts.h"
#include "passes/attach_loss.h"
#include "passes/differentiate.h"
#include "passes/fold_constants.h"
#include "passes/freeze.h"
#include "passes/insert_quantization.h"
#include "passes/join_slices.h"
#include "passes/lower.h"
#include "passes/recognize.h"
#include "passes/recompute.h"
#include "passes/select_kernels.h"
#include "passes/shape_gradients.h"
#include "runtime/ops/op.h"

namespace marvin {
namespace {

using Arguments = std::vector<std::string>;

void differentiate_all(Graph& graph) {
  for (const ValueId gradient : differentiate(graph, trainable_parameters(graph)))
    if (gradient.valid()) graph.outputs.push_back(gradient);
}

void train_with(Graph& graph, const Arguments& arguments) {
  const std::vector<ValueId> parameters = trainable_parameters(graph);
  const std::vector<ValueId> gradients = differentiate(graph, parameters);
  append_optimizer(graph, {.name = arguments.at(0), .momentum = arguments.at(0) == "sgd" ? 0.9f : 0.0f}, parameters,
                   gradients);
}

void shape_all(Graph& graph, const Arguments& arguments) {
  const std::vector<ValueId> parameters = trainable_parameters(graph);
  std::vector<ValueId> gradients = differentiate(graph, parameters);
  GradientOptions options;
  if (arguments.at(0) == "clip") options.clip_norm = std::stof(arguments.at(1));
  if (arguments.at(0) == "l1") options.l1 = std::stof(arguments.at(1));
  if (arguments.at(0) == "sum" || arguments.at(0) == "mean") options.accumulate = std::stoi(arguments.at(1));
  options.is_last = arguments.at(0) != "sum";
  shape_gradients(graph, options, parameters, gradients);
  for (const ValueId gradient : gradients)
    if (gradient.valid()) graph.outputs.push_back(gradient);
}

// "8" or "16" for every slot, or one word per slot; 32 is float32.
void quantize_in(Graph& graph, const Arguments& arguments) {
  std::vector<FixedPoint> formats;
  for (size_t i = 0; i < find_slots(graph).size(); ++i) {
    formats.push_back({static_cast<int8_t>(std::stoi(arguments.at(std::min(i, arguments.size() - 1)))), 5});
  }
  insert_quantization(graph, formats);
}

// A training step whose gradients are rounded and of unit norm, in one word per slot.
void treat(Graph& graph, const Arguments& arguments) {
  const std::vector<ValueId> parameters = trainable_parameters(graph);
  std::vector<ValueId> gradients = differentiate(graph, parameters);
  QuantizationOptions options{.treatment = treatment_of("stochastic,mixed,round-gradients,unit-gradients"),
                              .observe = {.enabled = true}};
  set_apart(graph, parameters, gradients);
  for (size_t i = 0; i < parameters.size(); ++i) options.gradients.push_back({parameters[i], gradients[i]});
  make_unit(graph, gradients);
  append_optimizer(graph, {.name = "sgd"}, parameters, gradients);
  std::vector<FixedPoint> formats;
  for (size_t i = 0; i < find_slots(graph, options).size(); ++i)
    formats.push_back({static_cast<int8_t>(std::stoi(arguments.at(i))), 5});
  insert_quantization(graph, formats, options);
}

void compute_again(Graph& graph, const Arguments&) {
  select_kernels(graph);
  recompute(graph);
}

const std::map<std::string, std::function<void(Graph&, const Arguments&)>>& commands() {
  static const std::map<std::string, std::function<void(Graph&, const Arguments&)>> map = {
      {"fold_constants", [](Graph& graph, const Arguments&) { fold_constants(graph); }},
      {"recognize", [](Graph& graph, const Arguments&) { recognize(graph); }},
      {"join_slices", [](Graph& graph, const Arguments&) { join_slices(graph); }},
      {"absorb_transposes", [](Graph& graph, const Arguments&) { absorb_transposes(graph); }},
      {"attach_loss", [](Graph& graph, const Arguments& arguments) { attach_loss(graph, {.name = arguments.at(0)}); }},
      {"differentiate", [](Graph& graph, const Arguments&) { differentiate_all(graph); }},
      {"append_optimizer", train_with},
      {"shape_gradients", shape_all},
      {"freeze",
       [](Graph& graph, const Arguments& arguments) { freeze(graph, parameters_matching(graph, arguments.at(0))); }},
      {"insert_quantization", quantize_in},
      {"treat", treat},
      {"assign_layouts", [](Graph& graph, const Arguments&) { assign_layouts(graph); }},
      {"lower", [](Graph& graph, const Arguments&) { lower(graph); }},
      {"select_kernels", [](Graph& graph, const Arguments&) { select_kernels(graph); }},
      {"recompute", compute_again},
  };
  return map;
}

struct PassCase {
  std::filesystem::path path;
  std::string command, before, after;
};

PassCase read_case(const std::filesystem::path& path) {
  const std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  const std::string all = text.str();
  const size_t line = all.find('\n');
  const size_t middle = all.find("----\n");
  REQUIRE(all.starts_with("# "));
  REQUIRE(middle != std::string::npos);
  return {path, all.substr(2, line - 2), all.substr(line + 1, middle - line - 1), all.substr(middle + 5)};
}

std::string run_case(const PassCase& pass_case) {
  std::istringstream words(pass_case.command);
  std::string name, word;
  words >> name;
  Arguments arguments;
  while (words >> word) arguments.push_back(word);
  Graph graph = from_text(pass_case.before);
  try {
    commands().at(name)(graph, arguments);
  } catch (const Error& error) {
    return cat("error: ", error.what(), "\n");
  }
  verify_types(graph);
  return to_text(graph);
}

}  // namespace

TEST_CASE("the partners of a slot are what products multiply its value with") {
  const Graph graph = from_text(R"(graph two {
    input %x: f32[4,8] parameter %w: f32[8,8] parameter %v: f32[8,8]
    %a = MatMul(%x, %w)
    %b = MatMul(%a, %v)
    %c = MatMul(%x, %v)
    output %b output %c })");
  std::vector<std::string> names;
  for (const Slot& slot : find_slots(graph)) names.push_back(slot.name);
  REQUIRE(names == std::vector<std::string>{"x", "w", "a", "v"});
  CHECK(find_partners(graph) == std::vector<std::vector<size_t>>{{1, 3}, {0}, {3}, {0, 2}});
}

TEST_CASE("passes turn the graphs before the line into those after it") {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(MARVIN_SOURCE_DIR "/tests/passes")) {
    if (entry.path().extension() != ".txt") continue;
    ++count;
    const PassCase pass_case = read_case(entry.path());
    const std::string after = run_case(pass_case);
    if (std::getenv("MARVIN_BLESS")) {
      std::ofstream(pass_case.path) << "# " << pass_case.command << "\n" << pass_case.before << "----\n" << after;
      continue;
    }
    INFO(pass_case.path.filename());
    CHECK(after == pass_case.after);
  }
  CHECK(count > 0);
}

}  // namespace marvin
