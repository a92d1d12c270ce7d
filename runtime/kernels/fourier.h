// The discrete Fourier transform of any length, by splitting it into those of its prime factors.
#pragma once

#include <complex>
#include <cstdint>
#include <vector>

namespace marvin {

class Fourier {
 public:
  using Complex = std::complex<double>;
  // y[k] = sum over i of x[i] e^(-2 pi j i k / length), or with + where `inverse`. Not scaled.
  Fourier(int64_t length, bool inverse);
  int64_t length() const { return static_cast<int64_t>(roots_.size()); }
  // `x`, `y` and `scratch` hold `length` numbers each.
  void run(const Complex* x, Complex* y, Complex* scratch) const;

 private:
  void split(const Complex* x, int64_t stride, int64_t n, size_t factor, Complex* y, Complex* scratch) const;

  std::vector<Complex> roots_;    // e^(-+2 pi j i / length)
  std::vector<int64_t> factors_;  // primes, the smallest first
};

// Transforms of many sequences: x is [outer, length, inner, parts] and y [outer, out_length, inner, 2], parts 2 for
// complex numbers and 1 for real ones. Sequences are cut off or filled up with zeros to the transform's length, and of
// the result the first out_length numbers are kept, times `scale`.
struct FourierShape {
  int64_t outer = 1, length = 1, inner = 1, parts = 1, out_length = 1;
  double scale = 1;
};
int64_t fourier_scratch_bytes(const Fourier& fourier);
template <class T>
void transform(const Fourier& fourier, const FourierShape& shape, const T* x, T* y, std::byte* scratch);

}  // namespace marvin
