// Who makes and who reads which value of an ONNX graph. Internal to importer/.
#pragma once

#include <onnx/onnx_pb.h>

#include <span>
#include <string>
#include <unordered_map>
#include <vector>

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

  // `nodes` stand in for the graph's own. Both must outlive this. Throws Error when a name is given to two values,
  // when nothing makes a value that is read, and on cycles.
  Wiring(const onnx::GraphProto& graph, const NodeProtos& nodes);

  // Every node after those it reads from; as in the file where the file is so sorted.
  const std::vector<const onnx::NodeProto*>& order() const { return order_; }
  std::span<const Use> uses(const std::string& name) const;
  bool has(const std::string& name) const { return makers_.contains(name); }
  // Null for inputs and initializers.
  const onnx::NodeProto* maker(const std::string& name) const { return makers_.at(name); }

 private:
  void make(const std::string& name, const onnx::NodeProto* maker);
  void sort(const NodeProtos& nodes);

  std::unordered_map<std::string, const onnx::NodeProto*> makers_;
  std::unordered_map<std::string, std::vector<Use>> uses_;
  std::vector<const onnx::NodeProto*> order_;
};

}  // namespace marvin
