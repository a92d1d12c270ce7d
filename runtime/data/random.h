// Random numbers as pure functions of what they are for: no generator state, the same on every machine.
#pragma once

#include <cstdint>

namespace marvin {

// One step of SplitMix64 (Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, 2014).
constexpr uint64_t split_mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// 64 random bits for a seed and counters.
template <class... Counters>
constexpr uint64_t random_bits(uint64_t seed, Counters... counters) {
  uint64_t bits = split_mix(seed);
  ((bits = split_mix(bits ^ static_cast<uint64_t>(counters))), ...);
  return bits;
}

// Maps random bits to [0, bound), uniform but for 2^-64 bound.
constexpr int64_t below(int64_t bound, uint64_t bits) {
  return static_cast<int64_t>(static_cast<unsigned __int128>(bits) * static_cast<uint64_t>(bound) >> 64);
}

}  // namespace marvin
