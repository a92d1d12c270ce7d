#include "tests/fuzz/hostile_models.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>

#include "importer/onnx_model.h"
#include "runtime/ir/error.h"

namespace marvin {
namespace {

namespace fs = std::filesystem;
using Random = std::mt19937_64;

int64_t extreme(Random& random) {
  constexpr int64_t kNumbers[] = {-1,
                                  0,
                                  1,
                                  2,
                                  3,
                                  255,
                                  65536,
                                  int64_t{1} << 31,
                                  int64_t{1} << 40,
                                  int64_t{1} << 62,
                                  std::numeric_limits<int64_t>::max(),
                                  std::numeric_limits<int64_t>::min(),
                                  -2,
                                  -7};
  return kNumbers[random() % std::size(kNumbers)];
}

template <class Items>
auto* any_of(Items* items, Random& random) {
  return items->empty() ? nullptr : items->Mutable(static_cast<int>(random() % static_cast<size_t>(items->size())));
}

void change_attribute(onnx::NodeProto& node, Random& random) {
  onnx::AttributeProto* attribute = any_of(node.mutable_attribute(), random);
  if (!attribute) return;
  if (attribute->has_i()) attribute->set_i(extreme(random));
  if (attribute->ints_size() > 0)
    attribute->set_ints(static_cast<int>(random() % static_cast<size_t>(attribute->ints_size())), extreme(random));
  if (attribute->has_f()) attribute->set_f(static_cast<float>(extreme(random)));
  if (attribute->has_s()) attribute->set_s("hostile");
  if (random() % 4 == 0) attribute->add_ints(extreme(random));
  if (random() % 8 == 0) attribute->set_name("axis");
}

void change_wiring(onnx::GraphProto& graph, onnx::NodeProto& node, Random& random) {
  const onnx::NodeProto* other = any_of(graph.mutable_node(), random);
  switch (random() % 5) {
    case 0:
      if (node.input_size() > 0) node.mutable_input()->RemoveLast();
      break;
    case 1:
      if (node.input_size() > 0 && other->output_size() > 0) node.set_input(0, other->output(0));
      break;
    case 2:
      node.add_input(graph.input_size() > 0 ? graph.input(0).name() : "nothing");
      break;
    case 3:
      node.set_op_type(other->op_type());
      break;
    default:
      if (node.input_size() > 0)
        node.set_input(static_cast<int>(random() % static_cast<size_t>(node.input_size())), "");
  }
}

void change_tensor(onnx::TensorProto& tensor, Random& random) {
  if (tensor.dims_size() > 0 && random() % 2 == 0) return tensor.set_dims(0, extreme(random));
  if (!tensor.raw_data().empty()) {
    std::string bytes = tensor.raw_data();
    bytes[random() % bytes.size()] = static_cast<char>(random());
    tensor.set_raw_data(bytes);
  }
  if (tensor.int64_data_size() > 0) tensor.set_int64_data(0, extreme(random));
  if (tensor.int32_data_size() > 0) tensor.set_int32_data(0, static_cast<int32_t>(extreme(random)));
}

void change_input(onnx::ValueInfoProto& input, Random& random) {
  auto& type = *input.mutable_type()->mutable_tensor_type();
  if (random() % 3 == 0) return type.set_elem_type(static_cast<int32_t>(random() % 20));
  auto& dims = *type.mutable_shape()->mutable_dim();
  if (dims.empty() || random() % 4 == 0) return type.mutable_shape()->add_dim()->set_dim_value(extreme(random));
  dims[static_cast<int>(random() % static_cast<size_t>(dims.size()))].set_dim_value(extreme(random));
}

}  // namespace

std::string changed(const std::string& bytes, Random& random) {
  if (random() % 4 == 0 && !bytes.empty()) {
    std::string damaged = bytes;
    for (int i = 0; i < 3; ++i) damaged[random() % damaged.size()] = static_cast<char>(random());
    return damaged;
  }
  onnx::ModelProto model;
  if (!model.ParseFromString(bytes)) return bytes;
  onnx::GraphProto& graph = *model.mutable_graph();
  for (uint64_t i = 0; i <= random() % 3; ++i) {
    onnx::NodeProto* node = any_of(graph.mutable_node(), random);
    onnx::TensorProto* tensor = any_of(graph.mutable_initializer(), random);
    onnx::ValueInfoProto* input = any_of(graph.mutable_input(), random);
    if (node && random() % 2 == 0) change_attribute(*node, random);
    if (node && random() % 3 == 0) change_wiring(graph, *node, random);
    if (tensor && random() % 2 == 0) change_tensor(*tensor, random);
    if (input && random() % 2 == 0) change_input(*input, random);
    if (random() % 16 == 0 && model.opset_import_size() > 0)
      model.mutable_opset_import(0)->set_version(static_cast<int64_t>(random() % 26));
  }
  return model.SerializeAsString();
}

std::vector<std::string> conformance_models() {
  std::vector<fs::path> paths;
  for (const char* kind : {"node", "simple", "pytorch-operator"})
    for (const fs::directory_entry& entry : fs::directory_iterator(fs::path(MARVIN_ONNX_TEST_DATA) / kind))
      if (fs::exists(entry.path() / "model.onnx")) paths.push_back(entry.path() / "model.onnx");
  std::ranges::sort(paths);
  std::vector<std::string> contents;
  for (const fs::path& path : paths) {
    std::ifstream file(path, std::ios::binary);
    contents.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return contents;
}

bool imports(const std::string& bytes, const std::string& path) {
  std::ofstream(path, std::ios::binary) << bytes;
  try {
    OnnxModel::load(path).import({.batch = 2});
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace marvin
