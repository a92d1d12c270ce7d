// Numbers of 8 and 4 bits as they are stored, one to a byte. They are computed with as float, which holds them all.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace marvin {

// What a small float has beside numbers: ieee infinities, NaNs and a negative zero; one_nan (FN) a NaN of all ones for
// each sign; no_negative_zero (FNUZ) one NaN in the place of the negative zero; numbers_only nothing.
enum class Specials : uint8_t { ieee, one_nan, no_negative_zero, numbers_only };

// A float of a sign, an exponent and a mantissa: the FLOAT8s and FLOAT4 of ONNX.
template <int kExponentBits, int kMantissaBits, int kBias, Specials kSpecials>
struct SmallFloat {
  uint8_t bits = 0;

  SmallFloat() = default;
  // Rounds to nearest, halves to even. What is too large becomes the greatest number; an infinity so, too, but NaN
  // where there is no negative zero; NaN becomes 0 where there is none.
  explicit SmallFloat(float number) : SmallFloat(number, true) {}
  // Where it does not saturate, what is too large becomes an infinity, or NaN where there is none.
  SmallFloat(float number, bool saturate) : bits(encode(number, saturate)) {}

  explicit operator float() const { return decode(bits); }
  static float greatest() { return decode(kGreatest); }

 private:
  static constexpr uint8_t kSign = 1 << (kExponentBits + kMantissaBits);
  static constexpr uint8_t kInfinity = static_cast<uint8_t>(((1 << kExponentBits) - 1) << kMantissaBits);  // if ieee
  static constexpr uint8_t kGreatest = kSpecials == Specials::ieee      ? kInfinity - 1
                                       : kSpecials == Specials::one_nan ? kSign - 2
                                                                        : kSign - 1;
  static constexpr uint8_t kNan = kSpecials == Specials::ieee               ? kSign - 1
                                  : kSpecials == Specials::one_nan          ? kSign - 1
                                  : kSpecials == Specials::no_negative_zero ? kSign
                                                                            : 0;

  static bool is_nan(uint8_t code) {
    if (kSpecials == Specials::ieee) return (code & (kSign - 1)) > kInfinity;
    if (kSpecials == Specials::one_nan) return (code & (kSign - 1)) == kNan;
    return kSpecials == Specials::no_negative_zero && code == kNan;
  }

  static float decode(uint8_t code) {
    if (is_nan(code)) return std::numeric_limits<float>::quiet_NaN();
    const float sign = (code & kSign) != 0 ? -1.0f : 1.0f;
    const int magnitude = code & (kSign - 1), exponent = magnitude >> kMantissaBits;
    if (kSpecials == Specials::ieee && magnitude == kInfinity) return sign * std::numeric_limits<float>::infinity();
    const int mantissa = magnitude & ((1 << kMantissaBits) - 1);
    const int whole = exponent > 0 ? mantissa | (1 << kMantissaBits) : mantissa;
    return sign * std::ldexp(static_cast<float>(whole), std::max(exponent, 1) - kBias - kMantissaBits);
  }

  static uint8_t encode(float number, bool saturate) {
    if (number != number) return kNan;
    const uint8_t sign = std::signbit(number) ? kSign : 0;
    const float magnitude = std::abs(number);
    if (std::isinf(magnitude) && kSpecials == Specials::no_negative_zero) return kNan;
    const uint8_t code = nearest(magnitude);
    if (code > kGreatest) {
      if (saturate || kSpecials == Specials::numbers_only) return static_cast<uint8_t>(sign | kGreatest);
      return kSpecials == Specials::ieee               ? static_cast<uint8_t>(sign | kInfinity)
             : kSpecials == Specials::no_negative_zero ? kNan
                                                       : static_cast<uint8_t>(sign | kNan);
    }
    return kSpecials == Specials::no_negative_zero && code == 0 ? 0 : static_cast<uint8_t>(sign | code);
  }

  // The code of the nearest number as if the exponents went on; kGreatest + 1 for all that lie beyond it.
  static uint8_t nearest(float magnitude) {
    if (magnitude == 0) return 0;
    if (magnitude >= 2 * greatest()) return kGreatest + 1;
    const int exponent = std::max(std::ilogb(magnitude) + kBias, 1);
    const auto whole = static_cast<int>(std::rint(std::ldexp(magnitude, kBias + kMantissaBits - exponent)));
    return static_cast<uint8_t>(((exponent - 1) << kMantissaBits) + whole);
  }
};

using Float8E4M3FN = SmallFloat<4, 3, 7, Specials::one_nan>;
using Float8E4M3FNUZ = SmallFloat<4, 3, 8, Specials::no_negative_zero>;
using Float8E5M2 = SmallFloat<5, 2, 15, Specials::ieee>;
using Float8E5M2FNUZ = SmallFloat<5, 2, 16, Specials::no_negative_zero>;
using Float4E2M1 = SmallFloat<2, 1, 1, Specials::numbers_only>;

// A power of two, 2^(bits - 127), of which scales are made; 255 is NaN.
struct Float8E8M0 {
  uint8_t bits = 0;
  Float8E8M0() = default;
  // Rounds up, to the nearest power at or above the magnitude, and saturates.
  explicit Float8E8M0(float number) {
    int exponent = 0;
    const float fraction = std::frexp(std::abs(number), &exponent);
    if (number != number)
      bits = 255;
    else if (std::isinf(number))
      bits = 254;
    else if (number != 0)
      bits = static_cast<uint8_t>(std::clamp(exponent - (fraction == 0.5f ? 1 : 0) + 127, 0, 254));
  }
  explicit operator float() const {
    return bits == 255 ? std::numeric_limits<float>::quiet_NaN() : std::ldexp(1.0f, int{bits} - 127);
  }
};

// Two's complement or unsigned words of 4 bits, each in a byte of its own: `bits` is the number.
template <class Byte, int kLow, int kHigh>
struct FourBits {
  Byte bits = 0;
  static constexpr float kLowest = kLow, kGreatest = kHigh;

  FourBits() = default;
  // Cuts off towards zero and saturates; NaN becomes 0.
  explicit FourBits(float number)
      : bits(static_cast<Byte>(number > kHigh     ? kHigh
                               : number < kLow    ? kLow
                               : number == number ? number
                                                  : 0)) {}
  explicit operator float() const { return bits; }
  // The number in the low four bits.
  static FourBits of_low_bits(uint64_t word) {
    FourBits result;
    result.bits =
        static_cast<Byte>(kLow < 0 ? static_cast<int8_t>(((word & 15) ^ 8) - 8) : static_cast<int8_t>(word & 15));
    return result;
  }
};
using Int4 = FourBits<int8_t, -8, 7>;
using UInt4 = FourBits<uint8_t, 0, 15>;

}  // namespace marvin
