// Elementary functions that compilers vectorise, since they neither branch nor call; and so that they have the same
// bits on every machine. Polynomials: S. Moshier's Cephes library (expf, tanhf); those of erf are minimax fits of
// erf(x) / x - 1 in x^2 and of -ln(erfc(x)) / x in x. For float they are within 2 units in the last place; for double
// they are the standard library's.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace marvin {

// e^x; 0 and infinity beyond the range of float, NaN for NaN.
[[gnu::always_inline]] inline float vector_exp(float x) {
  constexpr float kMagic = 0x1.8p23f;  // adding it rounds to an integer, which its low bits then hold
  const float low = x < -104 ? -104.0f : x;
  const float bounded = low > 89 ? 89.0f : low;
  const float rounded = bounded * 1.44269504f + kMagic;
  const float n = rounded - kMagic;
  const float r = (bounded - n * 0.693359375f) - n * -2.12194440e-4f;  // x - n ln 2, in [-ln 2 / 2, ln 2 / 2]
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1;
  // 2^n in two factors: neither overflows nor is denormal.
  const int32_t exponent = std::bit_cast<int32_t>(rounded) - std::bit_cast<int32_t>(kMagic);
  const int32_t half = exponent >> 1;
  const auto power = [](int32_t e) { return std::bit_cast<float>((static_cast<uint32_t>(e) + 127u) << 23); };
  return p * power(half) * power(exponent - half);
}

[[gnu::always_inline]] inline float vector_tanh(float x) {
  const float magnitude = std::abs(x), z = x * x;
  float p = -5.70498872745e-3f;
  p = p * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  const float near_zero = p * z * x + x;
  const float far = 1 - 2 / (vector_exp(magnitude + magnitude) + 1);
  return std::copysign(magnitude < 0.625f ? near_zero : far, x);
}

[[gnu::always_inline]] inline float vector_erf(float x) {
  const float magnitude = std::abs(x), z = x * x;
  float p = -5.96531e-4f;
  p = p * z + 4.9882173e-3f;
  p = p * z - 2.6763275e-2f;
  p = p * z + 1.1281726e-1f;
  p = p * z - 3.7612486e-1f;
  p = p * z + 1.2837915e-1f;
  const float near_zero = p * x + x;
  const float t = magnitude > 4 ? 4.0f : magnitude;  // where erf rounds to 1
  float q = 4.8074066e-6f;
  q = q * t - 4.3982203e-5f;
  q = q * t - 5.7765003e-5f;
  q = q * t + 2.9528497e-3f;
  q = q * t - 2.271104e-2f;
  q = q * t + 1.05297886e-1f;
  q = q * t + 6.3560706e-1f;
  q = q * t + 1.1285557f;
  const float far = 1 - vector_exp(-t * q);
  return std::copysign(magnitude < 0.9275f ? near_zero : far, x);
}

inline double vector_exp(double x) { return std::exp(x); }
inline double vector_tanh(double x) { return std::tanh(x); }
inline double vector_erf(double x) { return std::erf(x); }

}  // namespace marvin
