// What the pooling families share.
#pragma once

#include "runtime/kernels/pooling.h"
#include "runtime/ops/op.h"

namespace marvin {

// Throws Error unless the type is [n,c] and one to three axes.
void require_image(const Type& type);
// The same of f32.
void require_f32_image(const Type& type);

// The windows over an input [n,c,...], by the attributes kernel_shape and those of windows_over. Axes that the input
// lacks are of extent 1.
Pool pool_over(const Shape& in, const Attrs& attrs);
Shape pooled_shape(const Shape& in, const Pool& pool);

// The element type of taps of windows of so many elements; u8's last value stands for none.
DType tap_type(int64_t window_elements);

// Of a gradient op, whose attributes are its forward op's and input_shape: those attributes, the type that results, and
// the check of operand 0, the gradient of what the windows gave.
Attrs attrs_of_pool_gradient(GradContext& context);
Type recorded_input(const InferContext& context);
void require_gradient_shape(const InferContext& context, const Shape& shape);

// Prepare the Pool of an op, and of a gradient op.
Prepared prepare_pool(const KernelQuery& query);
Prepared prepare_pool_gradient(const KernelQuery& query);
inline const Pool& pool_of(const KernelArgs& args) { return *static_cast<const Pool*>(args.state); }

}  // namespace marvin
