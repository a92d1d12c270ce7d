#include "runtime/ops/windows.h"

#include <algorithm>

#include "runtime/ir/error.h"

namespace marvin {
namespace {

// No attribute is larger, so that no product of two of them overflows.
constexpr int64_t kMost = int64_t{1} << 30;

void pad_same(Window& window, int64_t span, bool upper) {
  window.out = (window.in + window.stride - 1) / window.stride;
  const int64_t pads = std::max<int64_t>(0, (window.out - 1) * window.stride + span - window.in);
  window.pad_begin = upper ? pads / 2 : pads - pads / 2;
  window.pad_end = pads - window.pad_begin;
}

void fit(Window& window, int64_t span, bool ceil_mode) {
  const int64_t padded = window.in + window.pad_begin + window.pad_end, stride = window.stride;
  if (span > padded) throw Error("the kernel spans ", span, " but the padded input has only ", padded);
  window.out = (padded - span + (ceil_mode ? stride - 1 : 0)) / stride + 1;
  if (ceil_mode && (window.out - 1) * stride >= window.in + window.pad_begin) --window.out;
}

}  // namespace

std::vector<int64_t> per_axis(const Attrs& attrs, std::string_view name, size_t count, int64_t implied, int64_t least) {
  if (!attrs.has(name) || attrs.integers(name).empty()) return std::vector<int64_t>(count, implied);
  const std::vector<int64_t>& list = attrs.integers(name);
  if (list.size() != count) throw Error(name, " lists ", list.size(), " numbers, not ", count);
  for (const int64_t entry : list) {
    if (entry < least) throw Error(name, " must be at least ", least, ", not ", entry);
    if (entry > kMost) throw Error(name, " must be at most ", kMost, ", not ", entry);
  }
  return list;
}

Attrs convolution_defaults() {
  return {{"auto_pad", std::string("NOTSET")},
          {"dilations", std::vector<int64_t>{}},
          {"group", int64_t{1}},
          {"kernel_shape", std::vector<int64_t>{}},
          {"pads", std::vector<int64_t>{}},
          {"strides", std::vector<int64_t>{}}};
}

void require_auto_pad(const Attrs& attrs) {
  const std::string& auto_pad = attrs.string("auto_pad");
  if (auto_pad == "NOTSET" || auto_pad == "VALID" || auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER") return;
  throw Error("auto_pad must be NOTSET, VALID, SAME_UPPER or SAME_LOWER, not '", auto_pad, "'");
}

std::vector<Window> windows_over(std::span<const int64_t> in, std::span<const int64_t> kernel, const Attrs& attrs) {
  const size_t count = in.size();
  if (kernel.size() != count) throw Error("the kernel has ", kernel.size(), " axes, the input ", count);
  require_auto_pad(attrs);
  const std::string& auto_pad = attrs.string("auto_pad");
  const std::vector<int64_t> strides = per_axis(attrs, "strides", count, 1, 1);
  const std::vector<int64_t> dilations = per_axis(attrs, "dilations", count, 1, 1);
  const std::vector<int64_t> pads = per_axis(attrs, "pads", 2 * count, 0, -kMost);
  const bool ceil_mode = attrs.has("ceil_mode") && attrs.integer("ceil_mode") != 0;
  std::vector<Window> windows;
  for (size_t i = 0; i < count; ++i) {
    if (kernel[i] < 1 || kernel[i] > kMost)
      throw Error("a kernel must have 1 to ", kMost, " elements, not ", kernel[i]);
    if (pads[i] < 0) throw Error("pads before the input must be at least 0, not ", pads[i]);
    Window window{.in = in[i], .kernel = kernel[i], .stride = strides[i], .dilation = dilations[i]};
    const int64_t span = (window.kernel - 1) * window.dilation + 1;
    if (auto_pad == "NOTSET") {
      window.pad_begin = pads[i];
      window.pad_end = pads[count + i];
    }
    if (auto_pad == "NOTSET" || auto_pad == "VALID")
      fit(window, span, ceil_mode);
    else
      pad_same(window, span, auto_pad == "SAME_UPPER");
    windows.push_back(window);
  }
  return windows;
}

}  // namespace marvin
