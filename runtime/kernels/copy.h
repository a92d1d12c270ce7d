// Copies between arrays of any strides: what transposing, slicing, repeating and joining come down to.
#pragma once

#include <type_traits>

#include "runtime/kernels/parallel.h"
#include "runtime/kernels/strided.h"

namespace marvin {

namespace detail {

template <class T>
void copy_run(const T* from, int64_t from_step, T* to, int64_t to_step, int64_t n) {
  if (from_step == 1 && to_step == 1) {
    std::copy_n(from, n, to);
  } else if (from_step == 0 && to_step == 1) {
    std::fill_n(to, n, *from);
  } else {
    for (int64_t i = 0; i < n; ++i) to[i * to_step] = from[i * from_step];
  }
}

using FourWords [[gnu::vector_size(16)]] = uint32_t;
using FourInMemory [[gnu::vector_size(16), gnu::aligned(4), gnu::may_alias]] = uint32_t;

// to[i][j] = from[j][i] for i, j < 4, rows of either so many elements apart.
inline void transpose_four(const uint32_t* from, int64_t from_step, uint32_t* to, int64_t to_step) {
  const auto row = [&](int64_t j) -> FourWords { return *reinterpret_cast<const FourInMemory*>(from + j * from_step); };
  const auto write = [&](int64_t i, FourWords value) { *reinterpret_cast<FourInMemory*>(to + i * to_step) = value; };
  const FourWords a = row(0), b = row(1), c = row(2), d = row(3);
  const FourWords low = __builtin_shufflevector(a, b, 0, 4, 1, 5), high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const FourWords next_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
  const FourWords next_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  write(0, __builtin_shufflevector(low, next_low, 0, 1, 4, 5));
  write(1, __builtin_shufflevector(low, next_low, 2, 3, 6, 7));
  write(2, __builtin_shufflevector(high, next_high, 0, 1, 4, 5));
  write(3, __builtin_shufflevector(high, next_high, 2, 3, 6, 7));
}

// to[i][j] = from[j][i] for i < rows and j < columns.
template <class T>
void transpose_tile(const T* from, int64_t from_step, int64_t rows, int64_t columns, T* to, int64_t to_step) {
  int64_t i = 0;
  if constexpr (std::is_same_v<T, uint32_t>) {
    for (; i + 4 <= rows; i += 4) {
      int64_t j = 0;
      for (; j + 4 <= columns; j += 4)
        transpose_four(from + j * from_step + i, from_step, to + i * to_step + j, to_step);
      for (; j < columns; ++j)
        for (int64_t k = i; k < i + 4; ++k) to[k * to_step + j] = from[j * from_step + k];
    }
  }
  for (; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) to[i * to_step + j] = from[j * from_step + i];
}

// Copies a transposition, of which `across` is the axis along which `from` is contiguous, in square tiles: so the cache
// lines of both sides are used whole.
template <class T>
void copy_tiled(const T* from, T* to, const StridedLoop<2>& loop, int across) {
  constexpr int64_t kTile = 32;
  const int inner = loop.rank() - 1;
  const int64_t rows = loop.extent(across), columns = loop.extent(inner);
  const int64_t from_step = loop.step(0), to_step = loop.stride(across, 1);
  StridedLoop<2> outer;
  for (int axis = 0; axis < inner; ++axis)
    if (axis != across) outer.add_axis(loop.extent(axis), {loop.stride(axis, 0), loop.stride(axis, 1)});
  const int64_t stripes = (rows + kTile - 1) / kTile;
#pragma omp parallel for schedule(static) if (loop.count() >= kParallelElements)
  for (int64_t task = 0; task < outer.count() * stripes; ++task) {
    const int64_t first = task % stripes * kTile, last = std::min(first + kTile, rows);
    outer.walk(task / stripes, task / stripes + 1, [&](int64_t, const auto& at, int64_t) {
      for (int64_t left = 0; left < columns; left += kTile) {
        const int64_t right = std::min(left + kTile, columns);
        T tile[kTile][kTile + 1];  // the odd stride spreads a column over the cache
        for (int64_t j = left; j < right; ++j)
          std::copy_n(from + at[0] + j * from_step + first, last - first, tile[j - left]);
        transpose_tile(tile[0], kTile + 1, last - first, right - left, to + at[1] + first * to_step + left, to_step);
      }
    });
  }
}

}  // namespace detail

template <class T>
void fill(T* y, int64_t count, T value) {
  parallel_blocks(count, 1 << 13, [&](int64_t begin, int64_t end) { std::fill(y + begin, y + end, value); });
}

// Copies every element of the loop's array 0, which begins at `from`, to that of its array 1, which begins at `to`.
template <class T>
void copy_strided(const T* from, T* to, const StridedLoop<2>& loop) {
  if (loop.step(0) != 1 && loop.step(1) == 1) {
    for (int axis = 0; axis + 1 < loop.rank(); ++axis)
      if (loop.stride(axis, 0) == 1) return detail::copy_tiled(from, to, loop, axis);
  }
  parallel_blocks(loop.count(), 1 << 13, [&](int64_t begin, int64_t end) {
    loop.walk(begin, end, [&](int64_t, const auto& at, int64_t n) {
      detail::copy_run(from + at[0], loop.step(0), to + at[1], loop.step(1), n);
    });
  });
}

}  // namespace marvin
