// A classifier for other classes than those that a model was exported for.
#pragma once

#include <cstdint>

#include "importer/onnx_model.h"

namespace marvin {

// The model with a last layer of `width` outputs. The last layer is the Gemm, MatMul or Conv that the model's first
// output comes from, by way of ops that work element by element (a bias, Softmax ...) or change the shape. Its weight
// and bias are drawn anew, uniformly in +-1 / sqrt(fan in), as a pure function of the seed; names stay. Throws Error,
// naming what is in the way, where there is no such layer.
OnnxModel with_head(const OnnxModel& model, int64_t width, uint64_t seed);

}  // namespace marvin
