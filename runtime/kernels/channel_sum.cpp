#include "runtime/kernels/channel_sum.h"

#include <algorithm>

#include "runtime/kernels/normalization_rows.h"
#include "runtime/kernels/parallel.h"
#include "runtime/kernels/scratch.h"

namespace marvin {
namespace {

constexpr int64_t kPlaneBlock = 512;

// Behind the blocks' sums.
double* totals_of(std::byte* scratch, int64_t rows, int64_t channels) {
  return reinterpret_cast<double*>(scratch + Carver::bytes_of<float>(ceil_div(rows, kChannelSumRows) * channels));
}

MARVIN_CLONES void add_blocks(const float* sums, int64_t blocks, int64_t channels, double* totals) {
  for (int64_t block = 0; block < blocks; ++block)
    for (int64_t c = 0; c < channels; ++c) totals[c] += sums[block * channels + c];
}

// As sixteen sums, of every sixteenth element each.
MARVIN_CLONES float sum_of(const float* x, int64_t count) {
  constexpr int64_t kLanes = 16;
  float lanes[kLanes] = {};
  for (int64_t i = 0; i < count; i += kLanes)
    for (int64_t lane = 0; lane < std::min(kLanes, count - i); ++lane) lanes[lane] += x[i + lane];
  float sum = 0;
  for (const float lane : lanes) sum += lane;
  return sum;
}

}  // namespace

int64_t channel_sum_scratch_bytes(int64_t rows, int64_t channels) {
  return Carver::bytes_of<float>(ceil_div(rows, kChannelSumRows) * channels) + Carver::bytes_of<double>(channels);
}

void channel_sum_rows(const float* x, int64_t rows, int64_t channels, std::byte* scratch, int64_t first) {
  float* sums = reinterpret_cast<float*>(scratch) + first / kChannelSumRows * channels;
  parallel_blocks(rows * channels, kChannelSumRows * channels, [&](int64_t begin, int64_t end) {
    row_sums(x + begin, (end - begin) / channels, channels, sums + begin / kChannelSumRows);
  });
}

void channel_sum_total(int64_t rows, int64_t channels, std::byte* scratch, float* y) {
  double* totals = totals_of(scratch, rows, channels);
  std::fill_n(totals, channels, 0.0);
  add_blocks(reinterpret_cast<const float*>(scratch), ceil_div(rows, kChannelSumRows), channels, totals);
  for (int64_t c = 0; c < channels; ++c) y[c] = static_cast<float>(totals[c]);
}

void channel_sum_planes(const float* x, int64_t batch, int64_t channels, int64_t inner, float* y) {
#pragma omp parallel for schedule(static) if (batch * channels * inner >= kParallelElements)
  for (int64_t c = 0; c < channels; ++c) {
    double total = 0;
    for (int64_t n = 0; n < batch; ++n) {
      const float* plane = x + (n * channels + c) * inner;
      for (int64_t i = 0; i < inner; i += kPlaneBlock) total += sum_of(plane + i, std::min(kPlaneBlock, inner - i));
    }
    y[c] = static_cast<float>(total);
  }
}

}  // namespace marvin
