#include "runtime/kernels/layouts.h"

#include <algorithm>

#include "runtime/kernels/parallel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace marvin {
namespace {

constexpr int64_t kTile = 32;  // rows and columns of a tile, both of whose sides stay in the first-level cache

#if defined(__x86_64__)
// A square of four by four.
inline void transpose_square(const float* from, int64_t from_pitch, float* to, int64_t to_pitch) {
  __m128 a = _mm_loadu_ps(from), b = _mm_loadu_ps(from + from_pitch), c = _mm_loadu_ps(from + 2 * from_pitch);
  __m128 d = _mm_loadu_ps(from + 3 * from_pitch);
  _MM_TRANSPOSE4_PS(a, b, c, d);
  _mm_storeu_ps(to, a);
  _mm_storeu_ps(to + to_pitch, b);
  _mm_storeu_ps(to + 2 * to_pitch, c);
  _mm_storeu_ps(to + 3 * to_pitch, d);
}
#else
inline void transpose_square(const float* from, int64_t from_pitch, float* to, int64_t to_pitch) {
  for (int64_t row = 0; row < 4; ++row)
    for (int64_t column = 0; column < 4; ++column) to[column * to_pitch + row] = from[row * from_pitch + column];
}
#endif

}  // namespace

void transpose_tile(const float* from, int64_t from_pitch, int64_t rows, int64_t columns, float* to, int64_t to_pitch) {
  const int64_t whole_rows = rows / 4 * 4, whole_columns = columns / 4 * 4;
  for (int64_t column = 0; column < whole_columns; column += 4)
    for (int64_t row = 0; row < whole_rows; row += 4)
      transpose_square(from + row * from_pitch + column, from_pitch, to + column * to_pitch + row, to_pitch);
  for (int64_t column = 0; column < columns; ++column)
    for (int64_t row = column < whole_columns ? whole_rows : 0; row < rows; ++row)
      to[column * to_pitch + row] = from[row * from_pitch + column];
}

void transpose_images(int64_t n, int64_t rows, int64_t columns, const float* from, float* to) {
  const int64_t tiles = (columns + kTile - 1) / kTile, image = rows * columns;
#pragma omp parallel for schedule(static) if (n * image >= kParallelElements)
  for (int64_t i = 0; i < n * tiles; ++i) {
    const int64_t column = i % tiles * kTile, first = i / tiles * image;
    for (int64_t row = 0; row < rows; row += kTile) {
      transpose_tile(from + first + row * columns + column, columns, std::min(kTile, rows - row),
                     std::min(kTile, columns - column), to + first + column * rows + row, rows);
    }
  }
}

}  // namespace marvin
