#include "runtime/kernels/conv_words.h"

#include <omp.h>

#include <algorithm>
#include <cstring>

#include "runtime/kernels/instruction_sets.h"
#include "runtime/kernels/layouts.h"
#include "runtime/kernels/scratch.h"

namespace marvin {
namespace {

// A task's copy of the source stays in the second-level cache.
constexpr int64_t kSlabBytes = 1 << 17;

// The source columns that an axis reads, from its offset on.
int64_t reach(const TapAxis& axis, int64_t count) {
  return (count - 1) * axis.step + (axis.taps - 1) * axis.spacing + 1;
}

template <class From>
void widen_pixels(const From* from, int64_t pixels, int64_t groups, int64_t channels, int64_t padded, int16_t* to) {
  if (channels == padded) {
    std::copy_n(from, pixels * groups * channels, to);
    return;
  }
  for (int64_t i = 0; i < pixels * groups; ++i) {
    std::copy_n(from + i * channels, channels, to + i * padded);
    to[i * padded + channels] = 0;
  }
}

}  // namespace

bool ConvWords::admits(const std::vector<TapConv>& convs) {
  if (!vnni_is_available()) return false;
  for (const TapConv& conv : convs) {
    int64_t bytes = conv.groups * ceil_div(conv.in, 2) * kDotGroupBytes;
    for (const TapAxis& axis : conv.axes)
      if (__builtin_mul_overflow(bytes, reach(axis, 1), &bytes)) return false;
    if (bytes > 8 * kSlabBytes) return false;
  }
  return true;
}

ConvWords::ConvWords(const std::vector<TapConv>& convs, int weight_bytes, bool channels_last)
    : weight_bytes_(weight_bytes), channels_last_(channels_last), threads_(omp_get_max_threads()) {
  for (const TapConv& conv : convs) {
    const Part& part = parts_.emplace_back(planned(conv, threads_));
    const int64_t shared = Carver::bytes_of<int16_t>(part.conv.weight_elements()) +
                           (weight_bytes_ == 2 ? 2 : 1) * Carver::bytes_of<std::byte>(part.packed_bytes()) +
                           Carver::bytes_of<DotRun>(part.conv.taps());
    scratch_bytes_ = std::max(scratch_bytes_, shared + threads_ * Carver::bytes_of<std::byte>(part.slab_bytes()));
  }
}

ConvWords::Task ConvWords::task_of(const Part& part, int64_t index) {
  const int64_t column = index % part.column_blocks() * part.columns, block = index / part.column_blocks();
  const int64_t row = block % part.row_blocks() * part.rows, plane = block / part.row_blocks();
  return {.image = plane / part.conv.axes[0].count,
          .plane = plane % part.conv.axes[0].count,
          .first_row = row,
          .rows = std::min(part.rows, part.conv.axes[1].count - row),
          .first_column = column,
          .columns = std::min(part.columns, part.conv.axes[2].count - column)};
}

ConvWords::Part ConvWords::planned(const TapConv& conv, int threads) {
  Part part{.conv = conv, .pairs = ceil_div(conv.in, 2), .vectors = ceil_div(conv.out, kDotLanes)};
  if (conv.taps() == 0) return part;
  const auto& [depth, height, width] = part.conv.axes;
  // Wide rows are cut into columns first.
  const int64_t of_row = kSlabBytes / (depth.taps * part.pixel_bytes()) - (width.taps - 1) * width.spacing;
  const int64_t shares = ceil_div(threads, conv.n * depth.count * height.count);
  part.columns = std::clamp<int64_t>(std::min(of_row / width.step, ceil_div(width.count, shares)), 1, width.count);
  part.row_bytes = reach(width, part.columns) * part.pixel_bytes();
  const int64_t fitting = kSlabBytes / (depth.taps * part.row_bytes) - (height.taps - 1) * height.spacing;
  const int64_t balanced = ceil_div(conv.n * depth.count * height.count, threads);
  part.rows = std::clamp<int64_t>(std::min(fitting / height.step, balanced), 1, height.count);
  part.slab_rows = reach(height, part.rows);
  return part;
}

void ConvWords::pack(const Part& part, Words weights, int16_t* words, const Shared& shared) {
  const TapConv& conv = part.conv;
  weights.bytes == 1 ? pack_weights(conv, static_cast<const int8_t*>(weights.data), words)
                     : pack_weights(conv, static_cast<const int16_t*>(weights.data), words);
  const int64_t depth = conv.depth(), blocks = conv.groups * part.vectors;
  const int64_t block_elements = conv.taps() * part.pairs * kDotLanes * 2;
  int16_t* upper = reinterpret_cast<int16_t*>(shared.packed[0]);
  int16_t* lower = reinterpret_cast<int16_t*>(shared.packed[1]);
#pragma omp parallel for schedule(static) if (conv.weight_elements() >= 1 << 15)
  for (int64_t block = 0; block < blocks; ++block) {
    const int64_t group = block / part.vectors, first = block % part.vectors * kDotLanes;
    const int64_t outs = std::min(kDotLanes, conv.out - first);
    int64_t at = block * block_elements;
    for (int64_t tap = 0; tap < conv.taps(); ++tap) {
      for (int64_t pair = 0; pair < part.pairs; ++pair) {
        for (int64_t o = 0; o < kDotLanes; ++o) {
          for (int64_t i = 2 * pair; i < 2 * pair + 2; ++i, ++at) {
            const bool exists = o < outs && i < conv.in;
            const int16_t word =
                exists ? words[(group * conv.out + first + o) * depth + tap * conv.in + i] : int16_t{0};
            upper[at] = part_of(word, shared.scheme.split ? WordPart::high : WordPart::whole);
            if (shared.scheme.split) lower[at] = part_of(word, WordPart::low);
          }
        }
      }
    }
  }
}

void ConvWords::fill_runs(const Part& part, std::span<DotRun> runs) {
  const auto& [depth, height, width] = part.conv.axes;
  for (int64_t tap = 0; tap < part.conv.taps(); ++tap) {
    const int64_t td = tap / width.taps / height.taps, th = tap / width.taps % height.taps, tw = tap % width.taps;
    const int64_t row =
        (td * part.slab_rows + th * height.spacing) * part.row_bytes + tw * width.spacing * part.pixel_bytes();
    runs[static_cast<size_t>(tap)] = {row, tap * part.pairs * kDotVectorBytes, part.pairs};
  }
}

void ConvWords::copy_slab(const Part& part, Words source, const Task& task, std::byte* slab) {
  const TapConv& conv = part.conv;
  const auto& [depth, height, width] = conv.axes;
  const int64_t columns = reach(width, task.columns), padded = 2 * part.pairs;
  const int64_t offset = task.first_column * width.step + width.offset;  // of the first source column
  const int64_t first = std::clamp<int64_t>(-offset, 0, columns);
  const int64_t last = std::clamp<int64_t>(width.source - offset, first, columns);
  const int64_t pixel = conv.groups * conv.in;
  for (int64_t td = 0; td < depth.taps; ++td) {
    const int64_t plane = task.plane * depth.step + depth.offset + td * depth.spacing;
    for (int64_t r = 0; r < reach(height, task.rows); ++r) {
      const int64_t row = task.first_row * height.step + height.offset + r;
      std::byte* to = slab + (td * part.slab_rows + r) * part.row_bytes;
      if (plane < 0 || plane >= depth.source || row < 0 || row >= height.source || first == last) {
        std::memset(to, 0, static_cast<size_t>(part.row_bytes));
        continue;
      }
      std::memset(to, 0, static_cast<size_t>(first * part.pixel_bytes()));
      std::memset(to + last * part.pixel_bytes(), 0, static_cast<size_t>((columns - last) * part.pixel_bytes()));
      const int64_t from =
          (((task.image * depth.source + plane) * height.source + row) * width.source + first + offset) * pixel;
      int16_t* words = reinterpret_cast<int16_t*>(to + first * part.pixel_bytes());
      source.bytes == 1 ? widen_pixels(static_cast<const int8_t*>(source.data) + from, last - first, conv.groups,
                                       conv.in, padded, words)
                        : widen_pixels(static_cast<const int16_t*>(source.data) + from, last - first, conv.groups,
                                       conv.in, padded, words);
    }
  }
}

// tile[pixel][pitch of channels] to the output, from pixel `first` of a row on.
void ConvWords::write(const Part& part, const Task& task, int64_t row, int64_t first, int64_t pixels, int64_t channel,
                      int64_t channels, float* tile, int64_t pitch, const Shared& shared) const {
  const TapConv& conv = part.conv;
  const auto& [depth, height, width] = conv.axes;
  const int64_t line =
      (depth.first + task.plane * depth.out_step) * height.extent + height.first + row * height.out_step;
  const int64_t begin = line * width.extent + width.first + first * width.out_step;
  const int64_t all = conv.groups * conv.out;
  for (int64_t p = 0; shared.bias && p < pixels; ++p)
    for (int64_t c = 0; c < channels; ++c) tile[p * pitch + c] += shared.bias[channel + c];
  if (channels_last_) {
    float* to = shared.out + (task.image * conv.plane() + begin) * all + channel;
    for (int64_t p = 0; p < pixels; ++p) std::copy_n(tile + p * pitch, channels, to + p * width.out_step * all);
    return;
  }
  float* to = shared.out + (task.image * all + channel) * conv.plane() + begin;
  if (width.out_step == 1) return transpose_tile(tile, pitch, pixels, channels, to, conv.plane());
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t p = 0; p < pixels; ++p) to[c * conv.plane() + p * width.out_step] = tile[p * pitch + c];
}

