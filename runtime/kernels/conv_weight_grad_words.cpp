#include "runtime/kernels/conv_weight_grad_words.h"

#include <omp.h>

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>
#include <type_traits>

#include "runtime/kernels/instruction_sets.h"
#include "runtime/kernels/scratch.h"

namespace marvin {
namespace {

// Interleaved parts of about this size stay in the second-level cache while they are multiplied.
constexpr int64_t kBlockBytes = 1 << 18;

int64_t floor_div(int64_t a, int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

// A 1x1 convolution over every pixel of small images is one over a single row of them, which fills groups better.
ConvShape flattened(const ConvShape& shape) {
  if (shape.out_pixels() >= 256) return shape;
  for (const ConvAxis& axis : shape.axes)
    if (axis.kernel != 1 || axis.stride != 1 || axis.pad != 0 || axis.in != axis.out) return shape;
  ConvShape flat{.n = 1, .c = shape.c, .o = shape.o, .groups = shape.groups};
  flat.axes[2].in = flat.axes[2].out = shape.n * shape.out_pixels();
  return flat;
}

// Whether a row of taps is as good as one tap: its elements follow each other, and fill vectors better together.
bool should_merge(const ConvShape& shape) {
  const ConvAxis& row = shape.axes[2];
  return shape.groups == 1 && row.dilation == 1 && row.kernel > 1 &&
         ceil_div(row.kernel * shape.c, kDotLanes) < row.kernel * ceil_div(shape.c, kDotLanes);
}

}  // namespace

// How one axis is numbered: output position a has the number a, and what its tap t reads, on the grid of source
// positions of residue(t), the number a + distance(t). Apart, every tap has a grid of its own and no distance: no
// number stands for zeros between rows.
struct ConvWeightGradWords::Numbering {
  explicit Numbering(const ConvAxis& conv_axis, bool is_apart = false) : axis(conv_axis), apart(is_apart) {
    pitch = axis.out;
    if (apart) return;
    lowest = floor_div(-axis.pad, axis.stride);
    const int64_t reach = distance(axis.kernel - 1);
    // Numbers at both ends that stand for zeros whatever the residue can be the same ones.
    int64_t left = 0, right = 0;
    while (left < reach && axis.stride * (left + lowest) + axis.stride - 1 < 0) ++left;
    while (right < reach && axis.stride * (axis.out - 1 + reach - right + lowest) >= axis.in) ++right;
    pitch += reach - std::min(left, right);
  }
  int64_t first(int64_t tap) const { return tap * axis.dilation - axis.pad; }
  int64_t distance(int64_t tap) const { return apart ? 0 : floor_div(first(tap), axis.stride) - lowest; }
  int64_t residue(int64_t tap) const {
    return apart ? first(tap) : first(tap) - axis.stride * floor_div(first(tap), axis.stride);
  }
  // The source position of a number, -1 for zeros.
  int64_t source(int64_t number, int64_t residue) const {
    const int64_t position = axis.stride * (number + lowest) + residue;
    return position >= 0 && position < axis.in ? position : -1;
  }

