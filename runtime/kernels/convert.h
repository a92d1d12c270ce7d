// Conversion between element types without C++'s undefined behaviour.
#pragma once

#include <limits>
#include <type_traits>

namespace marvin {

// Floats are cut off towards zero; those beyond an integer's range become the nearest integer of the range, NaN
// becomes 0. Integers keep their low bits. Types that are classes are stored floats: they convert from and to float.
template <class To, class From>
To converted(From x) {
  if constexpr (std::is_class_v<From>) {
    return converted<To>(static_cast<float>(x));
  } else if constexpr (std::is_class_v<To>) {
    if constexpr (std::is_floating_point_v<From>)
      return To(x);
    else
      return To(static_cast<float>(x));
  } else if constexpr (std::is_same_v<To, bool>) {
    return x != From{};
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    // Both limits are exact in double, or the upper one rounds up to the first number beyond.
    constexpr double kLow = static_cast<double>(std::numeric_limits<To>::lowest());
    constexpr double kHigh = static_cast<double>(std::numeric_limits<To>::max());
    const double wide = static_cast<double>(x);
    if (wide <= kLow) return std::numeric_limits<To>::lowest();
    if (wide >= kHigh) return std::numeric_limits<To>::max();
    return wide != wide ? To{0} : static_cast<To>(wide);
  } else {
    return static_cast<To>(x);
  }
}

}  // namespace marvin
