#include "runtime/kernels/gemm_words.h"

#include <omp.h>

#include <algorithm>
#include <limits>

#include "runtime/kernels/instruction_sets.h"
#include "runtime/kernels/scratch.h"

namespace marvin {
namespace {

// Packed rows of about this size stay in the second-level cache.
constexpr int64_t kBlockBytes = 1 << 17;

}  // namespace

bool GemmWords::admits(const GemmShape& s) {
  constexpr int64_t kLimit = std::numeric_limits<int32_t>::max();
  return vnni_is_available() && s.m > 0 && s.n > 0 && s.k > 0 && s.k + 1 < kLimit / std::max(s.m, s.n);
}

GemmWords::GemmWords(Gemm gemm, int b_bytes)
    : gemm_(std::move(gemm)),
      b_bytes_(b_bytes),
      threads_(omp_get_max_threads()),
      pairs_(ceil_div(gemm_.shape.k, 2)),
      block_(std::clamp<int64_t>(kBlockBytes / (pairs_ * kDotGroupBytes), 16, 256)),
      a_bytes_(Carver::bytes_of<std::byte>(block_ * pairs_ * kDotGroupBytes)),
      // A vector may reach behind the last column.
      b_packed_bytes_(Carver::bytes_of<std::byte>(pairs_ * gemm_.shape.n * kDotGroupBytes + 64)) {
  const GemmShape& s = gemm_.shape;
  for (int64_t i = 0; i < 2 * pairs_; ++i) {
    b_rows_.push_back(i < s.k ? static_cast<int32_t>(i * s.n) : -1);
    if (s.trans_a) a_columns_.push_back(i < s.k ? static_cast<int32_t>(i * s.m) : -1);
  }
}

int64_t GemmWords::scratch_bytes() const {
  const int64_t b = (b_bytes_ == 2 ? 2 : 1) * b_packed_bytes_;
  return gemm_.a_offsets.size() > 1 ? threads_ * (a_bytes_ + b) : threads_ * a_bytes_ + b;
}

// packed[pair][column][k in pair].
void GemmWords::pack_b(Words b, const DotScheme& scheme, int64_t first_pair, int64_t pairs,
                       std::byte* const* packed) const {
  const GemmShape& s = gemm_.shape;
  for (int half = 0; half < (scheme.split ? 2 : 1); ++half) {
    const WordPart part = !scheme.split ? WordPart::whole : half == 0 ? WordPart::high : WordPart::low;
    int16_t* to = reinterpret_cast<int16_t*>(packed[half]) + first_pair * s.n * 2;
    visit_short(b, 0, [&](const auto* words) {
      if (!s.trans_b) {
        const std::span<const int32_t> rows(b_rows_.data() + 2 * first_pair, static_cast<size_t>(2 * pairs));
        return interleave(words, rows, s.n, part, to);
      }
      for (int64_t first = 0; first < s.n; first += kDotLanes) {
        for (int64_t pair = 0; pair < pairs; ++pair) {
          for (int64_t j = first; j < std::min(first + kDotLanes, s.n); ++j) {
            const int64_t k = 2 * (first_pair + pair);
            to[(pair * s.n + j) * 2] = part_of(words[j * s.k + k], part);
            to[(pair * s.n + j) * 2 + 1] = k + 1 < s.k ? part_of(words[j * s.k + k + 1], part) : int16_t{0};
          }
        }
      }
    });
  }
}

// packed[row][k], or where a is transposed packed[pair][row][k in pair].
void GemmWords::pack_a(Words a, int64_t first_row, int64_t rows, int16_t* packed) const {
  const GemmShape& s = gemm_.shape;
  visit_short(a, 0, [&](const auto* words) {
    if (s.trans_a) return interleave(words + first_row, a_columns_, rows, WordPart::whole, packed);
    for (int64_t row = 0; row < rows; ++row) {
      int16_t* to = packed + row * 2 * pairs_;
      std::copy_n(words + (first_row + row) * s.k, s.k, to);
      if (s.k % 2 != 0) to[s.k] = 0;
    }
  });
}

void GemmWords::multiply(Words a, int64_t first_row, int64_t rows, const std::byte* const* packed_b,
                         const DotScheme& scheme, float scale, float* y, std::byte* packed_a) const {
  const GemmShape& s = gemm_.shape;
  pack_a(a, first_row, rows, reinterpret_cast<int16_t*>(packed_a));
  int64_t totals[kDotTileSums];
  float tile[kDotTileSums];
  DotTile dot{.row_pitch = s.trans_a ? kDotGroupBytes : pairs_ * kDotGroupBytes,
              .row_step = s.trans_a ? rows * kDotGroupBytes : kDotGroupBytes,
              .lane_step = s.n * kDotGroupBytes};
  for (int64_t column = 0; column < s.n; column += dot.vector_count * kDotLanes) {
    dot.vector_count = std::min(kDotVectors, ceil_div(s.n - column, kDotLanes));
    const int64_t columns = std::min(s.n - column, dot.vector_count * kDotLanes);
    for (int64_t row = 0; row < rows; row += dot.row_count) {
      dot.row_count = dot_rows(dot.vector_count, rows - row);
      dot.rows = packed_a + row * dot.row_pitch;
      const int64_t count = dot.sums();
      std::fill_n(totals, count, 0);
      for (int half = 0; half < (scheme.split ? 2 : 1); ++half) {
        for (int64_t v = 0; v < dot.vector_count; ++v)
          dot.lanes[v] = packed_b[half] + (column + v * kDotLanes) * kDotGroupBytes;
        const DotRun run{.groups = pairs_};
        add_dot_words(dot, {&run, 1}, scheme.most_groups, scheme.split && half == 0 ? 256 : 1, totals);
      }
      round_totals(totals, count, scale, tile);
      for (int64_t r = 0; r < dot.row_count; ++r)
        std::copy_n(tile + r * dot.row_lanes(), columns, y + (first_row + row + r) * s.n + column);
    }
  }
}

void GemmWords::run(Words a, int a_bits, Words b, int b_bits, float scale, float* y, std::byte* scratch) const {
  const GemmShape& s = gemm_.shape;
  const DotScheme scheme = dot_scheme(a_bits, b_bits, 2);
  const int64_t items = static_cast<int64_t>(gemm_.a_offsets.size()), halves = b_bytes_ == 2 ? 2 : 1;
  const auto operand = [](Words words, int64_t offset) {
    return Words{static_cast<const std::byte*>(words.data) + offset * words.bytes, words.bytes};
  };
  const int team = std::min(threads_, omp_get_max_threads());
  if (items > 1) {
#pragma omp parallel for schedule(static) num_threads(team)
    for (int64_t item = 0; item < items; ++item) {
      const size_t i = static_cast<size_t>(item);
      Carver own(scratch + omp_get_thread_num() * (a_bytes_ + halves * b_packed_bytes_));
      std::byte* packed_a = own.take<std::byte>(a_bytes_);
      std::byte* packed_b[] = {own.take<std::byte>(b_packed_bytes_), own.rest()};
      pack_b(operand(b, gemm_.b_offsets[i]), scheme, 0, pairs_, packed_b);
      for (int64_t row = 0; row < s.m; row += block_)
        multiply(operand(a, gemm_.a_offsets[i]), row, std::min(block_, s.m - row), packed_b, scheme, scale,
                 y + item * s.m * s.n, packed_a);
    }
    return;
  }
  std::byte* packed_b[] = {scratch, scratch + b_packed_bytes_};
  std::byte* own = scratch + halves * b_packed_bytes_;
  const int64_t blocks = ceil_div(s.m, block_);
#pragma omp parallel num_threads(team)
  {
    const int64_t threads = omp_get_num_threads(), thread = omp_get_thread_num();
    const int64_t first = pairs_ * thread / threads, last = pairs_ * (thread + 1) / threads;
    pack_b(b, scheme, first, last - first, packed_b);
#pragma omp barrier
#pragma omp for schedule(static)
    for (int64_t block = 0; block < blocks; ++block)
      multiply(a, block * block_, std::min(block_, s.m - block * block_), packed_b, scheme, scale, y,
               own + thread * a_bytes_);
  }
}

}  // namespace marvin
