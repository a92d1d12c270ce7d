// Elementary functions that compilers vectorise, since they neither branch nor call; and so that they have the same
// bits on every machine. Polynomials: S. Moshier's Cephes library (expf, logf, tanhf); those of erf are minimax fits of
// erf(x) / x - 1 in x^2 and of -ln(erfc(x)) / x in x. For float they are within 2 units in the last place; for double
// they are the standard library's.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>

namespace marvin {

// x = n ln 2 + r with r in [-ln 2 / 2, ln 2 / 2], and e^r - 1. x is in [-104, 89].
struct ExpParts {
  [[gnu::always_inline]] explicit ExpParts(float x) {
    constexpr float kMagic = 0x1.8p23f;  // adding it rounds to an integer, which its low bits then hold
    const float rounded = x * 1.44269504f + kMagic;
    const float multiple = rounded - kMagic;
    const float r = (x - multiple * 0.693359375f) - multiple * -2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    fraction = p * (r * r) + r;
    n = std::bit_cast<int32_t>(rounded) - std::bit_cast<int32_t>(kMagic);
  }
  float fraction;
  int32_t n;
};

// 2^e, for e in [-126, 127].
[[gnu::always_inline]] inline float vector_power_of_two(int32_t e) {
  return std::bit_cast<float>((static_cast<uint32_t>(e) + 127u) << 23);
}

// e^x; 0 and infinity beyond the range of float, NaN for NaN.
[[gnu::always_inline]] inline float vector_exp(float x) {
  const float low = x < -104 ? -104.0f : x;
  const ExpParts parts(low > 89 ? 89.0f : low);
  // 2^n in two factors: neither overflows nor is denormal.
  const int32_t half = parts.n >> 1;
  return (parts.fraction + 1) * vector_power_of_two(half) * vector_power_of_two(parts.n - half);
}

// e^x - 1, for x up to 80; what it is there beyond.
[[gnu::always_inline]] inline float vector_expm1(float x) {
  const float low = x < -30 ? -30.0f : x;  // where it rounds to -1
  const ExpParts parts(low > 80 ? 80.0f : low);
  const float power = vector_power_of_two(parts.n);
  return power * parts.fraction + (power - 1);
}

// The natural logarithm; NaN below 0.
[[gnu::always_inline]] inline float vector_log(float x) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const bool denormal = x < 0x1p-126f;
  const float normal = x * (denormal ? 0x1p23f : 1.0f);
  const uint32_t bits = std::bit_cast<uint32_t>(normal);
  const int32_t exponent = static_cast<int32_t>(bits - 0x3f3504f3) >> 23;  // leaves a factor in [sqrt(1/2), sqrt(2))
  const float f = std::bit_cast<float>(bits - (static_cast<uint32_t>(exponent) << 23)) - 1;
  const float n = static_cast<float>(exponent - (denormal ? 23 : 0)), z = f * f;
  float p = 7.0376836292e-2f;
  p = p * f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  const float low = p * f * z + n * -2.12194440e-4f - 0.5f * z;
  const float positive = f + low + n * 0.693359375f;
  const float real = x > 0 ? positive : x == 0 ? -kInfinity : std::numeric_limits<float>::quiet_NaN();
  return x == kInfinity ? x : real;
}

// ln(1 + x), for x in [0, 2^23].
[[gnu::always_inline]] inline float vector_log1p(float x) {
  const float sum = 1 + x;
  return vector_log(sum) + (x - (sum - 1)) / sum;  // and what the sum lost
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

// e^(-x^2 / 2), and the probability that a standard normal variable is below x: that is this times a polynomial in
// 1 / (1 + 0.28 |x|), fitted as Abramowitz and Stegun's 26.2.17 is; to 2e-7.
template <class T>
struct VectorNormal {
  T bell, below;
};

[[gnu::always_inline]] inline VectorNormal<float> vector_normal(float x) {
  const float magnitude = std::abs(x), bell = vector_exp(-0.5f * x * x);
  const float u = 1 / (1 + 0.28f * magnitude);
  float p = -0.10717377f;
  p = p * u + 0.3955206f;
  p = p * u - 0.24627337f;
  p = p * u + 0.27648473f;
  p = p * u + 0.06442698f;
  p = p * u + 0.11701481f;
  const float tail = p * u * bell;
  return {bell, x < 0 ? tail : 1 - tail};
}

inline VectorNormal<double> vector_normal(double x) {
  return {std::exp(-0.5 * x * x), 0.5 * std::erfc(-x * (std::numbers::sqrt2 / 2))};
}

inline double vector_exp(double x) { return std::exp(x); }
inline double vector_expm1(double x) { return std::expm1(x); }
inline double vector_log(double x) { return std::log(x); }
inline double vector_log1p(double x) { return std::log1p(x); }
inline double vector_tanh(double x) { return std::tanh(x); }
inline double vector_erf(double x) { return std::erf(x); }

}  // namespace marvin
