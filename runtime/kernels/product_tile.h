// Tiles of float32 matrix products by the fused multiply-adds of AVX-512. There they need no packing by a library:
// whoever calls lays its operands out as it gathers or transforms them.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/kernels/scratch.h"

namespace marvin {

constexpr int64_t kTileRows = 12;     // of a tile at most
constexpr int64_t kTileColumns = 32;  // of a tile at most, and what is read of the second operand's rows

// From one row of so many channels to the next, in elements: so many that kTileColumns may be read from any vector of
// them on, and that rows do not fall on the same lines of a cache.
constexpr int64_t pitch_of(int64_t channels) {
  constexpr int64_t kLanes = kTileColumns / 2;
  return ceil_div(channels, kLanes) * kLanes + kLanes;
}

// A part of the sum: where its first products have their operands.
struct TileRun {
  const float* rows;
  const float* columns;
};

// Row r, product k reads rows[r * row_pitch + k * row_step], column j columns[k * column_step + j].
struct ProductTile {
  int64_t row_count = kTileRows, column_count = kTileColumns;  // of the result
  int64_t depth = 0;                                           // products of a run
  int64_t row_pitch = 0, row_step = 1, column_step = kTileColumns;
};

// out[r * out_pitch + j] = start[r * start_pitch + j] + (the sum of the products of all runs, in order); start may be
// null, for zeros, or out. Long sums are more exact in several calls. Needs avx512_is_available().
void multiply_tile(const ProductTile& tile, std::span<const TileRun> runs, const float* start, int64_t start_pitch,
                   float* out, int64_t out_pitch);

}  // namespace marvin
