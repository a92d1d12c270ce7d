// Ops that rearrange elements without computing: the same bytes under another shape, or in another order.
#include <numeric>

#include "runtime/ops/list.h"

namespace marvin {
namespace {

std::vector<Type> infer_reshape(const InferContext& context) {
  const Type& in = context.type(0);
  Shape shape = context.integers(1, "the shape");
  std::optional<size_t> free_axis;
  int64_t known = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0 && context.attrs.integer("allowzero") == 0) {
      if (i >= in.shape.size()) throw Error("extent 0 of axis ", i, " has nothing to copy in [", text_of(in.shape), "]");
      shape[i] = in.shape[i];
    }
    if (shape[i] == -1) {
      if (free_axis) throw Error("the shape [", text_of(shape), "] leaves two axes open");
      free_axis = i;
    } else {
      known *= shape[i];
    }
  }
  const int64_t count = in.elements();
  if (free_axis) shape[*free_axis] = known == 0 ? 0 : count / known;
  if (elements(shape) != count) throw Error("[", text_of(in.shape), "] cannot take the shape [", text_of(shape), "]");
  return {Type{in.dtype, shape}};
}

std::vector<ValueId> reshape_back(GradContext& context) {
  return {context.reshape(context.grad(), context.shape(context.in(0)))};
}

std::vector<Type> infer_flatten(const InferContext& context) {
  const Type& in = context.type(0);
  int64_t axis = context.attrs.integer("axis");
  if (axis < -in.rank() || axis > in.rank()) throw Error("axis ", axis, " is out of range");
  if (axis < 0) axis += in.rank();
  const auto middle = in.shape.begin() + axis;
  const int64_t rows = std::accumulate(in.shape.begin(), middle, int64_t{1}, std::multiplies<>());
  const int64_t columns = std::accumulate(middle, in.shape.end(), int64_t{1}, std::multiplies<>());
  return {Type{in.dtype, {rows, columns}}};
}

}  // namespace

const OpDef kIdentity = {
    .name = "Identity",
    .doc = "y = x",
    .infer = [](const InferContext& context) -> std::vector<Type> { return {context.type(0)}; },
    .gradient = [](GradContext& context) -> std::vector<ValueId> { return {context.grad()}; },
    .view = true,
};

const OpDef kReshape = {
    .name = "Reshape",
    .doc = "x under the given shape (i64 vector); -1 is computed, 0 copies x's extent unless allowzero",
    .min_inputs = 2,
    .max_inputs = 2,
    .defaults = {{"allowzero", int64_t{0}}},
    .infer = infer_reshape,
    .gradient = reshape_back,
    .view = true,
};

const OpDef kFlatten = {
    .name = "Flatten",
    .doc = "x as a matrix: the axes before `axis` are rows, the others columns",
    .defaults = {{"axis", int64_t{1}}},
    .infer = infer_flatten,
    .gradient = reshape_back,
    .view = true,
};

}  // namespace marvin