  ConvAxis axis;
  bool apart;
  int64_t lowest = 0;  // position of number 0, in strides
  int64_t pitch = 1;   // from one row of numbers to the next
};

// A thread's scratch memory.
struct ConvWeightGradWords::Memory {
  std::byte* source;     // parts one after the other, in each the planes
  std::byte* out[2];     // parts of dy; of its upper and its lower bytes where it is split
  int32_t* corrections;  // by output channel
  DotRun* runs;
  std::byte* image;  // with padded rows
};

bool ConvWeightGradWords::admits(const ConvShape& shape) {
  // Of the tables of pixel numbers, and of offsets in an image.
  constexpr int64_t kMostPixels = 1 << 22, kMostElements = std::numeric_limits<int32_t>::max() / 2;
  if (!vnni_is_available() || (shape.groups > 1 && shape.group_c() < 4)) return false;
  const ConvShape flat = flattened(shape);
  int64_t pixels = 1;
  for (const ConvAxis& axis : flat.axes) {
    const int64_t padded = axis.in + std::max<int64_t>(0, axis.pad) + std::max<int64_t>(0, axis.pad_end());
    const int64_t reach = std::max(padded, axis.out) + axis.kernel * axis.dilation;
    if (__builtin_mul_overflow(pixels, reach, &pixels) || pixels > kMostPixels) return false;
  }
  return std::max(flat.c, flat.o) < kMostElements / pixels;
}

ConvWeightGradWords::ConvWeightGradWords(const ConvShape& shape, int x_bytes, int dy_bytes)
    : shape_(flattened(shape)),
      x_bytes_(x_bytes),
      dy_bytes_(dy_bytes),
      threads_(omp_get_max_threads()),
      as_words_(x_bytes == 2 || dy_bytes == 2),
      merged_(should_merge(shape_)),
      group_(as_words_ ? 2 : 4) {
  plan_taps();
  plan_parts();
}

void ConvWeightGradWords::plan_taps() {
  const auto& [depth_axis, height_axis, width_axis] = shape_.axes;
  const Numbering depth(depth_axis), height(height_axis);
  // Merged rows begin where they begin in a padded row: the axis is one of a single tap.
  ConvAxis row = width_axis;
  if (merged_) row = {.in = row.out, .out = row.out};
  // Rows of whole groups keep the same planes for all taps of a column.
  const Numbering width(row, row.out % group_ == 0 && row.kernel <= 4);
  const int64_t row_taps = merged_ ? 1 : width_axis.kernel;
  width_ = merged_ ? width_axis.kernel * shape_.c : shape_.c;
  vectors_ = ceil_div(merged_ ? width_ : shape_.group_c(), kDotLanes);
  const int64_t left = std::max<int64_t>(0, width_axis.pad), right = std::max<int64_t>(0, width_axis.pad_end());
  image_row_ = (merged_ ? left + width_axis.in + right : width_axis.in) * shape_.c;
  image_left_ = left * shape_.c;

  const int64_t pixels = ((depth_axis.out - 1) * height.pitch + height_axis.out - 1) * width.pitch + width_axis.out;
  const int64_t out_numbers = ceil_div(pixels, group_) * group_;
  out_offsets_.assign(static_cast<size_t>(out_numbers), -1);
  for (int64_t d = 0; d < depth_axis.out; ++d)
    for (int64_t h = 0; h < height_axis.out; ++h)
      for (int64_t w = 0; w < width_axis.out; ++w)
        out_offsets_[static_cast<size_t>((d * height.pitch + h) * width.pitch + w)] =
            static_cast<int32_t>(((d * height_axis.out + h) * width_axis.out + w) * shape_.o);

  using Key = std::tuple<int64_t, int64_t, int64_t, int64_t>;  // residues, and the distance modulo a group
  std::map<Key, size_t> known;
  std::vector<Key> keys;
  for (int64_t kd = 0; kd < depth_axis.kernel; ++kd) {
    for (int64_t kh = 0; kh < height_axis.kernel; ++kh) {
      for (int64_t kw = 0; kw < row_taps; ++kw) {
        const int64_t distance =
            (depth.distance(kd) * height.pitch + height.distance(kh)) * width.pitch + width.distance(kw);
        const Key key = {depth.residue(kd), height.residue(kh), width.residue(kw), distance % group_};
        const auto [entry, added] = known.emplace(key, keys.size());
        if (added) keys.push_back(key);
        taps_.push_back({.plane = entry->second,
                         .groups = distance / group_,
                         .weight = ((kd * height_axis.kernel) + kh) * width_axis.kernel + kw});
        halo_groups_ = std::max(halo_groups_, distance / group_);
      }
    }
  }
  for (const auto& [rd, rh, rw, shift] : keys) {
    Plane plane;
    for (int64_t i = 0; i < out_numbers + halo_groups_ * group_; ++i) {
      const int64_t number = i + shift, line = number / width.pitch;
      const int64_t d = depth.source(line / height.pitch, rd), h = height.source(line % height.pitch, rh);
      int64_t w = width.source(number % width.pitch, rw);
      if (merged_ && w >= 0) w = w * width_axis.stride - width_axis.pad + left;
      const bool is_zero = d < 0 || h < 0 || w < 0;
      plane.offsets.push_back(is_zero ? -1
                                      : static_cast<int32_t>((d * height_axis.in + h) * image_row_ + w * shape_.c));
    }
    planes_.push_back(std::move(plane));
  }
}

void ConvWeightGradWords::plan_parts() {
  const int64_t groups = static_cast<int64_t>(out_offsets_.size()) / group_;
  const int64_t bytes_per_group = (static_cast<int64_t>(planes_.size()) * width_ + shape_.o) * kDotGroupBytes;
  const int64_t limit = ((int64_t{1} << 17) - 1) / group_;  // of 8 by 8 bits
  const int64_t most = std::min(limit, std::max<int64_t>(64, kBlockBytes / bytes_per_group));
  parts_ = ceil_div(groups, most);
  part_groups_ = ceil_div(groups, parts_);
  const int64_t all_parts = shape_.n * parts_;
  slices_ = std::min<int64_t>(threads_, all_parts);
  const int64_t per_slice = ceil_div(all_parts, slices_);
  block_ = std::clamp<int64_t>(most / part_groups_, 1, per_slice);
  wide_ = as_words_ || !int32_is_exact(per_slice * part_groups_ * group_, 8, 8);
  // The last part's groups.
  const size_t numbers = static_cast<size_t>(parts_ * part_groups_ * group_);
  out_offsets_.resize(numbers, -1);
  for (Plane& plane : planes_) plane.offsets.resize(numbers + static_cast<size_t>(halo_groups_ * group_), -1);

  const int64_t planes = static_cast<int64_t>(planes_.size()), rows = shape_.axes[0].in * shape_.axes[1].in;
  // A vector of the product may read behind the last element.
  plane_bytes_ = Carver::bytes_of<std::byte>((part_groups_ + halo_groups_) * width_ * kDotGroupBytes + 64);
  out_bytes_ = Carver::bytes_of<std::byte>(part_groups_ * shape_.o * kDotGroupBytes + 64);
  slice_sums_ = shape_.o * static_cast<int64_t>(taps_.size()) * vectors_ * kDotLanes;
  thread_bytes_ = Carver::bytes_of<std::byte>(block_ * planes * plane_bytes_) +
                  (dy_bytes_ == 2 ? 2 : 1) * Carver::bytes_of<std::byte>(block_ * out_bytes_) +
                  Carver::bytes_of<int32_t>(shape_.o + kDotLanes) + Carver::bytes_of<DotRun>(block_) +
                  Carver::bytes_of<std::byte>(merged_ ? rows * image_row_ * x_bytes_ : 0);
}

int64_t ConvWeightGradWords::scratch_bytes() const {
  const int64_t sums = slices_ * slice_sums_;
  return (wide_ ? Carver::bytes_of<int64_t>(sums) : Carver::bytes_of<int32_t>(sums)) + threads_ * thread_bytes_;
}

const void* ConvWeightGradWords::image_of(Words x, int64_t image, const Memory& memory) const {
  const int64_t rows = shape_.axes[0].in * shape_.axes[1].in, row = shape_.axes[2].in * shape_.c * x.bytes;
  const std::byte* from = static_cast<const std::byte*>(x.data) + image * rows * row;
  if (!merged_) return from;
  for (int64_t i = 0; i < rows; ++i)
    std::copy_n(from + i * row, row, memory.image + (i * image_row_ + image_left_) * x.bytes);
  return memory.image;
}

void ConvWeightGradWords::interleave_part(int64_t part, int64_t at, const void* x_image, Words dy, DotScheme scheme,
                                          const Memory& memory) const {
  const size_t first = static_cast<size_t>(part % parts_ * part_groups_ * group_);
  const size_t outs = static_cast<size_t>(part_groups_ * group_),
               sources = outs + static_cast<size_t>(halo_groups_ * group_);
  std::byte* source = memory.source + at * static_cast<int64_t>(planes_.size()) * plane_bytes_;
  for (const Plane& plane : planes_) {
    const std::span<const int32_t> offsets = std::span(plane.offsets).subspan(first, sources);
    if (!as_words_)
      interleave_unsigned(static_cast<const int8_t*>(x_image), offsets, width_, reinterpret_cast<uint8_t*>(source));
    else if (x_bytes_ == 1)
      interleave(static_cast<const int8_t*>(x_image), offsets, width_, WordPart::whole,
                 reinterpret_cast<int16_t*>(source));
    else
      interleave(static_cast<const int16_t*>(x_image), offsets, width_, WordPart::whole,
                 reinterpret_cast<int16_t*>(source));
    source += plane_bytes_;
  }
  const std::span<const int32_t> offsets = std::span(out_offsets_).subspan(first, outs);
  const std::byte* image =
      static_cast<const std::byte*>(dy.data) + part / parts_ * shape_.out_pixels() * shape_.o * dy.bytes;
  const auto to = [&](int i) { return memory.out[i] + at * out_bytes_; };
  if (!as_words_) {
    interleave(reinterpret_cast<const int8_t*>(image), offsets, shape_.o, reinterpret_cast<int8_t*>(to(0)));
    add_up(reinterpret_cast<const int8_t*>(to(0)), part_groups_, shape_.o, memory.corrections);
  } else if (dy.bytes == 1) {
    interleave(reinterpret_cast<const int8_t*>(image), offsets, shape_.o, WordPart::whole,
               reinterpret_cast<int16_t*>(to(0)));
  } else {
    const int16_t* words = reinterpret_cast<const int16_t*>(image);
    interleave(words, offsets, shape_.o, scheme.split ? WordPart::high : WordPart::whole,
               reinterpret_cast<int16_t*>(to(0)));
    if (scheme.split) interleave(words, offsets, shape_.o, WordPart::low, reinterpret_cast<int16_t*>(to(1)));
  }
}

// results[row][vector][lane] of a tile = the sums over the runs.
template <class Total>
void ConvWeightGradWords::multiply_tile(DotTile& tile, std::span<const DotRun> runs, int64_t first_out,
                                        const DotScheme& scheme, const Memory& memory, Total* results) const {
  tile.rows = memory.out[0] + first_out * kDotGroupBytes;
  if constexpr (std::is_same_v<Total, int64_t>) {
    if (as_words_) {
      std::fill_n(results, tile.sums(), 0);
      add_dot_words(tile, runs, scheme.most_groups, scheme.split ? 256 : 1, results);
      if (!scheme.split) return;
      tile.rows = memory.out[1] + first_out * kDotGroupBytes;
      return add_dot_words(tile, runs, scheme.most_groups, 1, results);
    }
  }
  int32_t sums[kDotTileSums];
  dot_bytes(tile, runs, sums);
  for (int64_t r = 0; r < tile.row_count; ++r) {
    // Of lanes that are 128 too large.
    const uint32_t excess = uint32_t{128} * static_cast<uint32_t>(memory.corrections[first_out + r]);
    for (int64_t i = r * tile.row_lanes(); i < (r + 1) * tile.row_lanes(); ++i)
      results[i] = static_cast<int32_t>(static_cast<uint32_t>(sums[i]) - excess);
  }
}

template <class Total>
void ConvWeightGradWords::multiply(std::span<const DotRun> runs, const DotScheme& scheme, const Memory& memory,
                                   Total* totals) const {
  const int64_t in_group = static_cast<int64_t>(taps_.size()) * vectors_, outs = shape_.group_o();
  Total results[kDotTileSums];
  DotTile tile{
      .row_pitch = kDotGroupBytes, .row_step = shape_.o * kDotGroupBytes, .lane_step = width_ * kDotGroupBytes};
  for (int64_t group = 0; group < shape_.groups; ++group) {
    for (int64_t vector = 0; vector < in_group; vector += tile.vector_count) {
      tile.vector_count = std::min(kDotVectors, in_group - vector);
      for (int64_t v = 0; v < tile.vector_count; ++v) {
        const Tap& tap = taps_[static_cast<size_t>((vector + v) / vectors_)];
        const int64_t first = group * shape_.group_c() + (vector + v) % vectors_ * kDotLanes;
        tile.lanes[v] = memory.source + static_cast<int64_t>(tap.plane) * plane_bytes_ +
                        (tap.groups * width_ + first) * kDotGroupBytes;
      }
      for (int64_t o = group * outs; o < (group + 1) * outs; o += tile.row_count) {
        tile.row_count = dot_rows(tile.vector_count, (group + 1) * outs - o);
        multiply_tile(tile, runs, o, scheme, memory, results);
        for (int64_t r = 0; r < tile.row_count; ++r) {
          Total* to = totals + ((o + r) * in_group + vector) * kDotLanes;
          for (int64_t i = 0; i < tile.row_lanes(); ++i) to[i] += results[r * tile.row_lanes() + i];
        }
      }
    }
  }
}

template <class Total>
void ConvWeightGradWords::add_slice(int64_t slice, Words x, Words dy, DotScheme scheme, const Memory& memory,
                                    Total* totals) const {
  const int64_t all = shape_.n * parts_, first = all * slice / slices_, last = all * (slice + 1) / slices_;
  std::fill_n(totals, slice_sums_, Total{0});
  if (merged_) std::fill_n(memory.image, shape_.axes[0].in * shape_.axes[1].in * image_row_ * x_bytes_, std::byte{0});
  const void* image = nullptr;
  for (int64_t begin = first; begin < last; begin += block_) {
    const int64_t parts = std::min(block_, last - begin);
    std::fill_n(memory.corrections, shape_.o + kDotLanes, 0);
    for (int64_t i = 0; i < parts; ++i) {
      if (!image || (begin + i) % parts_ == 0) image = image_of(x, (begin + i) / parts_, memory);
      interleave_part(begin + i, i, image, dy, scheme, memory);
    }
    for (int64_t i = 0; i < parts; ++i) {
      const int64_t lane = i * static_cast<int64_t>(planes_.size()) * plane_bytes_;
      memory.runs[i] = {.row = i * out_bytes_, .lane = lane, .groups = part_groups_};
    }
    multiply(std::span<const DotRun>(memory.runs, static_cast<size_t>(parts)), scheme, memory, totals);
  }
}

template <class Total>
void ConvWeightGradWords::write(const Total* totals, float scale, float* dw) const {
  const int64_t taps = shape_.taps();
  const int64_t in_group = static_cast<int64_t>(taps_.size()) * vectors_, channels = shape_.group_c();
  const int64_t elements = merged_ ? width_ : channels;
  const auto sum = [&](int64_t o, size_t tap, int64_t v) {
    const Total* sums = totals + (o * in_group + static_cast<int64_t>(tap) * vectors_) * kDotLanes + v;
    int64_t total = 0;
    for (int64_t slice = 0; slice < slices_; ++slice) total += sums[slice * slice_sums_];
    return static_cast<float>(total) * scale;
  };
#pragma omp parallel for schedule(static) num_threads(std::min(threads_, omp_get_max_threads()))
  for (int64_t o = 0; o < shape_.o; ++o) {
    float* to = dw + o * channels * taps;
    for (int64_t v = 0; v < elements; ++v) {
      float* element = to + (merged_ ? v % channels * taps + v / channels : v * taps);
      for (size_t t = 0; t < taps_.size(); ++t) element[taps_[t].weight] = sum(o, t, v);
    }
  }
}

template <class Total>
void ConvWeightGradWords::run_as(Words x, Words dy, DotScheme scheme, float scale, float* dw,
                                 std::byte* scratch) const {
  Carver shared(scratch);
  Total* totals = shared.take<Total>(slices_ * slice_sums_);
#pragma omp parallel for schedule(static) num_threads(std::min(threads_, omp_get_max_threads()))
  for (int64_t slice = 0; slice < slices_; ++slice) {
    Carver own(shared.rest() + omp_get_thread_num() * thread_bytes_);
    const int64_t planes = static_cast<int64_t>(planes_.size());
    Memory memory{};
    memory.source = own.take<std::byte>(block_ * planes * plane_bytes_);
    memory.out[0] = own.take<std::byte>(block_ * out_bytes_);
    memory.out[1] = own.take<std::byte>(dy_bytes_ == 2 ? block_ * out_bytes_ : 0);
    memory.corrections = own.take<int32_t>(shape_.o + kDotLanes);
    memory.runs = own.take<DotRun>(block_);
    memory.image = own.rest();
    add_slice(slice, x, dy, scheme, memory, totals + slice * slice_sums_);
  }
  write(totals, scale, dw);
}

void ConvWeightGradWords::run(Words x, int x_bits, Words dy, int dy_bits, float scale, float* dw,
                              std::byte* scratch) const {
  const DotScheme chosen = dot_scheme(x_bits, dy_bits, group_);
  wide_ ? run_as<int64_t>(x, dy, chosen, scale, dw, scratch) : run_as<int32_t>(x, dy, chosen, scale, dw, scratch);
}

}  // namespace marvin
