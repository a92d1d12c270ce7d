#include "importer/node_list.h"

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

}  // namespace marvin
