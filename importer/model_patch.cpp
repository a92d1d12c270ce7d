#include "importer/model_patch.h"

#include <filesystem>
#include <map>

#include "importer/inference_form.h"
#include "importer/tensor_proto.h"
#include "importer/writable_tensors.h"
#include "runtime/ir/error.h"
#include "runtime/ir/file.h"

namespace marvin {
namespace {

// Those that nodes hold, in attributes and in subgraphs.
template <class Body>
void for_each_tensor(NodeProtos& nodes, Body&& body) {
  const auto in_graph = [&](onnx::GraphProto& graph) {
    for (onnx::TensorProto& tensor : *graph.mutable_initializer()) body(tensor);
    for_each_tensor(*graph.mutable_node(), body);
  };
  for (onnx::NodeProto& node : nodes) {
    for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
      if (attribute.has_t()) body(*attribute.mutable_t());
      for (onnx::TensorProto& tensor : *attribute.mutable_tensors()) body(tensor);
      if (attribute.has_g()) in_graph(*attribute.mutable_g());
      for (onnx::GraphProto& graph : *attribute.mutable_graphs()) in_graph(graph);
    }
  }
}

template <class Body>
void for_each_tensor(onnx::ModelProto& proto, Body&& body) {
  for (onnx::TensorProto& tensor : *proto.mutable_graph()->mutable_initializer()) body(tensor);
  for_each_tensor(*proto.mutable_graph()->mutable_node(), body);
  for (onnx::FunctionProto& function : *proto.mutable_functions()) for_each_tensor(*function.mutable_node(), body);
}

// Into a file of their own, each at the begin of a page, as ONNX advises.
void move_tensors_out(onnx::ModelProto& proto, const std::string& location, AtomicFile& data) {
  constexpr size_t kLeast = 1024;  // of bytes: smaller ones are what shapes are computed from
  constexpr size_t kPage = 4096;
  int64_t offset = 0;
  for_each_tensor(proto, [&](onnx::TensorProto& tensor) {
    if (tensor.ByteSizeLong() < kLeast || tensor.string_data_size() > 0) return;
    std::string bytes = move_out(tensor, location, offset);
    bytes.resize((bytes.size() + kPage - 1) / kPage * kPage);
    data.write(bytes);
    offset += static_cast<int64_t>(bytes.size());
  });
}

}  // namespace

onnx::ModelProto with_weights(const OnnxModel& model, const TensorMap& weights) {
  const std::filesystem::path& directory = model.file().directory;
  onnx::ModelProto proto = model.file().proto;
  std::map<const onnx::TensorProto*, const TensorMap::value_type*> replaced;
  for (const auto& [name, tensor] : writable_tensors(proto))
    if (const auto weight = weights.find(name); weight != weights.end()) replaced[tensor] = &*weight;
  for_each_tensor(proto, [&](onnx::TensorProto& tensor) {
    const auto entry = replaced.find(&tensor);
    if (entry == replaced.end()) return embed_external(tensor, directory);
    const auto& [name, weight] = *entry->second;
    with_context(cat("the weight '", name, "'"), [&] { overwrite(tensor, weight); });
  });
  return proto;
}

void set_metadata(onnx::ModelProto& proto, const std::string& key, const std::string& value) {
  for (onnx::StringStringEntryProto& entry : *proto.mutable_metadata_props()) {
    if (entry.key() != key) continue;
    entry.set_value(value);
    return;
  }
  onnx::StringStringEntryProto& entry = *proto.add_metadata_props();
  entry.set_key(key);
  entry.set_value(value);
}

std::string metadata_text(FixedPoint format) { return cat(int{format.wl}, ",", int{format.fl}); }

void set_formats(onnx::ModelProto& proto, const Formats& formats) {
  for (const auto& [slot, format] : formats) set_metadata(proto, "marvin.format." + slot, metadata_text(format));
}

void save(onnx::ModelProto proto, const std::string& path, size_t most) {
  if (proto.ByteSizeLong() <= most) return write_file_atomically(path, proto.SerializeAsString());
  const std::string beside = path + ".data";
  AtomicFile data(beside), model(path);
  move_tensors_out(proto, std::filesystem::path(beside).filename(), data);
  if (proto.ByteSizeLong() > most)
    throw Error("cannot write '", path,
                "': the model is over 2 GiB without its weights, which an ONNX file cannot hold");
  model.write(proto.SerializeAsString());
  data.publish();
  model.publish();
}

}  // namespace marvin