void ConvWords::multiply(const Part& part, const Task& task, const std::byte* slab, const Shared& shared) const {
  const TapConv& conv = part.conv;
  const auto& [depth, height, width] = conv.axes;
  const int64_t block_bytes = conv.taps() * part.pairs * kDotLanes * kDotGroupBytes;
  const bool is_one_sum = !shared.scheme.split && conv.taps() * part.pairs <= shared.scheme.most_groups;
  int32_t sums[kDotTileSums];
  int64_t totals[kDotTileSums];
  float tile[kDotTileSums];
  DotTile dot{.row_pitch = width.step * part.pixel_bytes(),
              .row_step = kDotGroupBytes,
              .lane_step = kDotLanes * kDotGroupBytes};
  for (int64_t group = 0; group < conv.groups; ++group) {
    for (int64_t vector = 0; vector < part.vectors; vector += dot.vector_count) {
      dot.vector_count = std::min(kDotVectors, part.vectors - vector);
      const int64_t channel = vector * kDotLanes, channels = std::min(kDotTileLanes, conv.out - channel);
      for (int64_t pixel = 0; pixel < task.rows * task.columns; pixel += dot.row_count) {
        const int64_t row = pixel / task.columns, first = pixel % task.columns;
        dot.row_count = dot_rows(dot.vector_count, task.columns - first);
        dot.rows =
            slab + row * height.step * part.row_bytes + first * dot.row_pitch + group * part.pairs * kDotGroupBytes;
        const int64_t count = dot.sums();
        for (int half = 0; half < (shared.scheme.split ? 2 : 1); ++half) {
          for (int64_t v = 0; v < dot.vector_count; ++v)
            dot.lanes[v] = shared.packed[half] + (group * part.vectors + vector + v) * block_bytes;
          if (is_one_sum) {
            dot_words(dot, shared.runs, sums);
          } else {
            if (half == 0) std::fill_n(totals, count, 0);
            const int32_t factor = shared.scheme.split && half == 0 ? 256 : 1;
            add_dot_words(dot, shared.runs, shared.scheme.most_groups, factor, totals);
          }
        }
        is_one_sum ? round_totals(sums, count, shared.scale, tile) : round_totals(totals, count, shared.scale, tile);
        write(part, task, task.first_row + row, task.first_column + first, dot.row_count, group * conv.out + channel,
              channels, tile, dot.row_lanes(), shared);
      }
    }
  }
}

