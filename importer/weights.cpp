#include "importer/weights.h"

#include <algorithm>
#include <array>

#include "runtime/ops/op.h"

namespace marvin {
namespace {

// From `first_setting` on an op's floating-point operands configure it.
struct Settings {
  std::string_view op;
  int first_setting;
};
constexpr std::array kSettings = std::to_array<Settings>({{"Clip", 1},
                                                          {"DequantizeLinear", 1},
                                                          {"Dropout", 1},
                                                          {"OneHot", 1},
                                                          {"Pad", 1},
                                                          {"QuantizeLinear", 1},
                                                          {"Range", 0},
                                                          {"Resize", 1},
                                                          {"Upsample", 1}});

constexpr std::array<std::string_view, 4> kNormalisations = {"BatchNormalization", "GroupNormalization",
                                                             "InstanceNormalization", "LayerNormalization"};

bool is_setting(const Wiring::Use& use) {
  return std::ranges::any_of(kSettings, [&](const Settings& row) {
    return row.op == use.node->op_type() && use.operand >= row.first_setting;
  });
}

bool is_weight(const Wiring::Use& use) {
  if (use.operand == 0) return false;
  const OpDef* op = find_op(use.node->op_type());
  return (op && op->product) || std::ranges::find(kNormalisations, use.node->op_type()) != kNormalisations.end();
}

}  // namespace

bool initializer_is_parameter(const Type& type, std::span<const Wiring::Use> uses) {
  if (!is_float(type.dtype) || type.rank() == 0) return false;
  return uses.empty() || !std::ranges::all_of(uses, is_setting);
}

bool constant_is_parameter(const Type& type, std::span<const Wiring::Use> uses) {
  return is_float(type.dtype) && type.rank() > 0 && std::ranges::any_of(uses, is_weight);
}

}  // namespace marvin
