#include "importer/onnx_ops.h"

#include <onnx/defs/schema.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "importer/control_flow.h"
#include "importer/gradient_node.h"
#include "importer/onnx_file.h"
#include "importer/sequences.h"
#include "runtime/ops/op.h"

namespace marvin {
namespace {

// Ops of opsets that the library's schemas do not know yet.
constexpr std::array<std::string_view, 18> kNewerOps = {
    "AffineGrid",   "Attention",     "BitwiseAnd",       "BitwiseNot",     "BitwiseOr",
    "BitwiseXor",   "CenterCropPad", "Col2Im",           "Gelu",           "GroupNormalization",
    "ImageDecoder", "Mish",          "RMSNormalization", "RegexFullMatch", "RotaryEmbedding",
    "StringConcat", "Swish",         "TensorScatter"};

// Attributes that such opsets gave to older ops.
constexpr auto kNewerAttributes = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"AveragePool", "dilations"},
    {"Cast", "saturate"},
    {"CastLike", "saturate"},
    {"DequantizeLinear", "block_size"},
    {"DequantizeLinear", "output_dtype"},
    {"LpPool", "ceil_mode"},
    {"LpPool", "dilations"},
    {"QuantizeLinear", "block_size"},
    {"QuantizeLinear", "output_dtype"},
    {"QuantizeLinear", "precision"},
    {"QuantizeLinear", "saturate"},
    {"ReduceL1", "noop_with_empty_axes"},
    {"ReduceL2", "noop_with_empty_axes"},
    {"ReduceLogSum", "noop_with_empty_axes"},
    {"ReduceLogSumExp", "noop_with_empty_axes"},
    {"ReduceMax", "noop_with_empty_axes"},
    {"ReduceMean", "noop_with_empty_axes"},
    {"ReduceMin", "noop_with_empty_axes"},
    {"ReduceProd", "noop_with_empty_axes"},
    {"ReduceSumSquare", "noop_with_empty_axes"},
    {"Resize", "antialias"},
    {"Resize", "axes"},
    {"Resize", "keep_aspect_ratio_policy"},
    {"Split", "num_outputs"},
});

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

bool has_outputs(std::string_view onnx_op, size_t outputs) {
  const onnx::OpSchema* schema = onnx::OpSchemaRegistry::Schema(std::string(onnx_op));
  return !schema || outputs <= static_cast<size_t>(schema->max_output());
}

bool has_attribute(std::string_view onnx_op, const std::string& attribute) {
  const onnx::OpSchema* schema = onnx::OpSchemaRegistry::Schema(std::string(onnx_op));
  return !schema || schema->attributes().contains(attribute) ||
         std::ranges::find(kNewerAttributes, std::pair(onnx_op, std::string_view(attribute))) != kNewerAttributes.end();
}

}  // namespace marvin
