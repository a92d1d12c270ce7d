#include "runtime/kernels/vector_math.h"

#include <catch2/catch.hpp>
#include <limits>

namespace marvin {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The distance from the exact value in units of its last place.
double units_off(float got, double exact) {
  const float nearest = std::abs(static_cast<float>(exact));
  if (std::isinf(nearest) || std::isinf(got)) return got == static_cast<float>(exact) ? 0 : kInfinity;
  const double unit = static_cast<double>(std::nextafter(nearest, kInfinity)) - static_cast<double>(nearest);
  return std::abs(static_cast<double>(got) - exact) / unit;
}

// The largest distance over floats spread evenly by their bits, of both signs and every magnitude.
template <class F, class Exact>
double largest_error(F f, Exact exact) {
  double largest = 0;
  for (uint64_t bits = 0; bits <= 0xffffffff; bits += 20011) {
    const float x = std::bit_cast<float>(static_cast<uint32_t>(bits));
    if (!std::isnan(x)) largest = std::max(largest, units_off(f(x), exact(static_cast<double>(x))));
  }
  return largest;
}

}  // namespace

TEST_CASE("vector_exp, vector_tanh and vector_erf are within two units in the last place") {
  CHECK(largest_error([](float x) { return vector_exp(x); }, [](double x) { return std::exp(x); }) < 1.5);
  CHECK(largest_error([](float x) { return vector_tanh(x); }, [](double x) { return std::tanh(x); }) < 2);
  CHECK(largest_error([](float x) { return vector_erf(x); }, [](double x) { return std::erf(x); }) < 1.5);
}

TEST_CASE("vector_exp, vector_tanh and vector_erf keep NaN and reach their limits") {
  CHECK(vector_exp(kInfinity) == kInfinity);
  CHECK(vector_exp(-kInfinity) == 0);
  CHECK(vector_exp(0.0f) == 1);
  CHECK(vector_tanh(kInfinity) == 1);
  CHECK(vector_tanh(-kInfinity) == -1);
  CHECK(std::signbit(vector_tanh(-0.0f)));
  CHECK(std::isnan(vector_exp(std::numeric_limits<float>::quiet_NaN())));
  CHECK(std::isnan(vector_tanh(std::numeric_limits<float>::quiet_NaN())));
  CHECK(vector_erf(kInfinity) == 1);
  CHECK(vector_erf(-4.0f) == -1);
  CHECK(std::isnan(vector_erf(std::numeric_limits<float>::quiet_NaN())));
}

}  // namespace marvin
