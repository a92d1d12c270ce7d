// Softmax and what is made of it, on row-major x[outer][axis][inner]; one distribution per (outer, inner). T is float
// or double. Sums are taken in float64, in an order that the shape alone decides.
#pragma once

#include <cstdint>

namespace marvin {

struct SoftmaxShape {
  int64_t outer = 1, axis = 1, inner = 1;

  int64_t elements() const { return outer * axis * inner; }
};

// y = exp(x) / sum exp(x). y may be x.
template <class T>
void softmax(const SoftmaxShape& shape, const T* x, T* y);
// y = x - log sum exp(x). y may be x.
template <class T>
void log_softmax(const SoftmaxShape& shape, const T* x, T* y);

// dx = y * (dy - sum dy * y), y being softmax's. dx may be dy or y.
template <class T>
void softmax_grad(const SoftmaxShape& shape, const T* dy, const T* y, T* dx);
// dx = dy - exp(y) * sum dy, y being log_softmax's. dx may be dy or y.
template <class T>
void log_softmax_grad(const SoftmaxShape& shape, const T* dy, const T* y, T* dx);

}  // namespace marvin
