#include "runtime/kernels/conv_f32.h"

#include <omp.h>

#include <algorithm>

#include "runtime/kernels/conv_blas.h"

namespace marvin {
namespace {

constexpr int64_t kColumnElements = 1 << 17;            // of a tile, to stay in the second-level cache
constexpr int64_t kPartialElements = int64_t{1} << 24;  // of all partial weight gradients
constexpr int64_t kTasks = 16;                          // to give this many threads something to do

int64_t tile_pixels(const TapConv& conv) {
  const int64_t fitting = kColumnElements / std::max<int64_t>(conv.depth(), 1);
  return std::min(std::clamp<int64_t>(fitting, 128, 1024), std::max<int64_t>(ceil_div(conv.pixels(), kTasks), 16));
}

int64_t tile_bytes(const TapConv& conv, int64_t pixels) {
  return Carver::bytes_of<float>(pixels * conv.depth()) + Carver::bytes_of<float>(pixels * conv.out);
}

}  // namespace

ConvF32::ConvF32(std::vector<TapConv> convs) : convs_(std::move(convs)), threads_(omp_get_max_threads()) {
  for (const TapConv& conv : convs_) {
    scratch_bytes_ = std::max(scratch_bytes_, Carver::bytes_of<float>(conv.weight_elements()) +
                                                  threads_ * tile_bytes(conv, tile_pixels(conv)));
  }
}

void ConvF32::run_conv(const TapConv& conv, const float* source, const float* weights, const float* bias, float* out,
                       std::byte* scratch) const {
  float* packed = Carver(scratch).take<float>(conv.weight_elements());
  scratch += Carver::bytes_of<float>(conv.weight_elements());
  pack_weights(conv, weights, packed);
  const int64_t depth = conv.depth();
  const int64_t tile = tile_pixels(conv);
  const int64_t tiles = ceil_div(conv.pixels(), tile);
#pragma omp parallel num_threads(std::min(threads_, omp_get_max_threads()))
  {
    Carver carver(scratch + omp_get_thread_num() * tile_bytes(conv, tile));
    float* columns = carver.take<float>(tile * depth);
    float* products = carver.take<float>(tile * conv.out);
#pragma omp for schedule(static)
    for (int64_t task = 0; task < tiles * conv.groups; ++task) {
      const int64_t group = task / tiles;
      const int64_t begin = task % tiles * tile;
      const int64_t end = std::min(begin + tile, conv.pixels());
      gather_rows(conv, group, source, begin, end, columns);
      multiply(false, false, conv.out, end - begin, depth, packed + group * conv.out * depth, depth, columns,
               end - begin, 0.0f, products, end - begin);
      scatter_tile(conv, group, products, begin, end, 1.0f, bias, out);
    }
  }
}

void ConvF32::run(const float* source, const float* weights, const float* bias, float* out, std::byte* scratch) const {
  for (const TapConv& conv : convs_) {
    if (conv.taps() == 0) {
      scatter_zeros(conv, out);
    } else {
      run_conv(conv, source, weights, bias, out, scratch);
    }
  }
}

ConvWeightGradF32::ConvWeightGradF32(const ConvShape& shape)
    : conv_(forward_taps(shape, WeightOrder::o_i_k)),
      identity_(output_taps(shape)),
      threads_(omp_get_max_threads()) {
  tile_ = std::min(std::clamp<int64_t>(kColumnElements / conv_.depth(), 256, 1024), conv_.pixels());
  const int64_t affordable = std::max<int64_t>(1, kPartialElements / conv_.weight_elements());
  slices_ = std::min({kTasks, affordable, ceil_div(conv_.pixels(), tile_)});
  out_blocks_ = std::clamp<int64_t>(ceil_div(kTasks, slices_ * conv_.groups), 1, ceil_div(conv_.out, 64));
  scratch_bytes_ = Carver::bytes_of<float>(slices_ * conv_.weight_elements()) + threads_ * tile_bytes(conv_, tile_);
}

void ConvWeightGradF32::run(const float* x, const float* dy, float* dw, std::byte* scratch) const {
  float* partials = Carver(scratch).take<float>(slices_ * conv_.weight_elements());
  scratch += Carver::bytes_of<float>(slices_ * conv_.weight_elements());
  const int64_t depth = conv_.depth();
  const int64_t tiles = ceil_div(conv_.pixels(), tile_);
#pragma omp parallel num_threads(std::min(threads_, omp_get_max_threads()))
  {
    Carver carver(scratch + omp_get_thread_num() * tile_bytes(conv_, tile_));
    float* columns = carver.take<float>(tile_ * depth);
    float* gradients = carver.take<float>(tile_ * conv_.out);
#pragma omp for schedule(static)
    for (int64_t task = 0; task < slices_ * conv_.groups * out_blocks_; ++task) {
      const int64_t slice = task % slices_;
      const int64_t group = task / slices_ % conv_.groups;
      const int64_t block = task / slices_ / conv_.groups;
      const int64_t first_out = conv_.out * block / out_blocks_;
      const int64_t outs = conv_.out * (block + 1) / out_blocks_ - first_out;
      float* sums = partials + slice * conv_.weight_elements() + (group * conv_.out + first_out) * depth;
      const int64_t first_tile = tiles * slice / slices_;
      for (int64_t t = first_tile; t < tiles * (slice + 1) / slices_; ++t) {
        const int64_t begin = t * tile_;
        const int64_t size = std::min(begin + tile_, conv_.pixels()) - begin;
        gather_rows(conv_, group, x, begin, begin + size, columns);
        gather_rows(identity_, group, dy, begin, begin + size, gradients);
        multiply(false, true, outs, depth, size, gradients + first_out * size, size, columns, size,
                 t == first_tile ? 0.0f : 1.0f, sums, depth);
      }
    }
  }
  unpack_weights(conv_, partials, slices_, 1.0f, dw);
}

}  // namespace marvin
