// MARViN's first question: how few bits lose nothing? A format is good enough when the histogram of the quantized
// values stays close to that of the real ones.
#pragma once

#include <span>

#include "runtime/precision/fixed_point.h"

namespace marvin {

constexpr int kMaxResolution = 256;

// The Kullback-Leibler divergence D(P||Q) in nats, P and Q being the histograms of `sample` and of the sample rounded
// to nearest in `format`, in `resolution` (2 to kMaxResolution) equal bins over [min, max] of the sample. Values that
// rounding moved outside count in the edge bins; half a count is added to every bin (Jeffreys), so D is finite. Zero
// for a sample without spread, and for float32 (FixedPoint{}); other words of more than 24 bits are judged as such.
double divergence(std::span<const float> sample, FixedPoint format, int resolution);

// The same with every rounded value spread evenly over the reals that round to it. Bins and words then need not be
// aligned: what remains is what words wider than bins blur. (Counted where they lie, words fall into some bins more
// than into others even where they are fine enough.)
double spread_divergence(std::span<const float> sample, FixedPoint format, int resolution);

// The mean shift of magnitude that rounding to nearest in `format` causes, |mean|x| - mean|q|| / mean|x|: the error
// measure of adaptive precision training (Zhang et al., CVPR 2020, "QEM").
double magnitude_error(std::span<const float> sample, FixedPoint format);

// The smallest word length in [lowest, highest] for which `good(wl)` holds, given that more bits never hurt; highest +
// 1 when none passes. Bisection: about log2(highest - lowest) calls.
template <class Good>
int smallest_word(int lowest, int highest, Good&& good) {
  int low = lowest;
  int high = highest + 1;
  while (low < high) {
    const int middle = (low + high) / 2;
    if (good(middle)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

}  // namespace marvin
