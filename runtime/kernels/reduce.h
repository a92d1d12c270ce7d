// Reductions of arrays along some of their axes.
#pragma once

#include <algorithm>
#include <bitset>
#include <cstdint>
#include <span>

#include "runtime/kernels/parallel.h"
#include "runtime/kernels/strided.h"

namespace marvin {

constexpr int64_t kReduceLanes = 16;  // accumulators side by side, for vector instructions

// Reduces consecutive elements into lanes, element i into lane i % kReduceLanes.
template <class R, class T, class Acc>
static MARVIN_CLONES void reduce_run(const T* x, int64_t n, Acc* lanes) {
  Acc local[kReduceLanes];
  for (int64_t k = 0; k < kReduceLanes; ++k) local[k] = lanes[k];
  int64_t i = 0;
  for (; i + kReduceLanes <= n; i += kReduceLanes)
    for (int64_t k = 0; k < kReduceLanes; ++k) local[k] = R::add(local[k], x[i + k]);
  for (int64_t k = 0; i + k < n; ++k) local[k] = R::add(local[k], x[i + k]);
  for (int64_t k = 0; k < kReduceLanes; ++k) lanes[k] = local[k];
}

// Reduces rows of n elements, `stride` apart, into n accumulators.
template <class R, class T, class Acc>
static MARVIN_CLONES void reduce_rows(const T* x, int64_t rows, int64_t stride, int64_t n, Acc* accumulators) {
  for (int64_t row = 0; row < rows; ++row, x += stride)
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) accumulators[i] = R::add(accumulators[i], x[i]);
}

constexpr int64_t kReduceChunk = 512;            // outputs of a task, at most
constexpr int64_t kReduceRowsPerBlock = 1024;    // reduced positions of a task when outputs lie side by side
constexpr int64_t kReduceRunPerBlock = 1 << 14;  // the same when reduced elements do

// Reduces some axes of a row-major array.
//
// R says how: R::Acc is what is accumulated, R::start() the one of no elements, R::add(acc, x) that with one more
// element, R::merge(a, b) that of both, R::finish(acc, count) the result of `count` elements.
//
// The outputs are cut into chunks and the positions that each is reduced over into blocks, by the shapes alone: blocks
// are reduced in parallel and merged in order, so the result does not depend on the number of threads.
template <class R, class T>
class Reduction {
 public:
  using Acc = typename R::Acc;

  // Bit i of `axes`: whether axis i is reduced.
  template <size_t N>
  Reduction(std::span<const int64_t> shape, const std::bitset<N>& axes) {
    const auto strides = row_major_strides(shape);
    for (size_t i = 0; i < shape.size(); ++i) (axes.test(i) ? reduced_ : kept_).add_axis(shape[i], {strides[i]});
    rows_ = reduced_.step(0) != 1;
    const int64_t length = reduced_.count();
    block_ = rows_ ? kReduceRowsPerBlock : kReduceRunPerBlock;
    blocks_ = std::max<int64_t>(1, (length + block_ - 1) / block_);
    chunk_ =
        rows_ ? kReduceChunk : std::clamp<int64_t>(kReduceRunPerBlock / std::max<int64_t>(1, length), 1, kReduceChunk);
  }

  // The scratch that `run` needs for `outputs` reductions of `length` elements, whichever their axes are.
  static int64_t scratch_bytes(int64_t outputs, int64_t length) {
    const int64_t blocks = (length + kReduceRowsPerBlock - 1) / kReduceRowsPerBlock;
    return blocks > 1 ? outputs * blocks * static_cast<int64_t>(sizeof(Acc)) : 0;
  }

  void run(const T* x, T* y, Acc* scratch) const {
    const int64_t outputs = kept_.count(), length = reduced_.count();
    const int64_t tasks = (outputs + chunk_ - 1) / chunk_ * blocks_;
#pragma omp parallel for schedule(static) if (outputs * length >= kParallelElements && tasks > 1)
    for (int64_t task = 0; task < tasks; ++task) {
      const int64_t first = task / blocks_ * chunk_, last = std::min(first + chunk_, outputs);
      const int64_t block = task % blocks_, begin = block * block_, end = std::min(begin + block_, length);
      Acc accumulators[kReduceChunk];
      fill(x, first, last, begin, end, accumulators);
      for (int64_t i = first; i < last; ++i) {
        if (blocks_ == 1)
          y[i] = R::finish(accumulators[i - first], length);
        else
          scratch[block * outputs + i] = accumulators[i - first];
      }
    }
    if (blocks_ > 1) merge(scratch, y);
  }

 private:
  // Reduces outputs [first, last) over the reduced positions [begin, end).
  void fill(const T* x, int64_t first, int64_t last, int64_t begin, int64_t end, Acc* accumulators) const {
    kept_.walk(first, last, [&](int64_t output, const auto& at, int64_t n) {
      Acc* to = accumulators + (output - first);
      if (rows_) {
        std::fill_n(to, n, R::start());
        reduced_.walk(begin, end, [&](int64_t, const auto& row, int64_t rows) {
          reduce_rows<R>(x + at[0] + row[0], rows, reduced_.step(0), n, to);
        });
      } else {
        for (int64_t i = 0; i < n; ++i) to[i] = reduce_one(x + at[0] + i * kept_.step(0), begin, end);
      }
    });
  }

  Acc reduce_one(const T* x, int64_t begin, int64_t end) const {
    if (reduced_.rank() == 1 && end - begin <= kReduceLanes) {
      Acc result = R::start();
      for (int64_t k = begin; k < end; ++k) result = R::add(result, x[k]);
      return result;
    }
    Acc lanes[kReduceLanes];
    std::fill_n(lanes, kReduceLanes, R::start());
    reduced_.walk(begin, end, [&](int64_t, const auto& at, int64_t n) {
      if (n >= kReduceLanes) return reduce_run<R>(x + at[0], n, lanes);
      for (int64_t k = 0; k < n; ++k) lanes[k] = R::add(lanes[k], x[at[0] + k]);
    });
    Acc result = lanes[0];
    for (int64_t k = 1; k < kReduceLanes; ++k) result = R::merge(result, lanes[k]);
    return result;
  }

  void merge(const Acc* scratch, T* y) const {
    const int64_t outputs = kept_.count(), length = reduced_.count();
    parallel_blocks(outputs, 1 << 10, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        Acc result = scratch[i];
        for (int64_t block = 1; block < blocks_; ++block) result = R::merge(result, scratch[block * outputs + i]);
        y[i] = R::finish(result, length);
      }
    });
  }

  StridedLoop<1> kept_, reduced_;
  bool rows_ = false;  // outputs lie side by side in x, so whole rows are added; else reduced elements do
  int64_t block_ = 0, blocks_ = 0, chunk_ = 0;
};

}  // namespace marvin
