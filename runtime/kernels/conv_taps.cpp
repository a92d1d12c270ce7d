#include "runtime/kernels/conv_taps.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "runtime/kernels/parallel.h"

namespace marvin {
namespace {

TapAxis forward_axis(const ConvAxis& axis) {
  return {.source = axis.in,
          .extent = axis.out,
          .count = axis.out,
          .step = axis.stride,
          .offset = -axis.pad,
          .spacing = axis.dilation,
          .taps = axis.kernel};
}

// One axis of dx per residue. Position i reads dy at (i + pad - tap * dilation) / stride where that divides: taps with
// the same residue, in descending order so that the source position ascends.
std::vector<TapAxis> input_grad_axes(const ConvAxis& conv) {
  std::vector<TapAxis> axes;
  const int64_t stride = conv.stride;
  const int64_t common = std::gcd(stride, conv.dilation);
  for (int64_t first = 0; first < std::min(stride, conv.in); ++first) {
    TapAxis axis{.source = conv.out,
                 .extent = conv.in,
                 .first = first,
                 .out_step = stride,
                 .count = (conv.in - first + stride - 1) / stride,
                 .spacing = conv.dilation / common,
                 .taps = 0,
                 .tap_step = -(stride / common)};
    for (int64_t tap = 0; tap < conv.kernel; ++tap) {
      const int64_t scaled = first + conv.pad - tap * conv.dilation;
      if (scaled % stride != 0) continue;
      ++axis.taps;
      axis.first_tap = tap;
      axis.offset = scaled / stride;
    }
    axes.push_back(axis);
  }
  return axes;
}

WeightStrides weight_strides(const ConvShape& s, WeightOrder order) {
  const int64_t per_o = s.group_c() * s.taps();
  const int64_t h = s.axes[1].kernel, w = s.axes[2].kernel;
  const bool channels_last = order == WeightOrder::o_k_i;
  const int64_t tap = channels_last ? s.group_c() : 1;
  return {s.group_o() * per_o, per_o, channels_last ? 1 : s.taps(), {h * w * tap, w * tap, tap}};
}

// Calls body(tap, offset of its first weight) for every tap of an output channel's weights.
template <class Body>
void for_packed(const TapConv& conv, int64_t group, int64_t out, Body body) {
  const auto& [d, h, w] = conv.axes;
  const WeightStrides& stride = conv.weights;
  const int64_t first = group * stride.group + out * stride.out;
  for (int64_t tap = 0; tap < conv.taps(); ++tap) {
    const int64_t td = tap / w.taps / h.taps, th = tap / w.taps % h.taps, tw = tap % w.taps;
    body(tap, first + (d.first_tap + td * d.tap_step) * stride.axes[0] +
                  (h.first_tap + th * h.tap_step) * stride.axes[1] + (w.first_tap + tw * w.tap_step) * stride.axes[2]);
  }
}

// A run of output pixels in one row.
struct Segment {
  int64_t n, z, a, b, size;  // image, plane, row, first column
};

// The first source pixel of a row that tap (td, th) of a segment reads, counted from the image's; -1 outside.
inline int64_t source_row(const TapConv& conv, const Segment& segment, int64_t td, int64_t th) {
  const auto& [d, h, w] = conv.axes;
  const int64_t plane = segment.z * d.step + d.offset + td * d.spacing;
  const int64_t row = segment.a * h.step + h.offset + th * h.spacing;
  if (plane < 0 || plane >= d.source || row < 0 || row >= h.source) return -1;
  return (plane * h.source + row) * w.source;
}

// Calls body(segment, its first pixel) for the rows that [begin, end) consists of.
template <class Body>
inline __attribute__((always_inline)) void for_segments(const TapConv& conv, int64_t begin, int64_t end, Body body) {
  const int64_t planes = conv.axes[0].count, rows = conv.axes[1].count, width = conv.axes[2].count;
  int64_t b = begin % width;
  int64_t a = begin / width % rows;
  int64_t z = begin / width / rows % planes;
  int64_t n = begin / width / rows / planes;
  for (int64_t p = begin; p < end;) {
    const int64_t size = std::min(width - b, end - p);
    body(Segment{n, z, a, b, size}, p);
    p += size;
    b = 0;
    if (++a < rows) continue;
    a = 0;
    if (++z < planes) continue;
    z = 0;
    ++n;
  }
}

// The a >= 0 with 0 <= a * step + offset < extent, clipped to [begin, end).
inline std::pair<int64_t, int64_t> inside(int64_t step, int64_t offset, int64_t extent, int64_t begin, int64_t end) {
  int64_t low = std::max<int64_t>(0, -offset);
  int64_t high = std::max<int64_t>(0, extent - offset);
  if (step != 1) {  // divisions are slow, and this is called for every pixel
    low = (low + step - 1) / step;
    high = (high + step - 1) / step;
  }
  const int64_t first = std::clamp(low, begin, end);
  return {first, std::clamp(high, first, end)};
}

// memcpy for the short runs of im2col, for which a call costs more than the copy.
inline __attribute__((always_inline)) void copy_run(const std::byte* from, int64_t bytes, std::byte* to) {
  constexpr int64_t kChunk = 16;
  if (bytes < kChunk) {
    for (int64_t i = 0; i < bytes; ++i) to[i] = from[i];
    return;
  }
  for (int64_t i = 0; i + kChunk <= bytes; i += kChunk) std::memcpy(to + i, from + i, kChunk);
  std::memcpy(to + bytes - kChunk, from + bytes - kChunk, kChunk);
}

inline __attribute__((always_inline)) void zero_run(std::byte* to, int64_t bytes) {
  if (bytes > 0) std::memset(to, 0, static_cast<size_t>(bytes));
}

}  // namespace

TapConv forward_taps(const ConvShape& s, WeightOrder order) {
  return {.n = s.n,
          .groups = s.groups,
          .in = s.group_c(),
          .out = s.group_o(),
          .axes = {forward_axis(s.axes[0]), forward_axis(s.axes[1]), forward_axis(s.axes[2])},
          .weights = weight_strides(s, order)};
}

std::vector<TapConv> input_grad_taps(const ConvShape& s, WeightOrder order) {
  WeightStrides strides = weight_strides(s, order);
  std::swap(strides.out, strides.in);
  std::vector<TapConv> convs;
  for (const TapAxis& d : input_grad_axes(s.axes[0])) {
    for (const TapAxis& h : input_grad_axes(s.axes[1])) {
      for (const TapAxis& w : input_grad_axes(s.axes[2])) {
        convs.push_back({.n = s.n,
                         .groups = s.groups,
                         .in = s.group_o(),
                         .out = s.group_c(),
                         .axes = {d, h, w},
                         .weights = strides});
      }
    }
  }
  return convs;
}

TapConv output_taps(const ConvShape& s) {
  ConvShape identity{.n = s.n, .c = s.o, .o = s.o, .groups = s.groups};
  for (size_t i = 0; i < 3; ++i) identity.axes[i].in = identity.axes[i].out = s.axes[i].out;
  return forward_taps(identity, WeightOrder::o_k_i);
}

template <class T, class F>
void pack_weights(const TapConv& conv, const T* weights, F* packed) {
  // Where one operand goes through memory in steps, the lines of a block stay in cache until they are used up.
  constexpr int64_t kRows = 32, kColumns = 64;
  const int64_t blocks = (conv.out + kRows - 1) / kRows;
  const WeightStrides& stride = conv.weights;
#pragma omp parallel for schedule(static) if (conv.weight_elements() >= kParallelElements)
  for (int64_t block = 0; block < conv.groups * blocks; ++block) {
    const int64_t group = block / blocks, first = block % blocks * kRows, rows = std::min(kRows, conv.out - first);
    for_packed(conv, group, first, [&](int64_t tap, int64_t offset) {
      F* to = packed + (group * conv.out + first) * conv.depth() + tap * conv.in;
      for (int64_t begin = 0; begin < conv.in; begin += kColumns) {
        const int64_t end = std::min(begin + kColumns, conv.in);
        for (int64_t row = 0; row < rows; ++row)
          for (int64_t i = begin; i < end; ++i)
            to[row * conv.depth() + i] = static_cast<F>(weights[offset + row * stride.out + i * stride.in]);
      }
    });
  }
}

template <class Total>
void unpack_weights(const TapConv& conv, const Total* partials, int64_t count, float scale, float* weights) {
  const int64_t rows = conv.groups * conv.out;
#pragma omp parallel for schedule(static) if (conv.weight_elements() >= kParallelElements)
  for (int64_t row = 0; row < rows; ++row) {
    for_packed(conv, row / conv.out, row % conv.out, [&](int64_t tap, int64_t offset) {
      const Total* from = partials + row * conv.depth() + tap * conv.in;
      for (int64_t i = 0; i < conv.in; ++i) {
        Total sum = from[i];
        for (int64_t part = 1; part < count; ++part) sum += from[part * conv.weight_elements() + i];
        weights[offset + i * conv.weights.in] = static_cast<float>(sum) * scale;
      }
    });
  }
}

void gather_channels_last(const TapConv& conv, int64_t group, Words source, int64_t begin, int64_t end, void* columns) {
  const TapAxis d = conv.axes[0], h = conv.axes[1], w = conv.axes[2];
  const int64_t image_pixels = conv.source_pixels();
  const int64_t pixel_bytes = conv.groups * conv.in * source.bytes;
  const int64_t tap_bytes = conv.in * source.bytes;
  const int64_t row_bytes = w.taps * tap_bytes;
  const bool one_run = w.consecutive() && conv.groups == 1;
  const std::byte* words = static_cast<const std::byte*>(source.data) + group * tap_bytes;
  std::byte* to = static_cast<std::byte*>(columns);
  for_segments(conv, begin, end, [&](const Segment& segment, int64_t) {
    for (int64_t b = segment.b; b < segment.b + segment.size; ++b) {
      const int64_t column = b * w.step + w.offset;
      const auto [low, high] = inside(w.spacing, column, w.source, 0, w.taps);
      for (int64_t td = 0; td < d.taps; ++td) {
        for (int64_t th = 0; th < h.taps; ++th, to += row_bytes) {
          const int64_t row = source_row(conv, segment, td, th);
          if (row < 0) {
            zero_run(to, row_bytes);
            continue;
          }
          const std::byte* from = words + (segment.n * image_pixels + row + column) * pixel_bytes;
          zero_run(to, low * tap_bytes);
          if (one_run) {
            copy_run(from + low * pixel_bytes, (high - low) * tap_bytes, to + low * tap_bytes);
          } else {
            for (int64_t tw = low; tw < high; ++tw)
              copy_run(from + tw * w.spacing * pixel_bytes, tap_bytes, to + tw * tap_bytes);
          }
          zero_run(to + high * tap_bytes, (w.taps - high) * tap_bytes);
        }
      }
    }
  });
}

void gather_rows(const TapConv& conv, int64_t group, const float* source, int64_t begin, int64_t end, float* columns) {
  const TapAxis &h = conv.axes[1], &w = conv.axes[2];
  const int64_t image_pixels = conv.source_pixels();
  for (int64_t k = 0; k < conv.depth(); ++k) {
    const int64_t channel = group * conv.in + k % conv.in;
    const int64_t tw = k / conv.in % w.taps;
    const int64_t th = k / conv.in / w.taps % h.taps;
    const int64_t td = k / conv.in / w.taps / h.taps;
    const int64_t offset = w.offset + tw * w.spacing;
    float* line = columns + k * (end - begin);
    for_segments(conv, begin, end, [&](const Segment& segment, int64_t p) {
      float* to = line + (p - begin);
      const int64_t row = source_row(conv, segment, td, th);
      if (row < 0) {
        std::fill_n(to, segment.size, 0.0f);
        return;
      }
      const float* from = source + (segment.n * conv.groups * conv.in + channel) * image_pixels + row;
      const auto [low, high] = inside(w.step, offset, w.source, segment.b, segment.b + segment.size);
      std::fill_n(to, low - segment.b, 0.0f);
      if (w.step == 1) {
        copy_run(reinterpret_cast<const std::byte*>(from + low + offset),
                 (high - low) * static_cast<int64_t>(sizeof(float)),
                 reinterpret_cast<std::byte*>(to + (low - segment.b)));
      } else {
        for (int64_t b = low; b < high; ++b) to[b - segment.b] = from[b * w.step + offset];
      }
      std::fill_n(to + (high - segment.b), segment.b + segment.size - high, 0.0f);
    });
  }
}

template <class Total>
MARVIN_CLONES void scatter_tile(const TapConv& conv, int64_t group, const Total* tile, int64_t begin, int64_t end,
                                float scale, const float* bias, float* out) {
  const int64_t channels = conv.groups * conv.out;
  const auto& [d, h, w] = conv.axes;
  const int64_t plane = conv.plane();
  const int64_t size = end - begin;
  for (int64_t o = 0; o < conv.out; ++o) {
    const int64_t channel = group * conv.out + o;
    const float shift = bias ? bias[channel] : 0.0f;
    const Total* from = tile + o * size;
    if (conv.dense()) {
      for (int64_t p = begin; p < end;) {
        const int64_t n = p / plane;
        const int64_t run = std::min((n + 1) * plane, end) - p;
        float* to = out + (n * channels + channel) * plane + p - n * plane;
        for (int64_t i = 0; i < run; ++i) to[i] = static_cast<float>(from[i]) * scale + shift;
        from += run;
        p += run;
      }
      continue;
    }
    for_segments(
        conv, begin, end, [&](const Segment& segment, int64_t) __attribute__((always_inline)) {
          const int64_t row = (d.first + segment.z * d.out_step) * h.extent + h.first + segment.a * h.out_step;
          const int64_t step = w.out_step;
          float* to = out + (segment.n * channels + channel) * plane + row * w.extent + w.first + segment.b * step;
          for (int64_t i = 0; i < segment.size; ++i) to[i * step] = static_cast<float>(from[i]) * scale + shift;
          from += segment.size;
        });
  }
}

namespace {

constexpr int64_t kBlock = 8;

// The pixels of an image in order, each in the results of the convolution that computed it.
class PixelWalk {
 public:
  PixelWalk(std::span<const TapConv> convs, std::span<const float* const> results, const float* zeros)
      : convs_(convs),
        results_(results),
        zeros_(zeros),
        channels_(convs[0].groups * convs[0].out),
        depth_(convs[0].axes[0]),
        height_(convs[0].axes[1]),
        width_(convs[0].axes[2]) {}

