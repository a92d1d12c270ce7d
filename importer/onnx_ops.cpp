#include "importer/onnx_ops.h"

#include <onnx/defs/schema.h>

#include <algorithm>
#include <array>
#include <string>

#include "importer/control_flow.h"
#include "importer/gradient_node.h"
#include "importer/onnx_file.h"
#include "importer/sequences.h"
#include "runtime/ops/op.h"

namespace marvin {
namespace {

// Ops of opsets that the library's schemas do not know yet.
constexpr std::array<std::string_view, 18> kNewerOps = {
    "AffineGrid",         "Attention", "BitwiseAnd", "BitwiseNot",       "BitwiseOr",       "BitwiseXor",
    "CenterCropPad",      "Col2Im",    "Gelu",       "GroupNormalization", "ImageDecoder",  "Mish",
    "RMSNormalization",   "RegexFullMatch", "RotaryEmbedding", "StringConcat", "Swish",     "TensorScatter"};

// Ops of other domains.
struct ForeignOp {
  std::string_view domain, op, canonical;
};
constexpr std::array kForeignOps = std::to_array<ForeignOp>({
    {"ai.onnx.preview.training", "Adagrad", "TrainingAdagrad"},
    {"ai.onnx.preview.training", "Adam", "TrainingAdam"},
    {"ai.onnx.preview.training", "Momentum", "TrainingMomentum"},
    {"onnx.brevitas", "BipolarQuant", "BipolarQuant"},
    {"onnx.brevitas", "Quant", "IntQuant"},
    {"qonnx.custom_op.general", "BipolarQuant", "BipolarQuant"},
    {"qonnx.custom_op.general", "IntQuant", "IntQuant"},
    {"qonnx.custom_op.general", "Quant", "IntQuant"},
});

}  // namespace

std::string canonical_op(const onnx::NodeProto& node) {
  if (is_default_domain(node.domain())) return node.op_type();
  for (const ForeignOp& row : kForeignOps)
    if (row.domain == node.domain() && row.op == node.op_type()) return std::string(row.canonical);
  return "";
}

bool is_known(const onnx::NodeProto& node) {
  if (is_control_flow(node) || is_sequence_op(node) || is_gradient(node)) return true;
  if (is_default_domain(node.domain()) && node.op_type() == "Constant") return true;
  const std::string op = canonical_op(node);
  return find_op(op) && (!is_default_domain(node.domain()) || is_onnx_op(op));
}

bool is_onnx_op(std::string_view name) {
  return onnx::OpSchemaRegistry::Schema(std::string(name)) != nullptr ||
         std::ranges::find(kNewerOps, name) != kNewerOps.end();
}

bool is_onnx_op(std::string_view name, size_t outputs) {
  const onnx::OpSchema* schema = onnx::OpSchemaRegistry::Schema(std::string(name));
  return is_onnx_op(name) && (!schema || outputs <= static_cast<size_t>(schema->max_output()));
}

}  // namespace marvin
