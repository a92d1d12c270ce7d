#include "importer/test_data.h"

#include <fstream>

#include "importer/onnx_file.h"
#include "importer/tensor_proto.h"
#include "importer/wiring.h"
#include "runtime/ir/error.h"

namespace marvin {
namespace {

using ValueInfos = google::protobuf::RepeatedPtrField<onnx::ValueInfoProto>;

// Why the element type is not one of marvin's, or "".
std::string foreign_element(int32_t data_type) {
  try {
    dtype_of_onnx(data_type);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

std::string foreign_type(const onnx::TypeProto& type) {
  if (type.has_sequence_type()) return "is a sequence";
  if (type.has_optional_type()) return "is optional";
  if (type.has_map_type()) return "is a map";
  if (type.has_sparse_tensor_type()) return "is sparse";
  return type.has_tensor_type() ? foreign_element(type.tensor_type().elem_type()) : "";
}

std::string foreign_value(const std::string& what, const ValueInfos& values) {
  for (const onnx::ValueInfoProto& value : values) {
    const std::string reason = foreign_type(value.type());
    if (!reason.empty()) return cat("the ", what, " '", value.name(), "': ", reason);
  }
  return "";
}

std::string foreign_attribute(const onnx::AttributeProto& attribute) {
  if (attribute.has_sparse_tensor()) return "is sparse";
  if (attribute.has_t()) return foreign_element(attribute.t().data_type());
  const bool is_type = attribute.has_i() && (attribute.name() == "to" || attribute.name() == "dtype");
  return is_type ? foreign_element(static_cast<int32_t>(attribute.i())) : "";
}

std::string foreign_node(const onnx::NodeProto& node) {
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    const std::string reason = foreign_attribute(attribute);
    if (!reason.empty()) return cat(described(node), ", attribute '", attribute.name(), "': ", reason);
  }
  return "";
}

}  // namespace

Tensor read_tensor_file(const std::string& path) {
  return with_context(path, [&] {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw Error("there is no such file, or it cannot be read");
    onnx::TensorProto proto;
    if (!proto.ParseFromIstream(&file)) throw Error("is not a TensorProto, or is cut short");
    return tensor_from(proto, std::filesystem::path(path).parent_path());
  });
}

std::string foreign_type(const OnnxModel& model) {
  const onnx::GraphProto& graph = model.file().proto.graph();
  std::string reason = foreign_value("input", graph.input());
  if (reason.empty()) reason = foreign_value("output", graph.output());
  for (const onnx::ValueInfoProto& value : graph.value_info()) {
    const std::string element = reason.empty() && value.type().has_tensor_type() ? foreign_type(value.type()) : "";
    if (!element.empty()) reason = cat("the value '", value.name(), "': ", element);
  }
  for (const onnx::TensorProto& tensor : graph.initializer()) {
    const std::string element = reason.empty() ? foreign_element(tensor.data_type()) : "";
    if (!element.empty()) reason = cat("the initializer '", tensor.name(), "': ", element);
  }
  for (const onnx::NodeProto& node : graph.node())
    if (reason.empty()) reason = foreign_node(node);
  return reason;
}

}  // namespace marvin
