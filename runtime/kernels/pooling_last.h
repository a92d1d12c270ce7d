// Max pooling of channels-last images, of windows of up to 255 elements; see pooling.h. Every window is a few rows of
// channels, compared element by element.
#pragma once

#include "runtime/kernels/pooling.h"

namespace marvin {

// x and y have `channels` neighbours at every position of pool.planes / channels images; taps may be null.
void max_pool_last(const Pool& pool, int64_t channels, const float* x, float* y, uint8_t* taps);
// As tap_positions: of the row-major input, in the row-major order of the windows.
void tap_positions_last(const Pool& pool, int64_t channels, const uint8_t* taps, bool column_major, int64_t* positions);
void max_pool_last_grad(const Pool& pool, int64_t channels, const float* dy, const uint8_t* taps, float* dx);

}  // namespace marvin
