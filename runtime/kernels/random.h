// Random numbers as a pure function of a key and a counter: no state, so any thread draws any element in any order, and
// a backward pass draws again what the forward pass drew. Loops over consecutive indices vectorise.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace marvin {

// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): a bijection in which every bit of x changes every bit of
// the result with probability one half.
constexpr uint64_t mix64(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// The key of one stream: different for every seed, step and salt (the node that draws).
constexpr uint64_t random_key(uint64_t seed, uint64_t step, uint64_t salt) {
  constexpr uint64_t kGolden = 0x9e3779b97f4a7c15;
  return mix64(mix64(mix64(seed + kGolden) + step + kGolden) + salt + kGolden);
}

// What the elements of a stream whose indices share their upper 32 bits have in common.
struct RandomRow {
  uint32_t before, after;  // mixed in before and after the first round
};
constexpr RandomRow random_row(uint64_t key, uint64_t index) {
  return {static_cast<uint32_t>(key),
          static_cast<uint32_t>(key >> 32) + static_cast<uint32_t>(index >> 32) * 0x9e3779b9};
}

// 32 uniform bits for an element by the lower half of its index, in 32-bit arithmetic alone: Wellons' three-round mixer
// (hash-prospector, triple32), with half of the key before the first round and half after it.
constexpr uint32_t random_bits(RandomRow row, uint32_t index) {
  uint32_t x = index ^ row.before;
  x = (x ^ (x >> 17)) * 0xed5ad4bb;
  x += row.after;
  x = (x ^ (x >> 11)) * 0xac4c1b51;
  x = (x ^ (x >> 15)) * 0x31848bab;
  return x ^ (x >> 14);
}

// 32 uniform bits for element `index` of a stream.
constexpr uint32_t random_bits(uint64_t key, uint64_t index) {
  return random_bits(random_row(key, index), static_cast<uint32_t>(index));
}

// A number in [0, 1) for element `index` of a stream.
constexpr double random_uniform(uint64_t key, uint64_t index) { return random_bits(key, index) * 0x1p-32; }

// A standard normal number for element `index` of a stream (Box and Muller, 1958).
inline double random_normal(uint64_t key, uint64_t index) {
  const double radius = std::sqrt(-2 * std::log(1 - random_uniform(key, 2 * index)));
  return radius * std::cos(2 * std::numbers::pi * random_uniform(key, 2 * index + 1));
}

}  // namespace marvin
