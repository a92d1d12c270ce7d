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

TEST_CASE("vector functions are within two units in the last place") {
  CHECK(largest_error([](float x) { return vector_exp(x); }, [](double x) { return std::exp(x); }) < 1.5);
  CHECK(largest_error([](float x) { return vector_tanh(x); }, [](double x) { return std::tanh(x); }) < 2);
  CHECK(largest_error([](float x) { return vector_erf(x); }, [](double x) { return std::erf(x); }) < 1.5);
  CHECK(largest_error([](float x) { return vector_log(std::abs(x)); }, [](double x) { return std::log(std::abs(x)); }) <
        1.5);
  CHECK(largest_error([](float x) { return vector_expm1(x > 80 ? 80 : x); },
                      [](double x) { return std::expm1(x > 80 ? 80 : x); }) < 2);
  const auto bounded = [](auto x) { return std::abs(x) < 1e6 ? std::abs(x) : 1; };
  CHECK(largest_error([&](float x) { return vector_log1p(bounded(x)); },
                      [&](double x) { return std::log1p(bounded(x)); }) < 2);
}

TEST_CASE("the normal distribution is exact to 2e-7") {
  double below = 0, bell = 0;
  for (double x = -20; x < 20; x += 1e-4) {
    const VectorNormal<float> normal = vector_normal(static_cast<float>(x));
    const VectorNormal<double> exact = vector_normal(static_cast<double>(static_cast<float>(x)));
    below = std::max(below, std::abs(static_cast<double>(normal.below) - exact.below));
    bell = std::max(bell, std::abs(static_cast<double>(normal.bell) - exact.bell));
  }
  CHECK(below < 2e-7);
  CHECK(bell < 2e-7);
  CHECK(vector_normal(kInfinity).below == 1);
  CHECK(vector_normal(-kInfinity).below == 0);
  CHECK(std::isnan(vector_normal(std::numeric_limits<float>::quiet_NaN()).below));
}

TEST_CASE("vector functions keep NaN and reach their limits") {
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  CHECK(vector_exp(kInfinity) == kInfinity);
  CHECK(vector_exp(-kInfinity) == 0);
  CHECK(vector_exp(0.0f) == 1);
  CHECK(std::isnan(vector_exp(kNaN)));
  CHECK(vector_expm1(-kInfinity) == -1);
  CHECK(std::isnan(vector_expm1(kNaN)));
  CHECK(vector_log(0.0f) == -kInfinity);
  CHECK(vector_log(1.0f) == 0);
  CHECK(vector_log(kInfinity) == kInfinity);
  CHECK(std::isnan(vector_log(-1.0f)));
  CHECK(std::isnan(vector_log(-kInfinity)));
  CHECK(std::isnan(vector_log(kNaN)));
  CHECK(vector_tanh(kInfinity) == 1);
  CHECK(vector_tanh(-kInfinity) == -1);
  CHECK(std::signbit(vector_tanh(-0.0f)));
  CHECK(std::isnan(vector_tanh(kNaN)));
  CHECK(vector_erf(kInfinity) == 1);
  CHECK(vector_erf(-4.0f) == -1);
  CHECK(std::isnan(vector_erf(kNaN)));
}

}  // namespace marvin
