#include "runtime/precision/fixed_point.h"

#include <cmath>

namespace marvin {

float power_of_two(int exponent) { return std::ldexp(1.0f, exponent); }

}  // namespace marvin
