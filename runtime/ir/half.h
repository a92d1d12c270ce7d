// 16-bit floats as they are stored. They are computed with as float.
#pragma once

#include <bit>
#include <cstdint>

namespace marvin {

// IEEE 754 binary16.
struct Float16 {
  uint16_t bits = 0;
  Float16() = default;
  // Rounds to nearest, halves to even; too large numbers become infinite.
  explicit Float16(float number) : bits(std::bit_cast<uint16_t>(static_cast<_Float16>(number))) {}
  explicit Float16(double number) : bits(std::bit_cast<uint16_t>(static_cast<_Float16>(number))) {}
  explicit operator float() const { return static_cast<float>(std::bit_cast<_Float16>(bits)); }
};

// The upper half of a binary32.
struct BFloat16 {
  uint16_t bits = 0;
  BFloat16() = default;
  // Rounds to nearest, halves to even.
  explicit BFloat16(float number) {
    const auto wide = std::bit_cast<uint32_t>(number);
    bits = number != number ? uint16_t{0x7fc0} : static_cast<uint16_t>((wide + 0x7fff + ((wide >> 16) & 1)) >> 16);
  }
  explicit operator float() const { return std::bit_cast<float>(uint32_t{bits} << 16); }
};

}  // namespace marvin
