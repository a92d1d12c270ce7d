// Which tensors of a file are trainable. Internal to importer/.
//
// ONNX does not say which of a model's tensors are weights and which are literals, so marvin goes by these rules:
//  * An initializer is a parameter when it is floating-point, of rank 1 or more, and not used as a setting alone: an
//    operand that configures an op, such as the bounds of Clip. Exporters write literals (an epsilon, 1/sqrt(d)) as
//    scalars of rank 0; training those would be wrong.
//  * The tensor (attribute `value`) of a Constant node is a parameter when it is floating-point, of rank 1 or more, and
//    read as a weight: by a product or a normalisation at any operand but the first. Not so a normalisation's scale of
//    ones and shift of zeros, which exporters write as literals where a layer has none (PyTorch's GroupNorm always
//    has).
// Both count in branches, bodies of loops and functions as well, under the names of importer/writable_tensors.h. A
// function's weights are shared by its calls, those of a loop's body by its iterations. Everything else is constant.
#pragma once

#include "importer/wiring.h"
#include "runtime/ir/tensor.h"

namespace marvin {

bool initializer_is_parameter(const Type& type, std::span<const Wiring::Use> uses);
bool constant_is_parameter(const Tensor& tensor, std::span<const Wiring::Use> uses);

}  // namespace marvin
