#include "importer/model_patch.h"

#include <limits>

#include "importer/tensor_proto.h"
#include "runtime/ir/error.h"
#include "runtime/ir/file.h"

namespace marvin {
namespace {

void replace(onnx::TensorProto& proto, const std::string& name, const TensorMap& weights,
             const std::filesystem::path& directory) {
  const auto weight = weights.find(name);
  if (weight == weights.end()) return embed_external(proto, directory);
  with_context(cat("the weight '", name, "'"), [&] { overwrite(proto, weight->second); });
}

}  // namespace

onnx::TensorProto* tensor_of_constant(onnx::NodeProto& node) {
  if (node.op_type() != "Constant" || !is_default_domain(node.domain()) || node.output_size() != 1) return nullptr;
  for (onnx::AttributeProto& attribute : *node.mutable_attribute())
    if (attribute.name() == "value" && attribute.has_t()) return attribute.mutable_t();
  return nullptr;
}

onnx::ModelProto with_weights(const OnnxModel& model, const TensorMap& weights) {
  const std::filesystem::path& directory = model.file().directory;
  onnx::ModelProto proto = model.file().proto;
  for (onnx::TensorProto& tensor : *proto.mutable_graph()->mutable_initializer()) {
    replace(tensor, tensor.name(), weights, directory);
  }
  for (onnx::NodeProto& node : *proto.mutable_graph()->mutable_node())
    if (onnx::TensorProto* tensor = tensor_of_constant(node)) replace(*tensor, node.output(0), weights, directory);
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

void save(const onnx::ModelProto& proto, const std::string& path) {
  if (proto.ByteSizeLong() > std::numeric_limits<int32_t>::max()) {
    throw Error("cannot write '", path, "': the model is over 2 GiB, which an ONNX file cannot hold");
  }
  write_file_atomically(path, proto.SerializeAsString());
}

}  // namespace marvin
