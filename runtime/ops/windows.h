// Windows that slide along the axes behind batch and channels: what the attributes of convolutions and pooling share.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "runtime/ir/attrs.h"

namespace marvin {

// One axis: output o covers the inputs o * stride - pad_begin + k * dilation for k in [0, kernel).
struct Window {
  int64_t in = 1, out = 1, kernel = 1, stride = 1, dilation = 1, pad_begin = 0, pad_end = 0;
};

// The windows of these extents over inputs of these extents, by the attributes auto_pad, strides, pads, and dilations
// and ceil_mode where the op has them: https://onnx.ai/onnx/operators/onnx__MaxPool.html. With ceil_mode no window
// begins behind the input and the padding before it, as in PyTorch. Only pads behind the input may be negative. Throws
// Error where there are no such windows.
std::vector<Window> windows_over(std::span<const int64_t> in, std::span<const int64_t> kernel, const Attrs& attrs);

// A list attribute of `count` numbers, each at least `least`; `implied` for each where it is left out or empty.
std::vector<int64_t> per_axis(const Attrs& attrs, std::string_view name, size_t count, int64_t implied, int64_t least);

// The defaults of Conv's attributes, which the ops that compute a Conv in other numbers share.
Attrs convolution_defaults();

// Throws Error unless the attribute auto_pad is one of ONNX's.
void require_auto_pad(const Attrs& attrs);

}  // namespace marvin
