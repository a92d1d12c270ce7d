#include "importer/node_list.h"

#include <set>

#include "importer/functions.h"
#include "importer/onnx_file.h"
#include "importer/onnx_ops.h"
#include "importer/wiring.h"

namespace marvin {

std::vector<ListedNode> list_nodes(const OnnxModel& model) {
  const Functions functions(model.file().proto);
  std::vector<ListedNode> nodes;
  for (const onnx::NodeProto& proto : model.file().proto.graph().node()) {
    const bool standard = is_default_domain(proto.domain());
    ListedNode node{.name = proto.name(), .op = standard ? proto.op_type() : proto.domain() + "." + proto.op_type()};
    node.outputs.assign(proto.output().begin(), proto.output().end());
    if (node.name.empty() && !node.outputs.empty()) node.name = node.outputs.front();
    node.described = described(proto);
    node.described.pop_back();  // the opset follows
    node.known = functions.has(proto) || is_known(proto);
    nodes.push_back(std::move(node));
  }
  return nodes;
}

std::vector<std::string> quantizer_ops(const OnnxModel& model) {
  const std::set<std::string> known = {"BipolarQuant", "DequantizeLinear", "IntQuant", "QuantizeLinear"};
  std::set<std::string> found;
  for (const onnx::NodeProto& node : model.file().proto.graph().node())
    if (const std::string op = canonical_op(node); known.contains(op)) found.insert(op);
  return {found.begin(), found.end()};
}

std::vector<std::string> integer_weights(const OnnxModel& model) {
  const onnx::GraphProto& graph = model.file().proto.graph();
  std::set<std::string> dequantized;
  for (const onnx::NodeProto& node : graph.node())
    if (canonical_op(node) == "DequantizeLinear" && node.input_size() > 0) dequantized.insert(node.input(0));
  std::vector<std::string> names;
  for (const onnx::TensorProto& tensor : graph.initializer())
    if (dequantized.contains(tensor.name())) names.push_back(tensor.name());
  return names;
}

}  // namespace marvin
