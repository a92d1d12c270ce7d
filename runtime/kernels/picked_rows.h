// Rows that indices pick out of an array, and their way back into one.
#pragma once

#include <algorithm>

#include "runtime/kernels/parallel.h"

namespace marvin {

// `groups` times `count` rows of `width` elements each. Every group picks from a part of the array of its own. Row r of
// group g begins at element begin(g, r) of the array that it is picked from; the picked rows lie one after the other.
struct PickedRows {
  const int64_t* offsets;
  int64_t count;
  int64_t width;
  int64_t groups = 1;
  int64_t group_offsets = 0;   // how far apart in `offsets` the groups' begin; 0 where they share them
  int64_t group_elements = 0;  // how far apart in the array

  int64_t begin(int64_t group, int64_t row) const {
    return group * group_elements + offsets[group * group_offsets + row];
  }
};

template <class T>
void gather_rows(const T* from, T* to, const PickedRows& rows) {
  if (rows.width == 0) return;
#pragma omp parallel for collapse(2) schedule(static) if (rows.groups * rows.count * rows.width >= kParallelElements)
  for (int64_t group = 0; group < rows.groups; ++group)
    for (int64_t row = 0; row < rows.count; ++row)
      std::copy_n(from + rows.begin(group, row), rows.width, to + (group * rows.count + row) * rows.width);
}

// Calls body(from, to, n) for pieces that together are all rows: n elements at `from` of the picked ones, n at `to` of
// the array that they were picked from. Every element is met in the order of the rows, whatever the threads.
template <class Body>
void scatter_rows(const PickedRows& rows, Body&& body) {
  constexpr int64_t kColumns = 32;
  const int64_t stripes = (rows.width + kColumns - 1) / kColumns;
#pragma omp parallel for schedule(static) if (rows.groups * rows.count * rows.width >= kParallelElements)
  for (int64_t task = 0; task < rows.groups * stripes; ++task) {
    const int64_t group = task / stripes, first = task % stripes * kColumns;
    const int64_t n = std::min(kColumns, rows.width - first);
    for (int64_t row = 0; row < rows.count; ++row)
      body((group * rows.count + row) * rows.width + first, rows.begin(group, row) + first, n);
  }
}

}  // namespace marvin
