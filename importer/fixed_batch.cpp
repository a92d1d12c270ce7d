#include "importer/fixed_batch.h"

#include "importer/graph_names.h"

namespace marvin {
namespace {

// Of the first axis; 0 where there is none, or it is open.
int64_t first_extent(const onnx::ValueInfoProto& value) {
  const auto& dims = value.type().tensor_type().shape().dim();
  return dims.empty() ? 0 : dims[0].dim_value();
}

}  // namespace

FixedBatch::FixedBatch(const onnx::GraphProto& graph, int64_t wanted) : wanted_(wanted) {
  const Names initialized = names_initialized(graph);
  for (const onnx::ValueInfoProto& input : graph.input()) {
    if (initialized.contains(input.name())) continue;
    found_ = first_extent(input);
    return;
  }
}

void FixedBatch::rebind(ModelNode& node, Builder& builder) const {
  if (!is_rebound() || node.op != "Reshape" || node.inputs.size() < 2) return;
  if (!node.inputs[0].valid() || !node.inputs[1].valid()) return;
  const Type& data = builder.type(node.inputs[0]);
  const Tensor* shape = builder.constant(node.inputs[1]);
  if (!shape || shape->type().dtype != DType::i64 || data.rank() == 0 || data.shape[0] != wanted_) return;
  Tensor changed = *shape;
  const std::span<int64_t> extents = changed.as<int64_t>();
  if (extents.empty() || extents[0] != found_) return;
  extents[0] = wanted_;
  node.inputs[1] = builder.constant(changed);
}

void FixedBatch::check_output(const onnx::ValueInfoProto& declared, const Type& type) const {
  if (!is_rebound() || first_extent(declared) != found_) return;
  if (type.rank() > 0 && type.shape[0] == wanted_) return;
  throw Error("the output '", declared.name(), "' would be ", text_of(type), ": the batch is written into the model");
}

}  // namespace marvin
