// A convolution as the pairs of positions that its taps join. Much of a window over a small image lies outside of it
// (of 3x3 taps over 2x2 pixels more than half): what goes by these pairs never multiplies padding.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "runtime/kernels/conv.h"

namespace marvin {

// A tap, and the positions of the output and of the source that it joins.
struct ConvPair {
  int64_t tap = 0, out = 0, source = 0;
};

// Calls body(pair) for all of an image, in the order of output positions, then of taps.
template <class Body>
void for_pairs(const ConvShape& s, Body&& body) {
  const auto& [d, h, w] = s.axes;
  const auto source = [](const ConvAxis& axis, int64_t out, int64_t tap) {
    const int64_t position = out * axis.stride - axis.pad + tap * axis.dilation;
    return position >= 0 && position < axis.in ? position : -1;
  };
  for (int64_t out = 0; out < s.out_pixels(); ++out) {
    for (int64_t tap = 0; tap < s.taps(); ++tap) {
      const int64_t z = source(d, out / w.out / h.out, tap / w.kernel / h.kernel);
      const int64_t y = source(h, out / w.out % h.out, tap / w.kernel % h.kernel);
      const int64_t x = source(w, out % w.out, tap % w.kernel);
      if (z >= 0 && y >= 0 && x >= 0) body(ConvPair{tap, out, (z * h.in + y) * w.in + x});
    }
  }
}

// Those of a pass, by position of what it computes: of y, or of dx, whose source is dy.
inline std::vector<std::vector<ConvPair>> pairs_by_position(const ConvShape& shape, ConvPass pass) {
  const bool forward = pass == ConvPass::forward;
  std::vector<std::vector<ConvPair>> pairs(static_cast<size_t>(forward ? shape.out_pixels() : shape.in_pixels()));
  for_pairs(shape, [&](ConvPair pair) {
    if (!forward) std::swap(pair.out, pair.source);
    pairs[static_cast<size_t>(pair.out)].push_back(pair);
  });
  return pairs;
}

// Those of a weight gradient, by tap.
inline std::vector<std::vector<ConvPair>> pairs_by_tap(const ConvShape& shape) {
  std::vector<std::vector<ConvPair>> pairs(static_cast<size_t>(shape.taps()));
  for_pairs(shape, [&](const ConvPair& pair) { pairs[static_cast<size_t>(pair.tap)].push_back(pair); });
  return pairs;
}

// How many there are.
inline int64_t count_pairs(const ConvShape& shape) {
  int64_t pairs = 1;
  for (const ConvAxis& axis : shape.axes) {
    int64_t along = 0;
    for (int64_t tap = 0; tap < axis.kernel; ++tap) {
      // 0 <= out * stride + first < in
      const int64_t first = tap * axis.dilation - axis.pad;
      const int64_t begin = first < 0 ? (axis.stride - 1 - first) / axis.stride : 0;
      const int64_t end = first < axis.in ? std::min(axis.out, (axis.in - 1 - first) / axis.stride + 1) : 0;
      along += std::max<int64_t>(0, end - begin);
    }
    pairs *= along;
  }
  return pairs;
}

}  // namespace marvin
