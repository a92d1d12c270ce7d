#include "runtime/kernels/fourier.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>

namespace marvin {
namespace {

// std::complex's product looks for infinities.
Fourier::Complex product(const Fourier::Complex& a, const Fourier::Complex& b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

}  // namespace

Fourier::Fourier(int64_t length, bool inverse) {
  for (int64_t i = 0; i < length; ++i) {
    const double angle = 2 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(length);
    roots_.emplace_back(std::cos(angle), inverse ? std::sin(angle) : -std::sin(angle));
  }
  for (int64_t rest = length, prime = 2; rest > 1;) {
    if (rest % prime == 0) {
      factors_.push_back(prime);
      rest /= prime;
    } else {
      prime = prime * prime > rest ? rest : prime + 1;
    }
  }
}

void Fourier::run(const Complex* x, Complex* y, Complex* scratch) const { split(x, 1, length(), 0, y, scratch); }

// The transform of n numbers that lie `stride` apart, from those of its p interleaved parts.
void Fourier::split(const Complex* x, int64_t stride, int64_t n, size_t factor, Complex* y, Complex* scratch) const {
  if (n == 1) {
    y[0] = x[0];
    return;
  }
  const int64_t p = factors_[factor], m = n / p;
  for (int64_t part = 0; part < p; ++part) split(x + part * stride, stride * p, m, factor + 1, y + part * m, scratch);
  for (int64_t k = 0; k < m; ++k) {
    for (int64_t part = 0; part < p; ++part) scratch[part] = y[part * m + k];
    for (int64_t q = 0; q < p; ++q) {
      Complex sum = scratch[0];
      const int64_t step = (q * m + k) * stride % length();
      for (int64_t part = 1, root = step; part < p; ++part, root = (root + step) % length()) {
        sum += product(scratch[part], roots_[static_cast<size_t>(root)]);
      }
      y[q * m + k] = sum;
    }
  }
}

int64_t fourier_scratch_bytes(const Fourier& fourier) {
  return 3 * fourier.length() * static_cast<int64_t>(sizeof(Fourier::Complex));
}

template <class T>
void transform(const Fourier& fourier, const FourierShape& shape, const T* x, T* y, std::byte* scratch) {
  const int64_t n = fourier.length(), used = std::min(shape.length, n);
  auto* from = reinterpret_cast<Fourier::Complex*>(scratch);
  Fourier::Complex *to = from + n, *rest = to + n;
  for (int64_t outer = 0; outer < shape.outer; ++outer) {
    for (int64_t inner = 0; inner < shape.inner; ++inner) {
      std::fill_n(from, n, Fourier::Complex{});
      for (int64_t i = 0; i < used; ++i) {
        const T* element = x + ((outer * shape.length + i) * shape.inner + inner) * shape.parts;
        from[i] = {element[0], shape.parts == 2 ? element[1] : T{0}};
      }
      fourier.run(from, to, rest);
      for (int64_t k = 0; k < shape.out_length; ++k) {
        T* element = y + ((outer * shape.out_length + k) * shape.inner + inner) * 2;
        element[0] = static_cast<T>(to[k].real() * shape.scale);
        element[1] = static_cast<T>(to[k].imag() * shape.scale);
      }
    }
  }
}

template void transform(const Fourier&, const FourierShape&, const float*, float*, std::byte*);
template void transform(const Fourier&, const FourierShape&, const double*, double*, std::byte*);

}  // namespace marvin
