#include "importer/weights.h"

#include <algorithm>
#include <array>
#include <limits>

#include "importer/onnx_ops.h"
#include "runtime/ops/op.h"

namespace marvin {
namespace {

// Operands of an op, by number.
struct Operands {
  std::string_view op;
  int first, last = std::numeric_limits<int>::max();
};

bool is_among(std::span<const Operands> rows, const Wiring::Use& use) {
  const std::string op = canonical_op(*use.node);
  return std::ranges::any_of(
      rows, [&](const Operands& row) { return row.op == op && use.operand >= row.first && use.operand <= row.last; });
}

// Floating-point operands that configure an op, or start it.
constexpr std::array kSettings = std::to_array<Operands>(
    {{"Attention", 3}, {"BipolarQuant", 1}, {"Clip", 1},          {"DequantizeLinear", 1}, {"Dropout", 1},
     {"GRU", 5},       {"IntQuant", 1},     {"LSTM", 5, 6},       {"MaxRoiPool", 1},       {"OneHot", 1},
     {"Pad", 1},       {"QLinearConv", 1},  {"QLinearMatMul", 1}, {"QuantizeLinear", 1},   {"RNN", 5},
     {"Range", 0},     {"Resize", 1},       {"RoiAlign", 1},      {"RotaryEmbedding", 1},  {"STFT", 1},
     {"Upsample", 1}});

// Operands that layers learn, beside those that products read: a constant there is a weight.
constexpr std::array kWeights = std::to_array<Operands>({{"BatchNormalization", 1},
                                                         {"BipolarQuant", 0, 0},
                                                         {"ConvTranspose", 1},
                                                         {"Einsum", 0},
                                                         {"GRU", 1, 3},
                                                         {"GroupNormalization", 1},
                                                         {"InstanceNormalization", 1},
                                                         {"IntQuant", 0, 0},
                                                         {"LSTM", 1, 7},
                                                         {"LayerNormalization", 1},
                                                         {"QuantizeLinear", 0, 0},
                                                         {"RMSNormalization", 1},
                                                         {"RNN", 1, 3}});

// Scale and shift of normalisations.
constexpr std::array kAffine = std::to_array<Operands>({{"BatchNormalization", 1, 2},
                                                        {"GroupNormalization", 1, 2},
                                                        {"InstanceNormalization", 1, 2},
                                                        {"LayerNormalization", 1, 2},
                                                        {"RMSNormalization", 1, 1}});

bool is_setting(const Wiring::Use& use) { return is_among(kSettings, use); }

bool is_weight(const Wiring::Use& use) {
  if (is_setting(use)) return false;
  const OpDef* op = find_op(canonical_op(*use.node));
  return (op && op->product && use.operand > 0) || is_among(kWeights, use);
}

// Of real numbers of any width, and no scalar.
bool is_tensor_of_floats(const Type& type) { return (is_float(type.dtype) || is_half(type.dtype)) && type.rank() > 0; }

// A scale of ones or a shift of zeros.
bool is_identity(const Tensor& tensor, const Wiring::Use& use) {
  if (!is_among(kAffine, use)) return false;
  const Tensor values = converted(tensor, DType::f32);
  const float neutral = use.operand == 1 ? 1.0f : 0.0f;
  return std::ranges::all_of(values.as<float>(), [&](float value) { return value == neutral; });
}

}  // namespace

bool initializer_is_parameter(const Type& type, std::span<const Wiring::Use> uses) {
  return is_tensor_of_floats(type) && (uses.empty() || !std::ranges::all_of(uses, is_setting));
}

bool constant_is_parameter(const Tensor& tensor, std::span<const Wiring::Use> uses) {
  const auto learnt = [&](const Wiring::Use& use) { return is_weight(use) && !is_identity(tensor, use); };
  return is_tensor_of_floats(tensor.type()) && std::ranges::any_of(uses, learnt);
}

}  // namespace marvin
