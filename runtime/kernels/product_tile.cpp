#include "runtime/kernels/product_tile.h"

#include "runtime/kernels/avx512.h"

namespace marvin {

#if defined(__x86_64__)

namespace {

constexpr int64_t kLanes = 16;

struct Store {
  __mmask16 masks[2];
  const float* start;
  int64_t start_pitch;
  float* out;
  int64_t out_pitch;
};

// A row's operand is broadcast to both vectors of columns; the rows' sums stay in registers over all runs.
template <int kRows>
MARVIN_AVX512 void multiply_rows(const ProductTile& tile, std::span<const TileRun> runs, const Store& store) {
  constexpr int kVectors = 2, kBaseRows = 3;  // a base serves the rows that x86 addresses by it: 0, 1, 2 pitches on
  __m512 sums[kRows][kVectors];
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) sums[r][0] = sums[r][1] = _mm512_setzero_ps();
  for (const TileRun& run : runs) {
    const float* columns = run.columns;
    const float* bases[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) bases[i] = run.rows + i * kBaseRows * tile.row_pitch;
    for (int64_t k = 0; k < tile.depth; ++k) {
      const __m512 low = _mm512_loadu_ps(columns), high = _mm512_loadu_ps(columns + kLanes);
#pragma GCC unroll 12
      for (int r = 0; r < kRows; ++r) {
        const __m512 row = _mm512_set1_ps(bases[r / kBaseRows][r % kBaseRows * tile.row_pitch]);
        sums[r][0] = _mm512_fmadd_ps(row, low, sums[r][0]);
        sums[r][1] = _mm512_fmadd_ps(row, high, sums[r][1]);
      }
      columns += tile.column_step;
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) bases[i] += tile.row_step;
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      const __mmask16 mask = store.masks[v];
      const int64_t lane = v * kLanes;
      __m512 sum = sums[r][v];
      if (store.start) sum = _mm512_maskz_loadu_ps(mask, store.start + r * store.start_pitch + lane) + sum;
      float* to = store.out + r * store.out_pitch + lane;
      // Masked stores are slow, and few are needed.
      mask == 0xffff ? _mm512_storeu_ps(to, sum) : _mm512_mask_storeu_ps(to, mask, sum);
    }
  }
}

}  // namespace

void multiply_tile(const ProductTile& tile, std::span<const TileRun> runs, const float* start, int64_t start_pitch,
                   float* out, int64_t out_pitch) {
  using Multiply = void (*)(const ProductTile&, std::span<const TileRun>, const Store&);
  static constexpr Multiply kByRows[kTileRows] = {
      multiply_rows<1>, multiply_rows<2>, multiply_rows<3>, multiply_rows<4>,  multiply_rows<5>,  multiply_rows<6>,
      multiply_rows<7>, multiply_rows<8>, multiply_rows<9>, multiply_rows<10>, multiply_rows<11>, multiply_rows<12>};
  const Store store{
      {first_lanes(tile.column_count), first_lanes(tile.column_count - kLanes)}, start, start_pitch, out, out_pitch};
  kByRows[tile.row_count - 1](tile, runs, store);
}

#else

// Nothing calls this where avx512_is_available() says no.
void multiply_tile(const ProductTile&, std::span<const TileRun>, const float*, int64_t, float*, int64_t) {}

#endif

}  // namespace marvin
