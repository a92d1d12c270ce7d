// Batch normalization of channels-last images; see normalization.h. Rows of channels are taken in blocks of fixed size,
// each summed in float32, and blocks are combined in float64 in order, so results do not depend on the number of
// threads.
#pragma once

#include <cstddef>

#include "runtime/kernels/normalization.h"

namespace marvin {

int64_t batch_norm_last_scratch_bytes(const ChannelShape& shape);
void batch_norm_last(const ChannelShape& shape, bool training, const BatchNorm& args, std::byte* scratch);
void batch_norm_last_grad(const ChannelShape& shape, bool constant_statistics, const BatchNormGrad& args,
                          std::byte* scratch);

}  // namespace marvin