void ConvWords::run(Words source, int source_bits, Words weights, int weight_bits, float scale, const float* bias,
                    float* out, std::byte* scratch) const {
  const DotScheme scheme = dot_scheme(source_bits, weight_bits, 2);
  for (const Part& part : parts_) {
    if (part.conv.taps() == 0) {
      scatter_zeros(part.conv, channels_last_, out);
      continue;
    }
    Carver carver(scratch);
    Shared shared{.scheme = scheme, .scale = scale, .bias = bias, .out = out};
    int16_t* words = carver.take<int16_t>(part.conv.weight_elements());
    shared.packed[0] = carver.take<std::byte>(part.packed_bytes());
    shared.packed[1] = weight_bytes_ == 2 ? carver.take<std::byte>(part.packed_bytes()) : nullptr;
    const std::span<DotRun> runs(carver.take<DotRun>(part.conv.taps()), static_cast<size_t>(part.conv.taps()));
    fill_runs(part, runs);
    shared.runs = runs;
    pack(part, weights, words, shared);
#pragma omp parallel for schedule(static) num_threads(std::min(threads_, omp_get_max_threads()))
    for (int64_t i = 0; i < part.tasks(); ++i) {
      const Task task = task_of(part, i);
      std::byte* slab = carver.rest() + omp_get_thread_num() * Carver::bytes_of<std::byte>(part.slab_bytes());
      copy_slab(part, source, task, slab);
      multiply(part, task, slab, shared);
    }
  }
}

}  // namespace marvin
