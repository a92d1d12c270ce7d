// Local response normalization of row-major float32 [n,c,...].
#pragma once

#include <cstdint>

#include "runtime/kernels/normalization.h"

namespace marvin {

// y = x / s^beta, s = bias + alpha * sum x^2 over the channels [c - before, c + behind] that exist.
struct LocalResponse {
  ChannelShape shape;
  int64_t before = 0, behind = 0;
  float alpha = 0, beta = 0, bias = 0;
};

void local_response(const LocalResponse& norm, const float* x, float* y);
// dx; it may not overlap the operands. `room` has as many elements as x.
void local_response_grad(const LocalResponse& norm, const float* dy, const float* x, float* dx, float* room);

}  // namespace marvin
