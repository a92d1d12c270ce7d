// The names in an ONNX graph. Internal to importer/.
#pragma once

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <string>
#include <unordered_set>

namespace marvin {

using Names = std::unordered_set<std::string>;

// Of values that nodes and the subgraphs in them read, or the graph returns.
Names names_read(const onnx::GraphProto& graph);
// Of values that nodes make.
Names names_made(const onnx::GraphProto& graph);
Names names_initialized(const onnx::GraphProto& graph);
// Of all values.
Names names_in(const onnx::GraphProto& graph);

// Removes the initializers and Constant nodes that are read no more but were before.
void erase_unread(onnx::GraphProto& graph, const Names& read_before);

template <class Protos, class Predicate>
void erase_if(Protos& protos, Predicate predicate) {
  protos.erase(std::remove_if(protos.begin(), protos.end(), predicate), protos.end());
}

}  // namespace marvin
