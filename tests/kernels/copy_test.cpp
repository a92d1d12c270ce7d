#include "runtime/kernels/copy.h"

#include <catch2/catch.hpp>
#include <vector>

namespace marvin {
namespace {

// Whether to[n][j][i] = from[n][i][j] for matrices of rows by columns.
template <class T>
bool transposes(int64_t count, int64_t rows, int64_t columns) {
  std::vector<T> from(static_cast<size_t>(count * rows * columns)), to(from.size());
  for (size_t i = 0; i < from.size(); ++i) from[i] = static_cast<T>(i * 7 + 1);
  StridedLoop<2> loop;
  loop.add_axis(count, {rows * columns, rows * columns});
  loop.add_axis(columns, {1, rows});
  loop.add_axis(rows, {columns, 1});
  copy_strided(from.data(), to.data(), loop);
  bool same = true;
  for (int64_t n = 0; n < count; ++n)
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j)
        same &= to[static_cast<size_t>((n * columns + j) * rows + i)] ==
                from[static_cast<size_t>((n * rows + i) * columns + j)];
  return same;
}

}  // namespace

TEST_CASE("matrices of any extents are transposed") {
  for (const int64_t rows : {1, 3, 4, 31, 32, 37, 70}) {
    for (const int64_t columns : {1, 2, 4, 5, 32, 33, 67}) {
      CAPTURE(rows, columns);
      CHECK(transposes<uint8_t>(2, rows, columns));
      CHECK(transposes<uint32_t>(2, rows, columns));
      CHECK(transposes<uint64_t>(1, rows, columns));
    }
  }
}

}  // namespace marvin
