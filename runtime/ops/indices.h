// What the ops share that pick out of an array by indices.
#pragma once

#include "runtime/kernels/picked_rows.h"
#include "runtime/ops/op.h"

namespace marvin {

// The elements of an i32 or i64 operand, each an index that counts from the end where it is negative.
class Indices {
 public:
  Indices(const Type& type, const void* elements) : type_(type), elements_(elements) {}
  Indices(const KernelArgs& args, size_t operand) : Indices(args.in_type(operand), args.in[operand]) {}

  const Shape& shape() const { return type_.shape; }
  int64_t count() const { return type_.elements(); }
  // Index i into an axis of `extent` elements, counted from its begin. Throws Error when it is out of range: indices
  // are data, so nobody may have looked at them before.
  int64_t at(int64_t i, int64_t extent) const;

 private:
  const Type& type_;
  const void* elements_;
};

// What indices mean: a picker says which rows of an array of shape `whole` they pick along its `axis`. `offsets` has
// room for one number per index. Throws Error on an index that is out of range.
using PickRows = PickedRows (*)(const Indices& indices, const Shape& whole, size_t axis, int64_t* offsets);
// Gather: an index picks a slice of the axis.
PickedRows pick_slices(const Indices& indices, const Shape& whole, size_t axis, int64_t* offsets);
// GatherElements: an index picks the element at its own place, moved along the axis. The ranks are equal, and the
// indices' extents along other axes are no larger than the array's.
PickedRows pick_elements(const Indices& indices, const Shape& whole, size_t axis, int64_t* offsets);
// GatherND: the last axis of the indices holds tuples, which pick along the axes from `axis` on; those before are batch
// axes that both have.
PickedRows pick_tuples(const Indices& indices, const Shape& whole, size_t axis, int64_t* offsets);

// The shape of what operand 1's indices pick of an array of shape `whole`. Each throws Error unless operand 1 is i32 or
// i64, of a shape that fits, and in range as far as its elements are known.
Shape picked_slices(const InferContext& context, const Shape& whole, size_t axis);
Shape picked_elements(const InferContext& context, const Shape& whole, size_t axis);
Shape picked_tuples(const InferContext& context, const Shape& whole, size_t axis);

// Scratch memory for an offset per element of operand 1, the indices.
Prepared prepare_offsets(const KernelQuery& query);
inline int64_t* offsets_of(const KernelArgs& args) { return reinterpret_cast<int64_t*>(args.scratch); }

}  // namespace marvin
