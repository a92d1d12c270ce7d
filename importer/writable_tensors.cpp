#include "importer/writable_tensors.h"

#include <map>

#include "importer/graph_names.h"
#include "importer/node_attributes.h"
#include "importer/onnx_file.h"

namespace marvin {
namespace {

class Finder {
 public:
  explicit Finder(const onnx::ModelProto& model) : names_(names_in(model.graph())) {
    find(model.graph(), "");
    for (const onnx::FunctionProto& function : model.functions()) find(function.node(), path_of(function));
    std::erase_if(found_, [&](const WritableTensor& each) { return count_[each.name] > 1; });
  }
  std::vector<WritableTensor> take() { return std::move(found_); }

 private:
  void find(const onnx::GraphProto& graph, const std::string& path) {
    for (const onnx::TensorProto& tensor : graph.initializer()) add(path, tensor.name(), tensor);
    find(graph.node(), path);
  }
  void find(const google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes, const std::string& path) {
    for (const onnx::NodeProto& node : nodes) {
      if (const onnx::TensorProto* tensor = tensor_of_constant(node)) add(path, node.output(0), *tensor);
      for_each_subgraph(node, [&](const onnx::GraphProto& body) { find(body, path_of(path, node, body)); });
    }
  }
  void add(const std::string& path, const std::string& name, const onnx::TensorProto& tensor) {
    if (!path.empty() && names_.contains(path + name)) return;
    ++count_[path + name];
    found_.push_back({path + name, &tensor});
  }

  Names names_;  // of the model's graph
  std::vector<WritableTensor> found_;
  std::map<std::string, int> count_;
};

}  // namespace

std::vector<WritableTensor> writable_tensors(const onnx::ModelProto& model) { return Finder(model).take(); }

std::string path_of(const std::string& outer, const onnx::NodeProto& node, const onnx::GraphProto& body) {
  std::string path = outer + (node.output_size() > 0 ? node.output(0) : node.op_type()) + "/";
  for (const onnx::AttributeProto& attribute : node.attribute())
    if (attribute.has_g() && &attribute.g() == &body) path += attribute.name() + "/";
  return path;
}

std::string path_of(const onnx::FunctionProto& function) { return function.domain() + "." + function.name() + "/"; }

const onnx::TensorProto* tensor_of_constant(const onnx::NodeProto& node) {
  if (node.op_type() != "Constant" || !is_default_domain(node.domain()) || node.output_size() != 1) return nullptr;
  for (const onnx::AttributeProto& attribute : node.attribute())
    if (attribute.name() == "value" && attribute.has_t()) return &attribute.t();
  return nullptr;
}

}  // namespace marvin
