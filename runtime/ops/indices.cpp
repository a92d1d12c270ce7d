#include "runtime/ops/indices.h"

#include "runtime/kernels/strided.h"

namespace marvin {
namespace {

int64_t elements_before(const Shape& shape, size_t axis) {
  int64_t count = 1;
  for (size_t i = 0; i < axis; ++i) count *= shape[i];
  return count;
}

void require_index_type(const InferContext& context) {
  const DType dtype = context.type(1).dtype;
  if (dtype != DType::i32 && dtype != DType::i64) {
    throw Error("indices must be i32 or i64, not ", text_of(context.type(1)));
  }
}

void require_in_range(const InferContext& context, PickRows pick, const Shape& whole, size_t axis) {
  const Tensor* constant = context.operands[1].constant;
  if (!constant) return;
  std::vector<int64_t> offsets(static_cast<size_t>(constant->type().elements()));
  pick(Indices(constant->type(), constant->data()), whole, axis, offsets.data());
}

}  // namespace

int64_t Indices::at(int64_t i, int64_t extent) const {
  const int64_t index = type_.dtype == DType::i64 ? static_cast<const int64_t*>(elements_)[i]
                                                  : int64_t{static_cast<const int32_t*>(elements_)[i]};
  if (index < -extent || index >= extent) {
    throw Error("the index ", index, " is out of the range of ", extent, " elements");
  }
  return index < 0 ? index + extent : index;
}

PickedRows pick_slices(const Indices& indices, const Shape& whole, size_t axis, int64_t* offsets) {
  const int64_t width = row_major_strides(whole)[axis], count = indices.count();
  for (int64_t i = 0; i < count; ++i) offsets[i] = indices.at(i, whole[axis]) * width;
  return {.offsets = offsets,
          .count = count,
          .width = width,
          .groups = elements_before(whole, axis),
          .group_elements = whole[axis] * width};
}

PickedRows pick_elements(const Indices& indices, const Shape& whole, size_t axis, int64_t* offsets) {
  const auto strides = row_major_strides(whole);
  StridedLoop<1> loop;
  for (size_t i = 0; i < whole.size(); ++i) loop.add_axis(indices.shape()[i], {i == axis ? 0 : strides[i]});
  loop.walk(0, loop.count(), [&](int64_t first, const auto& places, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      const int64_t index = indices.at(first + i, whole[axis]);
      offsets[first + i] = places[0] + i * loop.step(0) + index * strides[axis];
    }
  });
  const int64_t groups = elements_before(indices.shape(), axis);
  const int64_t count = groups ? indices.count() / groups : 0;
  return {.offsets = offsets, .count = count, .width = 1, .groups = groups, .group_offsets = count};
}

PickedRows pick_tuples(const Indices& indices, const Shape& whole, size_t axis, int64_t* offsets) {
  const auto strides = row_major_strides(whole);
  const int64_t depth = indices.shape().back(), groups = elements_before(whole, axis);
  const int64_t count = groups ? indices.count() / depth / groups : 0;
  for (int64_t row = 0; row < groups * count; ++row) {
    offsets[row] = 0;
    for (int64_t k = 0; k < depth; ++k) {
      const size_t along = axis + static_cast<size_t>(k);
      offsets[row] += indices.at(row * depth + k, whole[along]) * strides[along];
    }
  }
  return {.offsets = offsets,
          .count = count,
          .width = strides[axis + static_cast<size_t>(depth) - 1],
          .groups = groups,
          .group_offsets = count,
          .group_elements = axis == 0 ? 0 : strides[axis - 1]};
}

Shape picked_slices(const InferContext& context, const Shape& whole, size_t axis) {
  require_index_type(context);
  require_in_range(context, pick_slices, whole, axis);
  const auto at = whole.begin() + static_cast<int64_t>(axis);
  Shape shape(whole.begin(), at);
  shape.insert(shape.end(), context.shape(1).begin(), context.shape(1).end());
  shape.insert(shape.end(), at + 1, whole.end());
  return shape;
}

Shape picked_elements(const InferContext& context, const Shape& whole, size_t axis) {
  require_index_type(context);
  const Shape& shape = context.shape(1);
  bool fits = shape.size() == whole.size();
  for (size_t i = 0; fits && i < whole.size(); ++i) fits = i == axis || shape[i] <= whole[i];
  if (!fits) throw Error("indices of [", text_of(shape), "] do not fit into [", text_of(whole), "] beside axis ", axis);
  require_in_range(context, pick_elements, whole, axis);
  return shape;
}

Shape picked_tuples(const InferContext& context, const Shape& whole, size_t axis) {
  require_index_type(context);
  const Shape& indices = context.shape(1);
  const int64_t batch_axes = static_cast<int64_t>(axis), rank = static_cast<int64_t>(whole.size());
  bool fits = std::ssize(indices) > batch_axes && rank > batch_axes;
  for (size_t i = 0; fits && i < axis; ++i) fits = indices[i] == whole[i];
  fits = fits && indices.back() >= 1 && indices.back() <= rank - batch_axes;
  if (!fits) {
    throw Error("indices of [", text_of(indices), "] do not pick from [", text_of(whole), "] behind ", axis,
                " batch axes");
  }
  require_in_range(context, pick_tuples, whole, axis);
  Shape shape(indices.begin(), indices.end() - 1);
  shape.insert(shape.end(), whole.begin() + batch_axes + indices.back(), whole.end());
  return shape;
}

Prepared prepare_offsets(const KernelQuery& query) {
  return {.scratch_bytes = query.in[1]->elements() * static_cast<int64_t>(sizeof(int64_t))};
}

}  // namespace marvin
