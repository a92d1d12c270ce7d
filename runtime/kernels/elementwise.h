// Loops that apply a function element by element, with broadcasting.
//
// The results may be written over an operand, element upon element: the loops never read an element after writing it.
// That is what their ivdep says; without it they would be vectorised for distinct arrays only.
#pragma once

#include "runtime/kernels/parallel.h"
#include "runtime/kernels/strided.h"

namespace marvin {

constexpr int64_t kElementwiseBlock = 1 << 13;

// Function templates that are cloned have internal linkage: their dispatchers must not be merged across files.
template <class F, class T, class R>
static MARVIN_CLONES void map_run(F f, const T* x, R* y, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) y[i] = f(x[i]);
}

// An operand that does not step is one number.
template <class F, class T, class R>
static MARVIN_CLONES void map_run(F f, const T* a, bool a_steps, const T* b, bool b_steps, R* y, int64_t n) {
  if (a_steps && b_steps) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) y[i] = f(a[i], b[i]);
  } else if (a_steps) {
    const T right = *b;
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) y[i] = f(a[i], right);
  } else {
    const T left = *a;
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) y[i] = f(left, b[i]);
  }
}

// y = condition ? a : b, for bools that are read as bytes, and whatever the condition is both operands are read: so the
// loops vectorise.
template <class T>
static MARVIN_CLONES void select_run(const uint8_t* condition, const T* a, bool a_steps, const T* b, bool b_steps, T* y,
                                     int64_t n) {
  const T left = *a, right = *b;
  const auto select = [](uint8_t first, T x, T z) { return first != 0 ? x : z; };
  if (a_steps && b_steps) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) y[i] = select(condition[i], a[i], b[i]);
  } else if (a_steps) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) y[i] = select(condition[i], a[i], right);
  } else if (b_steps) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) y[i] = select(condition[i], left, b[i]);
  } else {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) y[i] = select(condition[i], left, right);
  }
}

// y[i] = f(x[i])
template <class F, class T, class R>
void map(F f, const T* x, R* y, int64_t count) {
  parallel_blocks(count, kElementwiseBlock,
                  [&](int64_t begin, int64_t end) { map_run(f, x + begin, y + begin, end - begin); });
}

// y[i] = f(a[i], b[i])
template <class F, class T, class R>
void map(F f, const T* a, const T* b, R* y, int64_t count) {
  parallel_blocks(count, kElementwiseBlock, [&](int64_t begin, int64_t end) {
    map_run(f, a + begin, true, b + begin, true, y + begin, end - begin);
  });
}

// The same along the loop that broadcast_loop made of y's shape and the operands'.
template <class F, class T, class R>
void map_broadcast(F f, const T* a, const T* b, R* y, const StridedLoop<2>& loop) {
  const bool a_steps = loop.step(0) != 0, b_steps = loop.step(1) != 0;
  parallel_blocks(loop.count(), kElementwiseBlock, [&](int64_t begin, int64_t end) {
    loop.walk(begin, end, [&](int64_t i, const auto& at, int64_t n) {
      map_run(f, a + at[0], a_steps, b + at[1], b_steps, y + i, n);
    });
  });
}

// y = condition ? a : b along the loop of the three.
template <class T>
void select_broadcast(const uint8_t* condition, const T* a, const T* b, T* y, const StridedLoop<3>& loop) {
  const bool a_steps = loop.step(1) != 0, b_steps = loop.step(2) != 0;
  parallel_blocks(loop.count(), kElementwiseBlock, [&](int64_t begin, int64_t end) {
    loop.walk(begin, end, [&](int64_t i, const auto& at, int64_t n) {
      if (loop.step(0) != 0) {
        select_run(condition + at[0], a + at[1], a_steps, b + at[2], b_steps, y + i, n);
      } else {
        // One condition for the whole run, so one operand is copied.
        const bool left = condition[at[0]] != 0;
        const T* from = left ? a + at[1] : b + at[2];
        const int64_t step = (left ? a_steps : b_steps) ? 1 : 0;
        for (int64_t k = 0; k < n; ++k) y[i + k] = from[k * step];
      }
    });
  });
}

}  // namespace marvin
