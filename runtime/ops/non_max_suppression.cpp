#include "runtime/kernels/non_max_suppression.h"

#include "runtime/ops/types.h"

namespace marvin {
namespace {

constexpr std::array<std::string_view, 5> kOperands = {"boxes", "scores", "max_output_boxes_per_class", "iou_threshold",
                                                       "score_threshold"};

// What the operands say; null where one is left out.
BoxSelection selection_of(std::span<const void* const> operands, const Shape& scores, bool centered) {
  const auto floats = [&](size_t i) { return i < operands.size() ? static_cast<const float*>(operands[i]) : nullptr; };
  const int64_t* most = operands.size() > 2 ? static_cast<const int64_t*>(operands[2]) : nullptr;
  return {.boxes = floats(0),
          .scores = floats(1),
          .batches = scores[0],
          .classes = scores[1],
          .count = scores[2],
          .centered = centered,
          .most = most ? *most : 0,
          .overlap = floats(3) ? *floats(3) : 0,
          .threshold = floats(4)};
}

void check_operands(const InferContext& context) {
  for (size_t i = 0; i < context.operands.size(); ++i) {
    if (!context.has(i)) continue;
    const Type& type = context.type(i);
    if (type.dtype != (i == 2 ? DType::i64 : DType::f32) || type.rank() > (i < 2 ? 3 : 1) ||
        (i < 2 ? type.rank() != 3 : type.elements() != 1)) {
      throw Error(kOperands[i], " must not be ", text_of(type));
    }
    if (!context.operands[i].constant) {
      throw Error("how many boxes are chosen depends on ", kOperands[i],
                  "; only values known before the run are supported");
    }
  }
  const Shape &boxes = context.shape(0), &scores = context.shape(1);
  if (boxes[0] != scores[0] || boxes[1] != scores[2] || boxes[2] != 4) {
    throw Error("boxes of [", text_of(boxes), "] do not go with scores of [", text_of(scores), "]");
  }
}

std::vector<Type> infer_non_max_suppression(const InferContext& context) {
  check_operands(context);
  std::vector<const void*> operands;
  for (const InferContext::Operand& operand : context.operands)
    operands.push_back(operand.constant ? operand.constant->data() : nullptr);
  const BoxSelection selection =
      selection_of(operands, context.shape(1), context.attrs.integer("center_point_box") != 0);
  if (!(selection.overlap >= 0 && selection.overlap <= 1)) {
    throw Error("iou_threshold is ", selection.overlap, ", not from 0 to 1");
  }
  std::vector<int64_t> order(static_cast<size_t>(selection.count));
  return {Type{DType::i64, {select_boxes(selection, order.data(), nullptr), 3}}};
}

void run_non_max_suppression(const KernelArgs& args) {
  const bool centered = args.attrs().integer("center_point_box") != 0;
  select_boxes(selection_of(args.in, args.in_type(1).shape, centered), reinterpret_cast<int64_t*>(args.scratch),
               args.output<int64_t>());
}

}  // namespace

extern const OpDef kNonMaxSuppression = {
    .name = "NonMaxSuppression",
    .doc =
        "Batch, class and index (i64[n,3]) of boxes chosen by their scores, the best first, without those that overlap "
        "one chosen already by more than a part of their union. Constant operands: boxes f32[batch,boxes,4] (two "
        "corners as y, x, or center x, y, width, height), scores f32[batch,class,boxes], the most to choose per batch "
        "and class (i64; left out: 0), that part (f32; 0), and the score that must be exceeded (f32; none)",
    .min_inputs = 2,
    .max_inputs = 5,
    .defaults = {{"center_point_box", int64_t{0}}},
    .infer = infer_non_max_suppression,
    .gradient = no_gradient,
    .kernels = {{.name = "non_max_suppression",
                 .prepare = [](const KernelQuery& query) -> Prepared {
                   return {.scratch_bytes = query.in[1]->shape[2] * static_cast<int64_t>(sizeof(int64_t))};
                 },
                 .run = run_non_max_suppression}},
};

}  // namespace marvin
