// A batch that the file fixes, computed with another one. Internal to importer/.
#pragma once

#include <onnx/onnx_pb.h>

#include "importer/node_attributes.h"
#include "runtime/ops/op.h"

namespace marvin {

class FixedBatch {
 public:
  // `wanted`: the batch to compute with; 0: the file's. The file's batch is its first input's first extent.
  FixedBatch(const onnx::GraphProto& graph, int64_t wanted);

  // Whether the file fixes another batch than the one wanted.
  bool is_rebound() const { return found_ > 0 && wanted_ > 0 && found_ != wanted_; }
  int64_t found() const { return found_; }
  int64_t wanted() const { return wanted_; }
  // An extent of a first axis, as it is computed.
  int64_t rebound(int64_t extent) const { return is_rebound() && extent == found_ ? wanted_ : extent; }

  // Exporters write the batch into the shapes that samples are viewed in: a Reshape of a whole batch to a shape that
  // begins with the file's batch is one to a shape that begins with the wanted one.
  void rebind(ModelNode& node, Builder& builder) const;
  // Throws Error where an output that has the file's batch as its first extent has not got the wanted one.
  void check_output(const onnx::ValueInfoProto& declared, const Type& type) const;

 private:
  int64_t found_ = 0, wanted_ = 0;
};

}  // namespace marvin
