#include <array>

#include "importer/quirk_tools.h"
#include "runtime/ops/types.h"

namespace marvin {
namespace {

// The second operand's axes were the first's from `axis` on, the last ones without; now they are always the last.
void broadcast_along_axis(ModelNode& node, int64_t, Builder& builder) {
  const bool broadcasts = take<int64_t>(node, "broadcast", 0) != 0;
  if (!node.attrs.has("axis")) return;
  const int64_t axis = take<int64_t>(node, "axis", 0);
  if (!broadcasts) return;
  const ValueId b = operand(node, 1);
  const int64_t rank = builder.type(operand(node, 0)).rank();
  const int64_t after = rank - normalized_axis(axis, std::max<int64_t>(rank, 1)) - builder.type(b).rank();
  if (after < 0) throw Error("operand 1, ", text_of(builder.type(b)), ", does not fit from axis ", axis, " on");
  Shape shape = builder.shape(b);
  shape.resize(shape.size() + static_cast<size_t>(after), 1);
  node.inputs[1] = builder.reshape(b, shape);
}

// One slope per channel.
void slope_per_channel(ModelNode& node, int64_t, Builder& builder) {
  const int64_t rank = builder.type(operand(node, 0)).rank();
  const ValueId slope = operand(node, 1);
  if (builder.type(slope).rank() != 1 || rank < 3 || builder.type(slope).elements() == 1) return;
  Shape shape = builder.shape(slope);
  shape.resize(static_cast<size_t>(rank) - 1, 1);
  node.inputs[1] = builder.reshape(slope, shape);
}

void drop_broadcast(ModelNode& node, int64_t, Builder&) { take<int64_t>(node, "broadcast", 0); }

void reshape_to_attribute(ModelNode& node, int64_t opset, Builder& builder) {
  if (opset < 5) set_operand(node, 1, builder.constant_shape(take<std::vector<int64_t>>(node, "shape", {})));
}

// The name of onnx.TensorProto.DataType was given.
void cast_to_name(ModelNode& node, int64_t opset, Builder&) {
  if (opset > 5) return;
  constexpr auto kNames =
      std::to_array<std::string_view>({"UNDEFINED", "FLOAT", "UINT8", "INT8", "UINT16", "INT16", "INT32", "INT64",
                                       "STRING", "BOOL", "FLOAT16", "DOUBLE", "UINT32", "UINT64"});
  const std::string name = take<std::string>(node, "to", "");
  const auto found = std::ranges::find(kNames, name);
  if (found == kNames.end()) throw Error("attribute 'to' is '", name, "', which is no element type");
  node.attrs.set("to", static_cast<int64_t>(found - kNames.begin()));
}

void concat_axis_1(ModelNode& node, int64_t opset, Builder&) {
  if (opset < 4 && !node.attrs.has("axis")) node.attrs.set("axis", int64_t{1});
}

// A constant operand of any type, of one element.
int64_t number(const ModelNode& node, size_t i, const Builder& builder, std::string_view what) {
  const Tensor* data = builder.constant(operand(node, i));
  if (!data) throw Error(what, " depends on data; only values known before the run are supported");
  if (data->type().elements() != 1) throw Error(what, " must be one number, not ", text_of(data->type()));
  return to_int64(converted(*data, DType::i64))[0];
}

// Operands were how often and along which axis, of the type of what is tiled.
void tile_along_axis(ModelNode& node, int64_t opset, Builder& builder) {
  if (opset > 5) return;
  Shape repeats(builder.shape(operand(node, 0)).size(), 1);
  const int64_t axis = normalized_axis(number(node, 2, builder, "the axis to tile"), std::ssize(repeats));
  repeats[static_cast<size_t>(axis)] = number(node, 1, builder, "how often to tile");
  node.inputs = {node.inputs[0], builder.constant_shape(repeats)};
}

void pads_were_paddings(ModelNode& node, int64_t opset, Builder&) {
  if (opset < 2 && node.attrs.has("paddings")) node.attrs.set("pads", take<std::vector<int64_t>>(node, "paddings", {}));
}

// Whether the op was in training mode, which its outputs said as well.
void drop_is_test(ModelNode& node, int64_t, Builder&) {
  if (take<int64_t>(node, "is_test", 0) != 0 && node.outputs.size() > 1) node.outputs.resize(1);
}

// Whether output 0, every step, was wanted.
void drop_output_sequence(ModelNode& node, int64_t, Builder&) { take<int64_t>(node, "output_sequence", 0); }

void norm_was_float(ModelNode& node, int64_t opset, Builder&) {
  if (opset < 2 && node.attrs.has("p")) node.attrs.set("p", static_cast<int64_t>(take<float>(node, "p", 2)));
}

void upsample_by_attributes(ModelNode& node, int64_t, Builder&) {
  if (!node.attrs.has("height_scale")) return;
  const float height = take<float>(node, "height_scale", 1), width = take<float>(node, "width_scale", 1);
  node.attrs.set("scales", std::vector<float>{1, 1, height, width});
}

struct Quirk {
  std::string_view op;
  void (*apply)(ModelNode&, int64_t opset, Builder&);
};

constexpr Quirk kQuirks[] = {
    {"Add", broadcast_along_axis},
    {"And", broadcast_along_axis},
    {"BatchNormalization", drop_is_test},
    {"Cast", cast_to_name},
    {"Concat", concat_axis_1},
    {"Div", broadcast_along_axis},
    {"Dropout", drop_is_test},
    {"Equal", broadcast_along_axis},
    {"GRU", drop_output_sequence},
    {"Gemm", drop_broadcast},
    {"GlobalLpPool", norm_was_float},
    {"Greater", broadcast_along_axis},
    {"LSTM", drop_output_sequence},
    {"Less", broadcast_along_axis},
    {"LpPool", norm_was_float},
    {"Mul", broadcast_along_axis},
    {"Or", broadcast_along_axis},
    {"PRelu", slope_per_channel},
    {"Pad", pads_were_paddings},
    {"Pow", broadcast_along_axis},
    {"RNN", drop_output_sequence},
    {"Reshape", reshape_to_attribute},
    {"Sub", broadcast_along_axis},
    {"Tile", tile_along_axis},
    {"Upsample", upsample_by_attributes},
    {"Xor", broadcast_along_axis},
};

}  // namespace

void apply_quirks_before_7(ModelNode& node, int64_t opset, Builder& builder) {
  node.attrs.erase("consumed_inputs");  // of a runtime that wrote over its operands
  for (const Quirk& quirk : kQuirks)
    if (quirk.op == node.op) quirk.apply(node, opset, builder);
}

}  // namespace marvin
