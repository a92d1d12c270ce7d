// What few bits are worth by models that count instead of measuring: the performance model of the AdaPT paper (arXiv
// 2107.13490, with the counts of its published analytics) and the same on the counts that are usual. The unit of cost
// is one bit of one multiply-accumulate: one in float32 costs 32.
#pragma once

#include <cstdint>

#include "runtime/ir/type.h"
#include "runtime/precision/fixed_point.h"

namespace marvin {

constexpr double kFloatBits = 32;

// The bits that a word counts: 32 for what is not quantized.
double bits_of(FixedPoint format);

// The forward pass of one layer in one iteration.
struct ForwardCost {
  double operations = 0;  // M: what the pass multiplies and adds
  double bits = kFloatBits;
  double nonzero = 1;   // share of the weights that are not zero: zeros cost nothing
  double overhead = 0;  // O: of deciding on formats
};
// nonzero * (M * bits + O).
double cost_of(const ForwardCost& forward);

// 2 C / (Q + C), Q and C being the forward costs in few bits and in float32. The backward pass is charged as much as a
// forward pass in float32, so this stays below 2; 1 where nothing costs anything.
double training_speedup(double cost, double float_cost);
// C / Q; 1 where nothing costs anything.
double cost_ratio(double float_cost, double cost);

// ---- As published ---------------------------------------------------------------------------------------------------

// How large a layer is, of one sample.
struct PublishedSize {
  double operations = 0;
  double extent = 0;  // the "tensor dims product" that the overhead grows with
};

// 2 H W (C k + 1) O C operations and an extent of O k l, for an image [N,C,H,W..] and a weight [O,C/groups,k,l..]: H
// and W are those of the image that is read, C counts twice and l not at all.
PublishedSize published_conv(const Shape& image, const Shape& weight);
// 2 m n - m operations and an extent of m for m numbers in and n out.
PublishedSize published_linear(double in, double out);

// What a policy does about one layer's weights every `lookback` optimizer steps; 0: it asks nothing.
struct Deciding {
  int64_t lookback = 0;
  int resolution = 0;      // bins of histograms
  int64_t accumulate = 1;  // batches to an optimizer step
};

// 32 * 10 * S / (lookback * accumulate) with S = 3 T b r nz + (lookback + 1) T + 1 and b = 2 log2(wl - 8), 1 up to 8
// bits: T is the extent, r the resolution, nz the share of non-zeros, 10 the interval of the published logs.
double published_overhead(double extent, double bits, double nonzero, const Deciding& deciding);

// ---- As one would count ---------------------------------------------------------------------------------------------

// Of one sample: every look-back the policy tries five words (a bisection of 32), each of which quantizes every weight
// and fills two histograms, and adds a gradient to a sum in every step; all in float32.
double deciding_overhead(int64_t weights, int64_t batch, const Deciding& deciding);

}  // namespace marvin
