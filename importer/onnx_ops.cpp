#include "importer/onnx_ops.h"

#include <onnx/defs/schema.h>

#include <algorithm>
#include <array>
#include <string>

namespace marvin {
namespace {

// Ops of opsets that the library's schemas do not know yet.
constexpr std::array<std::string_view, 8> kNewerOps = {
    "Attention", "Gelu", "GroupNormalization", "Mish", "RMSNormalization", "RotaryEmbedding", "Swish", "TensorScatter"};

}  // namespace

bool is_onnx_op(std::string_view name) {
  return onnx::OpSchemaRegistry::Schema(std::string(name)) != nullptr ||
         std::ranges::find(kNewerOps, name) != kNewerOps.end();
}

bool is_onnx_op(std::string_view name, size_t outputs) {
  const onnx::OpSchema* schema = onnx::OpSchemaRegistry::Schema(std::string(name));
  return is_onnx_op(name) && (!schema || outputs <= static_cast<size_t>(schema->max_output()));
}

}  // namespace marvin
