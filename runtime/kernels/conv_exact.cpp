#include "runtime/kernels/conv_exact.h"

#include <algorithm>
#include <type_traits>

#include "runtime/kernels/parallel.h"

namespace marvin {
namespace {

// Columns of about this size stay in the second-level cache between im2col and product.
constexpr int64_t kColumnBytes = 1 << 19;
// OpenBLAS is at its best on products about this deep.
constexpr int64_t kProductDepth = 256;

// Calls body(F{}, Total{}): the container's type and the type that holds whole sums of `depth` products. Total is F
// when one chunk is enough.
template <class Body>
decltype(auto) visit_sum(const ExactProduct& product, int64_t depth, Body&& body) {
  const bool f32 = product.container == FloatContainer::f32;
  switch (f32 ? sum_for_f32(depth) : sum_for_f64(depth, product.a_bits(), product.b_bits())) {
    case Sum::f32:
      return body(float{}, float{});
    case Sum::f64:
      return f32 ? body(float{}, double{}) : body(double{}, double{});
    case Sum::i64:
      return body(double{}, int64_t{});
    default:
      return body(double{}, int128_t{});
  }
}

int64_t tile_pixels(const TapConv& conv, int64_t element_bytes, int threads) {
  const int64_t fitting = kColumnBytes / (element_bytes * std::max<int64_t>(conv.depth(), 1));
  const int64_t balanced = ceil_div(conv.pixels(), 4 * threads);
  return std::max<int64_t>(1, std::min(std::clamp<int64_t>(fitting, 64, 1024), std::max<int64_t>(balanced, 16)));
}

// sums = products at first, += products after.
template <class F, class Total>
MARVIN_CLONES void add_products(const F* products, int64_t count, bool first, Total* sums) {
  if (first) {
    for (int64_t i = 0; i < count; ++i) sums[i] = static_cast<Total>(products[i]);
  } else {
    for (int64_t i = 0; i < count; ++i) sums[i] += static_cast<Total>(products[i]);
  }
}

// Words of one byte, or any in float64 containers.
template <class F, class Body>
void visit_words(Words operand, Body&& body) {
  if constexpr (std::is_same_v<F, float>) {
    body(static_cast<const int8_t*>(operand.data));
  } else {
    visit_word_type(operand.bytes, [&](auto zero) { body(static_cast<const decltype(zero)*>(operand.data)); });
  }
}

template <class T, class F>
MARVIN_CLONES void widen_run(const T* __restrict from, int64_t count, F* __restrict to) {
  for (int64_t i = 0; i < count; ++i) to[i] = static_cast<F>(from[i]);
}

// The columns of output pixels [begin, end), first as words and then widened.
template <class F>
void gather(const TapConv& conv, int64_t group, Words source, int64_t begin, int64_t end, void* words, F* columns) {
  gather_channels_last(conv, group, source, begin, end, words);
  visit_words<F>({words, source.bytes}, [&](auto* from) { widen_run(from, (end - begin) * conv.depth(), columns); });
}

// Bytes of one thread's words, columns, products and sums for a tile.
template <class F, class Total>
int64_t tile_bytes(const TapConv& conv, int word_bytes, int64_t pixels) {
  return Carver::bytes_of<std::byte>(pixels * conv.depth() * word_bytes) + Carver::bytes_of<F>(pixels * conv.depth()) +
         Carver::bytes_of<F>(pixels * conv.out) +
         (std::is_same_v<F, Total> ? 0 : Carver::bytes_of<Total>(pixels * conv.out));
}

}  // namespace

ConvExact::ConvExact(std::vector<TapConv> convs, ExactProduct product)
    : convs_(std::move(convs)), product_(product), threads_(omp_get_max_threads()) {
  for (const TapConv& conv : convs_) {
    visit_sum(product_, conv.depth(), [&]<class F, class Total>(F, Total) {
      const int64_t tile = tile_pixels(conv, sizeof(F), threads_);
      scratch_bytes_ = std::max(scratch_bytes_, Carver::bytes_of<F>(conv.weight_elements()) +
                                                    threads_ * tile_bytes<F, Total>(conv, product_.a_bytes, tile));
    });
  }
}

template <class F, class Total>
void ConvExact::run_conv(const TapConv& conv, Words source, Words weights, float scale, const float* bias, float* out,
                         std::byte* scratch) const {
  constexpr bool kInPlace = std::is_same_v<F, Total>;
  Carver shared(scratch);
  F* packed = shared.take<F>(conv.weight_elements());
  visit_words<F>(weights, [&](auto* words) { pack_weights(conv, words, packed); });
  const int64_t depth = conv.depth();
  const int64_t tile = tile_pixels(conv, sizeof(F), threads_);
  const Workers workers{threads_, shared.rest(), tile_bytes<F, Total>(conv, product_.a_bytes, tile)};
  for_each_tile(conv, tile, workers, [&](int64_t group, int64_t begin, int64_t end, Carver own) {
    void* words = own.take<std::byte>(tile * depth * product_.a_bytes);
    F* columns = own.take<F>(tile * depth);
    F* products = own.take<F>(tile * conv.out);
    Total* sums = nullptr;
    if constexpr (kInPlace) {
      sums = products;
    } else {
      sums = own.take<Total>(tile * conv.out);
    }
    const int64_t size = end - begin;
    gather(conv, group, source, begin, end, words, columns);
    for (int64_t k = 0; k < depth; k += product_.chunk()) {
      const int64_t chunk = std::min(product_.chunk(), depth - k);
      multiply(false, true, conv.out, size, chunk, packed + group * conv.out * depth + k, depth, columns + k, depth,
               F{}, products, size);
      if constexpr (!kInPlace) add_products(products, conv.out * size, k == 0, sums);
    }
    scatter_tile(conv, group, sums, begin, end, scale, bias, out);
  });
}

void ConvExact::run(Words source, Words weights, float scale, const float* bias, float* out, std::byte* scratch) const {
  for (const TapConv& conv : convs_) {
    if (conv.taps() == 0) {
      scatter_zeros(conv, false, out);
      continue;
    }
    visit_sum(product_, conv.depth(), [&]<class F, class Total>(F, Total) {
      run_conv<F, Total>(conv, source, weights, scale, bias, out, scratch);
    });
  }
}

namespace {

// Bytes of one thread's words, columns of x and dy and, unless products are added up in place, of a chunk's products.
template <class F, class Total>
int64_t weight_grad_bytes(const TapConv& conv, const ExactProduct& product, int64_t tile) {
  const int64_t words = tile * std::max(conv.depth() * product.a_bytes, conv.out * product.b_bytes);
  return Carver::bytes_of<std::byte>(words) + Carver::bytes_of<F>(tile * conv.depth()) +
         Carver::bytes_of<F>(tile * conv.out) +
         (std::is_same_v<F, Total> ? 0 : Carver::bytes_of<F>(conv.out * conv.depth()));
}

}  // namespace

ConvWeightGradExact::ConvWeightGradExact(const ConvShape& shape, ExactProduct product)
    : conv_(forward_taps(shape, WeightOrder::o_i_k)),
      identity_(output_taps(shape)),
      product_(product),
      threads_(omp_get_max_threads()) {
  visit_sum(product_, conv_.pixels(), [&]<class F, class Total>(F, Total) {
    split_.tile = std::min({kProductDepth, product_.chunk(), conv_.pixels()});
    split_.slices = std::min<int64_t>(threads_, ceil_div(conv_.pixels(), split_.tile));
    split_.out_blocks =
        std::clamp<int64_t>(ceil_div(threads_, split_.slices * conv_.groups), 1, ceil_div(conv_.out, 16));
    scratch_bytes_ = Carver::bytes_of<Total>(split_.slices * conv_.weight_elements()) +
                     threads_ * weight_grad_bytes<F, Total>(conv_, product_, split_.tile);
  });
}

template <class F, class Total>
void ConvWeightGradExact::run_as(Words x, Words dy, float scale, float* dw, std::byte* scratch) const {
  constexpr bool kInPlace = std::is_same_v<F, Total>;
  Carver shared(scratch);
  Total* sums = shared.take<Total>(split_.slices * conv_.weight_elements());
  const int64_t depth = conv_.depth();
  const int64_t tile = split_.tile;
  const Workers workers{threads_, shared.rest(), weight_grad_bytes<F, Total>(conv_, product_, tile)};
  for_each_slice(conv_, split_, workers, [&](const WeightGradTask& task, Carver own) {
    void* words = own.take<std::byte>(tile * std::max(depth * product_.a_bytes, conv_.out * product_.b_bytes));
    F* columns = own.take<F>(tile * depth);
    F* gradients = own.take<F>(tile * conv_.out);
    F* chunk = nullptr;
    int64_t tiles_per_chunk = 0;
    if constexpr (kInPlace) {
      chunk = sums + task.sums;
      tiles_per_chunk = task.last_tile + 1 - task.first_tile;
    } else {
      chunk = own.take<F>(conv_.out * depth);
      tiles_per_chunk = std::max<int64_t>(1, product_.chunk() / tile);
    }
    for (int64_t t = task.first_tile; t <= task.last_tile; ++t) {
      const int64_t begin = t * tile;
      const int64_t end = std::min(begin + tile, conv_.pixels());
      gather(conv_, task.group, x, begin, end, words, columns);
      gather(identity_, task.group, dy, begin, end, words, gradients);
      const int64_t in_chunk = (t - task.first_tile) % tiles_per_chunk;
      multiply(true, false, task.outs, depth, end - begin, gradients + task.first_out, conv_.out, columns, depth,
               in_chunk == 0 ? F{0} : F{1}, chunk, depth);
      if constexpr (!kInPlace) {
        if (in_chunk == tiles_per_chunk - 1 || t == task.last_tile)
          add_products(chunk, task.outs * depth, t - in_chunk == task.first_tile, sums + task.sums);
      }
    }
  });
  unpack_weights(conv_, sums, split_.slices, scale, dw);
}

void ConvWeightGradExact::run(Words x, Words dy, float scale, float* dw, std::byte* scratch) const {
  visit_sum(product_, conv_.pixels(),
            [&]<class F, class Total>(F, Total) { run_as<F, Total>(x, dy, scale, dw, scratch); });
}

}  // namespace marvin
