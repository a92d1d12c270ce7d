#include "runtime/kernels/random.h"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <set>
#include <vector>

namespace marvin {
namespace {

constexpr int64_t kDraws = 1 << 18;

// The share of equal bits of two streams, in standard deviations from one half.
template <class First, class Second>
double sigmas_from_independent(First first, Second second) {
  int64_t equal = 0;
  for (int64_t i = 0; i < kDraws; ++i) equal += std::popcount(~(first(i) ^ second(i)));
  const double bits = 32.0 * kDraws;
  return std::abs(static_cast<double>(equal) - bits / 2) / std::sqrt(bits / 4);
}

// The correlation of two streams of units in [0, 1), in standard deviations from none.
template <class First, class Second>
double sigmas_from_uncorrelated(First first, Second second) {
  double sum = 0;
  for (int64_t i = 0; i < kDraws; ++i) sum += (first(i) * 0x1p-32 - 0.5) * (second(i) * 0x1p-32 - 0.5);
  return std::abs(sum) / (std::sqrt(static_cast<double>(kDraws)) / 12);
}

}  // namespace

TEST_CASE("random bits have the mean and the bit balance of uniform ones") {
  for (uint64_t salt = 0; salt < 4; ++salt) {
    const uint64_t key = random_key(1, 0, salt);
    double sum = 0;
    std::vector<int64_t> ones(32);
    for (int64_t i = 0; i < kDraws; ++i) {
      const uint32_t bits = random_bits(key, static_cast<uint64_t>(i));
      sum += bits * 0x1p-32;
      for (size_t bit = 0; bit < 32; ++bit) ones[bit] += bits >> bit & 1;
    }
    const double draws = kDraws;
    CHECK(std::abs(sum / draws - 0.5) < 5 / std::sqrt(12 * draws));
    for (const int64_t count : ones) CHECK(std::abs(static_cast<double>(count) - draws / 2) < 5 * std::sqrt(draws / 4));
  }
}

TEST_CASE("random bits fill the high and the low byte evenly") {
  const uint64_t key = random_key(3, 1, 4);
  std::vector<double> high(256), low(256);
  for (int64_t i = 0; i < kDraws; ++i) {
    const uint32_t bits = random_bits(key, static_cast<uint64_t>(i));
    ++high[bits >> 24];
    ++low[bits & 255];
  }
  for (const std::vector<double>& counts : {high, low}) {
    double chi2 = 0;
    for (const double count : counts) chi2 += (count - kDraws / 256.0) * (count - kDraws / 256.0) / (kDraws / 256.0);
    CHECK(chi2 > 255 - 5 * std::sqrt(2 * 255.0));
    CHECK(chi2 < 255 + 5 * std::sqrt(2 * 255.0));
  }
}

TEST_CASE("neighbours, steps, salts, seeds and high indices draw independently") {
  const auto stream = [](uint64_t seed, uint64_t step, uint64_t salt, uint64_t offset) {
    const uint64_t key = random_key(seed, step, salt);
    return [=](int64_t i) { return random_bits(key, static_cast<uint64_t>(i) + offset); };
  };
  const auto base = stream(1, 5, 9, 0);
  const auto check = [&](auto other) {
    CHECK(sigmas_from_independent(base, other) < 5);
    CHECK(sigmas_from_uncorrelated(base, other) < 5);
  };
  for (const uint64_t offset : {uint64_t{1}, uint64_t{2}, uint64_t{32}, uint64_t{1} << 32})
    check(stream(1, 5, 9, offset));
  for (uint64_t k = 1; k < 4; ++k) {
    check(stream(1, 5 + k, 9, 0));
    check(stream(1, 5, 9 + k, 0));
    check(stream(1 + k, 5, 9, 0));
  }
}

TEST_CASE("seed, step and salt cannot stand for each other in a key") {
  std::set<uint64_t> keys;
  for (uint64_t seed = 0; seed < 16; ++seed)
    for (uint64_t step = 0; step < 16; ++step)
      for (uint64_t salt = 0; salt < 16; ++salt) keys.insert(random_key(seed, step, salt));
  CHECK(keys.size() == 16 * 16 * 16);
}

}  // namespace marvin
