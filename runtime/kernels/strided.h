// Loops over arrays whose elements lie apart by strides: broadcasting, transposition, slices.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <utility>

namespace marvin {

// Walks N arrays at once along common axes, each array with its own stride per axis (in elements; 0 repeats, negative
// walks backwards). Lives on the stack: making one does not allocate. Axes that lie seamlessly in every array are
// merged, so that equal shapes become one run and [n,c,h,w] beside [1,c,1,1] rows of h*w.
template <size_t N>
class StridedLoop {
 public:
  static constexpr int kMaxAxes = 32;  // twice kMaxRank, for ops that split every axis
  using Offsets = std::array<int64_t, N>;

  // Adds an axis inside those added before. At most kMaxAxes.
  void add_axis(int64_t extent, const Offsets& strides) {
    if (extent == 1) return;
    count_ *= extent;
    if (rank_ > 0 && continues(extent, strides)) {
      extents_[rank_ - 1] *= extent;
      strides_[rank_ - 1] = strides;
      return;
    }
    extents_[rank_] = extent;
    strides_[rank_] = strides;
    ++rank_;
  }

  int64_t count() const { return count_; }
  // The number of axes left after merging.
  int rank() const { return rank_; }
  int64_t extent(int axis) const { return extents_[axis]; }
  int64_t stride(int axis, size_t array) const { return strides_[axis][array]; }
  // The extent and stride of the innermost axis; 1 and 0 where there is none.
  int64_t run_length() const { return rank_ ? extents_[rank_ - 1] : 1; }
  int64_t step(size_t array) const { return rank_ ? strides_[rank_ - 1][array] : 0; }

  // Calls body(position, offsets, n) for every run of n elements along the innermost axis that positions [begin, end)
  // of the row-major order consist of: element i of the run is array k's offsets[k] + i * step(k).
  template <class Body>
  void walk(int64_t begin, int64_t end, Body&& body) const {
    if (begin >= end) return;
    std::array<int64_t, kMaxAxes> index;
    Offsets offsets = {};
    int64_t rest = begin;
    for (int axis = rank_ - 1; axis >= 0; --axis) {
      index[axis] = rest % extents_[axis];
      rest /= extents_[axis];
      move(offsets, axis, index[axis]);
    }
    const int inner = rank_ - 1;
    while (begin < end) {
      const int64_t n = rank_ ? std::min(extents_[inner] - index[inner], end - begin) : 1;
      body(begin, std::as_const(offsets), n);
      begin += n;
      if (begin >= end) return;
      move(offsets, inner, n);
      index[inner] += n;
      for (int axis = inner; axis > 0 && index[axis] == extents_[axis]; --axis) {
        move(offsets, axis, -extents_[axis]);
        move(offsets, axis - 1, 1);
        index[axis] = 0;
        ++index[axis - 1];
      }
    }
  }

 private:
  bool continues(int64_t extent, const Offsets& strides) const {
    for (size_t k = 0; k < N; ++k)
      if (strides_[rank_ - 1][k] != strides[k] * extent) return false;
    return true;
  }
  void move(Offsets& offsets, int axis, int64_t by) const {
    for (size_t k = 0; k < N; ++k) offsets[k] += by * strides_[axis][k];
  }

  int rank_ = 0;
  int64_t count_ = 1;
  std::array<int64_t, kMaxAxes> extents_;
  std::array<Offsets, kMaxAxes> strides_;
};

// The stride of every axis of a row-major array, in elements.
inline std::array<int64_t, StridedLoop<1>::kMaxAxes> row_major_strides(std::span<const int64_t> shape) {
  std::array<int64_t, StridedLoop<1>::kMaxAxes> strides;
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

// The loop over `out` in row-major order beside row-major operands that broadcast to it. Innermost steps are 0 or 1.
template <size_t N>
StridedLoop<N> broadcast_loop(std::span<const int64_t> out, const std::array<std::span<const int64_t>, N>& operands) {
  std::array<std::array<int64_t, StridedLoop<1>::kMaxAxes>, N> strides;
  for (size_t k = 0; k < N; ++k) strides[k] = row_major_strides(operands[k]);
  StridedLoop<N> loop;
  for (size_t axis = 0; axis < out.size(); ++axis) {
    typename StridedLoop<N>::Offsets step = {};
    for (size_t k = 0; k < N; ++k) {
      const size_t missing = out.size() - operands[k].size();
      if (axis >= missing && operands[k][axis - missing] != 1) step[k] = strides[k][axis - missing];
    }
    loop.add_axis(out[axis], step);
  }
  return loop;
}

}  // namespace marvin
