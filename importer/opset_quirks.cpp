#include "importer/opset_quirks.h"

#include <algorithm>

#include "importer/onnx_model.h"
#include "importer/quirk_tools.h"

namespace marvin {
namespace {

void integers_to_operand(ModelNode& node, Builder& builder, std::string_view key, size_t i) {
  if (!node.attrs.has(key)) return;
  set_operand(node, i, builder.constant_shape(take<std::vector<int64_t>>(node, key, {})));
}

void scalar_to_operand(ModelNode& node, Builder& builder, std::string_view key, size_t i) {
  if (!node.attrs.has(key)) return;
  set_operand(node, i, builder.scalar_like(operand(node, 0), take<float>(node, key, 0)));
}

void axes_to_operand(ModelNode& node, Builder& builder) { integers_to_operand(node, builder, "axes", 1); }

void split_to_operand(ModelNode& node, Builder& builder) { integers_to_operand(node, builder, "split", 1); }

void clip_bounds_to_operands(ModelNode& node, Builder& builder) {
  scalar_to_operand(node, builder, "min", 1);
  scalar_to_operand(node, builder, "max", 2);
}

void pads_to_operands(ModelNode& node, Builder& builder) {
  integers_to_operand(node, builder, "pads", 1);
  scalar_to_operand(node, builder, "value", 2);
}

void slice_bounds_to_operands(ModelNode& node, Builder& builder) {
  integers_to_operand(node, builder, "starts", 1);
  integers_to_operand(node, builder, "ends", 2);
  integers_to_operand(node, builder, "axes", 3);
}

void k_to_operand(ModelNode& node, Builder& builder) {
  if (node.attrs.has("k")) set_operand(node, 1, builder.constant_shape({take<int64_t>(node, "k", 0)}));
}

// Operands are the signal, the length and, since opset 20, the axis, which was 1 where nothing said so.
void fourier_axis_to_operand(ModelNode& node, Builder& builder) {
  set_operand(node, 2, builder.constant(Tensor::scalar(take<int64_t>(node, "axis", 1))));
}

// Before opset 12 nothing said whether Dropout drops, and files meant inference; so does a missing training_mode.
void dropout_ratio_to_operand(ModelNode& node, Builder& builder) { scalar_to_operand(node, builder, "ratio", 1); }

// Before opset 13 Softmax and its like worked on the matrix whose columns are the axes from `axis` (1) on.
void softmax_of_matrix(ModelNode& node, Builder& builder) {
  const ValueId x = operand(node, 0);
  const Shape shape = builder.shape(x);
  const int64_t rank = static_cast<int64_t>(shape.size());
  const int64_t axis = normalized_axis(take<int64_t>(node, "axis", 1), rank);
  if (axis == rank - 1) {
    node.attrs.set("axis", axis);
    return;
  }
  const ValueId matrix = builder.build("Flatten", {x}, {{"axis", axis}});
  const ValueId result = builder.build(node.op, {matrix}, {{"axis", int64_t{1}}});
  node.op = "Reshape";
  node.inputs = {result, builder.constant_shape(shape)};
  node.attrs = {};
}

void refuse_spatial_0(ModelNode& node, Builder&) {
  if (take<int64_t>(node, "spatial", 1) == 0) {
    throw Error("spatial=0 (statistics per element) is not supported; export the model with opset 9 or newer");
  }
}

// Before opset 14 a BatchNormalization that lists its statistics was in training mode. Outputs 3 and 4 were saved
// statistics for a gradient that ONNX never had.
void training_mode_from_outputs(ModelNode& node, Builder&) {
  const bool training = std::ranges::any_of(node.outputs.begin() + std::min<size_t>(1, node.outputs.size()),
                                            node.outputs.end(), [](const std::string& name) { return !name.empty(); });
  node.attrs.set("training_mode", int64_t{training});
  if (node.outputs.size() > 3) node.outputs.resize(3);
}

// The attribute is a tensor of any type, which an operand holds exactly.
void constant_of_shape_to_expand(ModelNode& node, Builder& builder) {
  const auto value = node.tensors.find("value");
  const ValueId fill = builder.constant(value == node.tensors.end() ? Tensor::scalar(0.0f) : value->second);
  if (builder.type(fill).elements() != 1) throw Error("attribute 'value' must have one element");
  node.tensors.clear();
  node.inputs = {fill, operand(node, 0)};
  node.op = "Expand";
}

// Opset 10's Resize had the operands x and scales, and coordinates as they are.
void resize_of_opset_10(ModelNode& node, Builder&) {
  node.inputs.insert(node.inputs.begin() + std::min<size_t>(1, node.inputs.size()), ValueId{});
  node.attrs.set("coordinate_transformation_mode", std::string("asymmetric"));
  node.attrs.set("nearest_mode", std::string("floor"));
}

// Before opset 20 the modes were called after two axes.
void grid_sample_modes(ModelNode& node, Builder&) {
  const std::string mode = take<std::string>(node, "mode", "linear");
  node.attrs.set("mode", mode == "bilinear" ? "linear" : mode == "bicubic" ? "cubic" : mode);
}

// Before opset 16 a region's coordinates were of elements' centers.
void regions_of_centers(ModelNode& node, Builder&) {
  node.attrs.set("coordinate_transformation_mode", std::string("output_half_pixel"));
}

void scales_to_operand(ModelNode& node, Builder& builder) {
  const std::vector<float> scales = take<std::vector<float>>(node, "scales", {});
  set_operand(node, 1, builder.constant(Tensor::of<float>({static_cast<int64_t>(scales.size())}, scales)));
}

// Before opset 21 scale and bias had an element per group.
void group_scales_to_channels(ModelNode& node, Builder& builder) {
  const Shape x = builder.shape(operand(node, 0));
  const int64_t groups = node.attrs.has("num_groups") ? node.attrs.integer("num_groups") : 0;
  if (x.size() < 2 || groups < 1 || x[1] % groups != 0) throw Error("num_groups does not divide the channels");
  for (const size_t i : {size_t{1}, size_t{2}}) {
    if (builder.shape(operand(node, i)) != Shape{groups})
      throw Error("operand ", i, " must have ", groups, " elements");
    const ValueId column = builder.reshape(node.inputs[i], {groups, 1});
    const ValueId rows = builder.build("Expand", {column, builder.constant_shape({groups, x[1] / groups})});
    node.inputs[i] = builder.reshape(rows, {x[1]});
  }
}

struct Quirk {
  std::string_view op;
  int64_t first_opset, last_opset;
  void (*apply)(ModelNode&, Builder&);
};

constexpr Quirk kQuirks[] = {
    {"BatchNormalization", 1, 8, refuse_spatial_0},
    {"BatchNormalization", 1, 13, training_mode_from_outputs},
    {"Clip", 1, 10, clip_bounds_to_operands},
    {"ConstantOfShape", 9, kMaxOpset, constant_of_shape_to_expand},
    {"DFT", 17, 19, fourier_axis_to_operand},
    {"Dropout", 1, 11, dropout_ratio_to_operand},
    {"GridSample", 16, 19, grid_sample_modes},
    {"GroupNormalization", 18, 20, group_scales_to_channels},
    {"Hardmax", 1, 12, softmax_of_matrix},
    {"LogSoftmax", 1, 12, softmax_of_matrix},
    {"Pad", 1, 10, pads_to_operands},
    {"ReduceL1", 1, 17, axes_to_operand},
    {"ReduceL2", 1, 17, axes_to_operand},
    {"ReduceLogSum", 1, 17, axes_to_operand},
    {"ReduceLogSumExp", 1, 17, axes_to_operand},
    {"ReduceMax", 1, 17, axes_to_operand},
    {"ReduceMean", 1, 17, axes_to_operand},
    {"ReduceMin", 1, 17, axes_to_operand},
    {"ReduceProd", 1, 17, axes_to_operand},
    {"ReduceSum", 1, 12, axes_to_operand},
    {"ReduceSumSquare", 1, 17, axes_to_operand},
    {"Resize", 10, 10, resize_of_opset_10},
    {"RoiAlign", 10, 15, regions_of_centers},
    {"Slice", 1, 9, slice_bounds_to_operands},
    {"Softmax", 1, 12, softmax_of_matrix},
    {"Split", 1, 12, split_to_operand},
    {"Squeeze", 1, 12, axes_to_operand},
    {"TopK", 1, 9, k_to_operand},
    {"Upsample", 1, 8, scales_to_operand},
    {"Unsqueeze", 1, 12, axes_to_operand},
};

}  // namespace

void apply_quirks(ModelNode& node, int64_t opset, Builder& builder) {
  if (opset < 7) apply_quirks_before_7(node, opset, builder);
  const std::string op = node.op;
  for (const Quirk& quirk : kQuirks)
    if (quirk.op == op && opset >= quirk.first_opset && opset <= quirk.last_opset) quirk.apply(node, builder);
}

}  // namespace marvin
