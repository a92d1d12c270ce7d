#include "runtime/precision/cost_model.h"

#include <cmath>

namespace marvin {
namespace {

constexpr double kLogInterval = 10;  // iterations
constexpr double kWordsTried = 5;    // log2(32)
constexpr double kPassesPerWord = 3;

// Iterations between two decisions.
double period(const Deciding& deciding) {
  return static_cast<double>(deciding.lookback) * static_cast<double>(deciding.accumulate);
}

}  // namespace

double bits_of(FixedPoint format) { return format.is_float() ? kFloatBits : format.wl; }

double cost_of(const ForwardCost& forward) {
  return forward.nonzero * (forward.operations * forward.bits + forward.overhead);
}

double training_speedup(double cost, double float_cost) {
  return float_cost > 0 ? 2 * float_cost / (cost + float_cost) : 1;
}

double cost_ratio(double float_cost, double cost) { return cost > 0 ? float_cost / cost : 1; }

PublishedSize published_conv(const Shape& image, const Shape& weight) {
  double pixels = 1;
  for (size_t axis = 2; axis < image.size(); ++axis) pixels *= static_cast<double>(image[axis]);
  double extent = static_cast<double>(weight[0]);
  for (size_t axis = 2; axis < weight.size(); ++axis) extent *= static_cast<double>(weight[axis]);
  const double channels = static_cast<double>(image[1]), out = static_cast<double>(weight[0]);
  const double window = static_cast<double>(weight[2]);
  return {2 * pixels * (channels * window + 1) * out * channels, extent};
}

PublishedSize published_linear(double in, double out) { return {2 * in * out - in, in}; }

double published_overhead(double extent, double bits, double nonzero, const Deciding& deciding) {
  if (deciding.lookback <= 0) return 0;
  const double bisection = bits > 8 ? 2 * std::log2(bits - 8) : 1;
  const double push_down = 3 * extent * bisection * deciding.resolution * nonzero;
  const double push_up = static_cast<double>(deciding.lookback + 1) * extent + 1;
  return kFloatBits * kLogInterval * (push_down + push_up) / period(deciding);
}

double deciding_overhead(int64_t weights, int64_t batch, const Deciding& deciding) {
  if (deciding.lookback <= 0) return 0;
  const double passes = kWordsTried * kPassesPerWord + static_cast<double>(deciding.lookback);
  return kFloatBits * static_cast<double>(weights) * passes / (period(deciding) * static_cast<double>(batch));
}

}  // namespace marvin
