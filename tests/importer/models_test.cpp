// The models of models/, whole.
#include <google/protobuf/util/message_differencer.h>

#include <catch2/catch.hpp>

#include "importer/export.h"
#include "runtime/ops/op.h"
#include "tests/importer/model_builder.h"

using namespace marvin;

namespace {

std::vector<std::string> models() {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(MARVIN_SOURCE_DIR "/models"))
    if (entry.path().extension() == ".onnx") paths.push_back(entry.path());
  return paths;
}

int64_t count(const Graph& graph, std::string_view op) {
  int64_t nodes = 0;
  for (const NodeId node : live_nodes(graph)) nodes += graph[node].op == op;
  return nodes;
}

}  // namespace

TEST_CASE("every model of models/ is imported and exported again") {
  REQUIRE(models().size() >= 8);
  const TemporaryDirectory directory;
  for (const std::string& path : models()) {
    INFO(path);
    const OnnxModel model = OnnxModel::load(path);
    const Graph graph = model.import({.batch = 4});
    CHECK_NOTHROW(verify_types(graph));
    REQUIRE(graph.outputs.size() == 1);
    CHECK(graph.type_of(graph.outputs[0]).shape == Shape{4, path.ends_with("mlp_tabular.onnx") ? 4 : 10});
    CHECK_NOTHROW(verify_types(model.import({.batch = 4, .form = ImportOptions::Form::inference})));

    TensorMap weights;
    for (uint32_t i = 0; i < graph.value_count(); ++i)
      if (graph[ValueId{i}].kind == ValueKind::parameter)
        weights.emplace(graph[ValueId{i}].name, *graph[ValueId{i}].data);
    export_trained(model, weights, {.keep_training_mode = true}, directory / "out.onnx");
    CHECK(google::protobuf::util::MessageDifferencer::Equals(read_proto(path), read_proto(directory / "out.onnx")));
    export_graph(graph, {}, directory / "graph.onnx");
    CHECK(read_proto(directory / "graph.onnx").graph().node_size() == static_cast<int>(live_nodes(graph).size()));
  }
}

TEST_CASE("resnet20 in training mode updates the statistics of its 21 normalisations") {
  const Graph graph = OnnxModel::load(MARVIN_SOURCE_DIR "/models/resnet20.onnx").import({.batch = 4});
  CHECK(graph.updates.size() == 42);
  CHECK(count(graph, "Conv") == 21);
  CHECK(count(graph, "BatchNormalization") == 21);
}