  // The channels of the next pixel.
  const float* next() {
    const size_t part =
        static_cast<size_t>((depth_.residue * height_.residues + height_.residue) * width_.residues + width_.residue);
    const TapConv& conv = convs_[part];
    const int64_t row = depth_.index * conv.axes[1].count + height_.index;
    const float* pixel =
        conv.taps() == 0 ? zeros_ : results_[part] + (row * conv.axes[2].count + width_.index) * channels_;
    if (width_.advance() && height_.advance()) depth_.advance();
    return pixel;
  }

 private:
  // A position along one axis: which convolution computes it, and as which of its results.
  struct Axis {
    int64_t extent, step, residues;
    int64_t position = 0, residue = 0, index = 0;

    explicit Axis(const TapAxis& axis)
        : extent(axis.extent), step(axis.out_step), residues(std::min(axis.out_step, axis.extent)) {}
    // Whether it came round.
    bool advance() {
      if (++position == extent) {
        position = residue = index = 0;
        return true;
      }
      if (++residue == step) {
        residue = 0;
        ++index;
      }
      return false;
    }
  };

  std::span<const TapConv> convs_;
  std::span<const float* const> results_;
  const float* zeros_;
  int64_t channels_;
  Axis depth_, height_, width_;
};

// to[channel * to_stride + i] = pixels[i][channel] + shift[channel] for a square block.
inline void transpose_block(const float* const* pixels, int64_t first_channel, const float* shift, float* to,
                            int64_t to_stride) {
  using Quad [[gnu::vector_size(16)]] = float;
  for (int64_t pixel = 0; pixel < kBlock; pixel += 4) {
    for (int64_t channel = 0; channel < kBlock; channel += 4) {
      Quad row[4];
      for (int64_t i = 0; i < 4; ++i) std::memcpy(&row[i], pixels[pixel + i] + first_channel + channel, sizeof(Quad));
      const Quad low01 = __builtin_shufflevector(row[0], row[1], 0, 4, 1, 5);
      const Quad low23 = __builtin_shufflevector(row[2], row[3], 0, 4, 1, 5);
      const Quad high01 = __builtin_shufflevector(row[0], row[1], 2, 6, 3, 7);
      const Quad high23 = __builtin_shufflevector(row[2], row[3], 2, 6, 3, 7);
      const Quad column[4] = {
          __builtin_shufflevector(low01, low23, 0, 1, 4, 5), __builtin_shufflevector(low01, low23, 2, 3, 6, 7),
          __builtin_shufflevector(high01, high23, 0, 1, 4, 5), __builtin_shufflevector(high01, high23, 2, 3, 6, 7)};
      for (int64_t i = 0; i < 4; ++i) {
        const Quad value = column[i] + shift[channel + i];
        std::memcpy(to + (channel + i) * to_stride + pixel, &value, sizeof(Quad));
      }
    }
  }
}

}  // namespace

void scatter_channels_last(std::span<const TapConv> convs, std::span<const float* const> results, const float* zeros,
                           int64_t image, const float* bias, float* out) {
  const int64_t channels = convs[0].groups * convs[0].out;
  const int64_t plane = convs[0].plane();
  float* to = out + image * channels * plane;
  PixelWalk walk(convs, results, zeros);
  constexpr float kNoBias[kBlock] = {};
  for (int64_t p = 0; p < plane; p += kBlock) {
    const int64_t count = std::min(kBlock, plane - p);
    const float* pixels[kBlock];
    for (int64_t i = 0; i < count; ++i) pixels[i] = walk.next();
    const int64_t whole = count == kBlock ? channels / kBlock * kBlock : 0;
    for (int64_t c = 0; c < whole; c += kBlock)
      transpose_block(pixels, c, bias ? bias + c : kNoBias, to + c * plane + p, plane);
    for (int64_t c = whole; c < channels; ++c) {
      const float shift = bias ? bias[c] : 0.0f;
      for (int64_t i = 0; i < count; ++i) to[c * plane + p + i] = pixels[i][c] + shift;
    }
  }
}

namespace {

MARVIN_CLONES void add_to_rows(int64_t count, int64_t channels, const float* bias, float* pixels) {
  for (int64_t i = 0; i < count; ++i, pixels += channels)
    for (int64_t c = 0; c < channels; ++c) pixels[c] += bias[c];
}

MARVIN_CLONES void copy_pixels(PixelWalk walk, int64_t count, int64_t channels, const float* bias, float* out) {
  for (int64_t p = 0; p < count; ++p, out += channels) {
    const float* from = walk.next();
    if (bias) {
      for (int64_t c = 0; c < channels; ++c) out[c] = from[c] + bias[c];
    } else {
      for (int64_t c = 0; c < channels; ++c) out[c] = from[c];
    }
  }
}

}  // namespace

void add_to_pixels(int64_t count, int64_t channels, const float* bias, float* pixels) {
  add_to_rows(count, channels, bias, pixels);
}

void merge_channels_last(std::span<const TapConv> convs, std::span<const float* const> results, const float* zeros,
                         int64_t image, const float* bias, float* out) {
  const int64_t channels = convs[0].groups * convs[0].out, plane = convs[0].plane();
  copy_pixels(PixelWalk(convs, results, zeros), plane, channels, bias, out + image * plane * channels);
}

void scatter_zeros(const TapConv& conv, bool channels_last, float* out) {
  const auto& [d, h, w] = conv.axes;
  const int64_t channels = conv.groups * conv.out, run = channels_last ? channels : 1;
  const int64_t images = conv.n * channels / run;
  for (int64_t i = 0; i < images * d.count * h.count; ++i) {
    const int64_t image = i / h.count / d.count, z = i / h.count % d.count, a = i % h.count;
    const int64_t plane = image * d.extent + d.first + z * d.out_step;
    float* row = out + ((plane * h.extent + h.first + a * h.out_step) * w.extent + w.first) * run;
    for (int64_t b = 0; b < w.count; ++b) std::fill_n(row + b * w.out_step * run, run, 0.0f);
  }
}

#define MARVIN_PACK(T, F) template void pack_weights<T, F>(const TapConv&, const T*, F*);
MARVIN_PACK(int8_t, int16_t)
MARVIN_PACK(int16_t, int16_t)
MARVIN_PACK(float, float)
MARVIN_PACK(int8_t, int8_t)
MARVIN_PACK(int8_t, float)
MARVIN_PACK(int8_t, double)
MARVIN_PACK(int16_t, double)
MARVIN_PACK(int32_t, double)

#define MARVIN_SUM(Total)                                                                                         \
  template void unpack_weights<Total>(const TapConv&, const Total*, int64_t, float, float*);                      \
  template void scatter_tile<Total>(const TapConv&, int64_t, const Total*, int64_t, int64_t, float, const float*, \
                                    float*);
MARVIN_SUM(float)
MARVIN_SUM(double)
MARVIN_SUM(int64_t)
MARVIN_SUM(int128_t)

}  // namespace marvin
