// Who makes and who reads which value of an ONNX graph. Internal to importer/.
#pragma once

#include <onnx/onnx_pb.h>

#include <functional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "importer/graph_names.h"

namespace marvin {

using NodeProtos = google::protobuf::RepeatedPtrField<onnx::NodeProto>;

// "node 'conv1' (Conv)", or by its first output when it has no name.
std::string described(const onnx::NodeProto& node);

class Wiring {
 public:
  struct Use {
    const onnx::NodeProto* node;
    int operand;
  };

  // `nodes` stand in for the graph's own. Both must outlive this. `is_outer` says whether a name can be read though the
  // graph has it not: subgraphs read names of the graphs around them, which count as read by the node that holds them.
  // Throws Error when a name is given to two values, when nothing makes a value that is read, and on cycles.
  Wiring(
      const onnx::GraphProto& graph, const NodeProtos& nodes,
      const std::function<bool(const std::string&)>& is_outer = [](const std::string&) { return false; });

  // Every node after those it reads from; as in the file where the file is so sorted.
  const std::vector<const onnx::NodeProto*>& order() const { return order_; }
  std::span<const Use> uses(const std::string& name) const;

 private:
  bool has(const std::string& name) const { return makers_.contains(name); }
  void make(const std::string& name, const onnx::NodeProto* maker);
  void use(const onnx::NodeProto& node);
  void use_captured(const onnx::NodeProto& holder, const onnx::GraphProto& subgraph, const Names& shadowed);
  void sort(const NodeProtos& nodes);

  std::unordered_map<std::string, const onnx::NodeProto*> makers_;
  std::unordered_map<std::string, std::vector<Use>> uses_;
  // By node: what it and the subgraphs in it read of this graph.
  std::unordered_map<const onnx::NodeProto*, std::vector<std::string>> reads_;
  std::vector<const onnx::NodeProto*> order_;
};

}  // namespace marvin
