#include "runtime/kernels/conv_f32.h"

#include <algorithm>

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
  Carver shared(scratch);
  float* packed = shared.take<float>(conv.weight_elements());
  pack_weights(conv, weights, packed);
  const int64_t depth = conv.depth();
  const int64_t tile = tile_pixels(conv);
  const Workers workers{threads_, shared.rest(), tile_bytes(conv, tile)};
  for_each_tile(conv, tile, workers, [&](int64_t group, int64_t begin, int64_t end, Carver own) {
    float* columns = own.take<float>(tile * depth);
    float* products = own.take<float>(tile * conv.out);
    gather_rows(conv, group, source, begin, end, columns);
    multiply(false, false, conv.out, end - begin, depth, packed + group * conv.out * depth, depth, columns, end - begin,
             0.0f, products, end - begin);
    scatter_tile(conv, group, products, begin, end, 1.0f, bias, out);
  });
}

void ConvF32::run(const float* source, const float* weights, const float* bias, float* out, std::byte* scratch) const {
  for (const TapConv& conv : convs_) {
    if (conv.taps() == 0) {
      scatter_zeros(conv, false, out);
    } else {
      run_conv(conv, source, weights, bias, out, scratch);
    }
  }
}

ConvWeightGradF32::ConvWeightGradF32(const ConvShape& shape)
    : conv_(forward_taps(shape, WeightOrder::o_i_k)), identity_(output_taps(shape)), threads_(omp_get_max_threads()) {
  split_.tile = std::min(std::clamp<int64_t>(kColumnElements / conv_.depth(), 256, 1024), conv_.pixels());
  const int64_t affordable = std::max<int64_t>(1, kPartialElements / conv_.weight_elements());
  split_.slices = std::min({kTasks, affordable, ceil_div(conv_.pixels(), split_.tile)});
  split_.out_blocks = std::clamp<int64_t>(ceil_div(kTasks, split_.slices * conv_.groups), 1, ceil_div(conv_.out, 64));
  scratch_bytes_ =
      Carver::bytes_of<float>(split_.slices * conv_.weight_elements()) + threads_ * tile_bytes(conv_, split_.tile);
}

void ConvWeightGradF32::run(const float* x, const float* dy, float* dw, std::byte* scratch) const {
  Carver shared(scratch);
  float* partials = shared.take<float>(split_.slices * conv_.weight_elements());
  const int64_t depth = conv_.depth();
  const int64_t tile = split_.tile;
  const Workers workers{threads_, shared.rest(), tile_bytes(conv_, tile)};
  for_each_slice(conv_, split_, workers, [&](const WeightGradTask& task, Carver own) {
    float* columns = own.take<float>(tile * depth);
    float* gradients = own.take<float>(tile * conv_.out);
    for (int64_t t = task.first_tile; t <= task.last_tile; ++t) {
      const int64_t begin = t * tile;
      const int64_t size = std::min(begin + tile, conv_.pixels()) - begin;
      gather_rows(conv_, task.group, x, begin, begin + size, columns);
      gather_rows(identity_, task.group, dy, begin, begin + size, gradients);
      multiply(false, true, task.outs, depth, size, gradients + task.first_out * size, size, columns, size,
               t == task.first_tile ? 0.0f : 1.0f, partials + task.sums, depth);
    }
  });
  unpack_weights(conv_, partials, split_.slices, 1.0f, dw);
}

}  // namespace marvin
