// Sums over everything but the channels: gradients of biases. Elements are summed in float32 in blocks of fixed size,
// blocks in float64 in order, so results depend neither on tiles nor on the number of threads.
#pragma once

#include <cstddef>
#include <cstdint>

namespace marvin {

constexpr int64_t kChannelSumRows = 32;  // of a block; tiles begin at multiples of it

// Of channels-last images, seen as rows of channels. Bytes of scratch, in which the two functions meet.
int64_t channel_sum_scratch_bytes(int64_t rows, int64_t channels);
// Takes the sums of the rows from `first` on, at which x points.
void channel_sum_rows(const float* x, int64_t rows, int64_t channels, std::byte* scratch, int64_t first = 0);
// y[channels] = the sums of all rows.
void channel_sum_total(int64_t rows, int64_t channels, std::byte* scratch, float* y);

// y[channels] of x[batch][channels][inner].
void channel_sum_planes(const float* x, int64_t batch, int64_t channels, int64_t inner, float* y);

}  // namespace marvin
