#include "runtime/ops/order_keys.h"

#include <limits>

#include "runtime/ops/types.h"

namespace marvin {
namespace {

enum class Coding { natural, two_complement, floating };

Coding coding_of(DType dtype) {
  if (is_float(dtype) || is_half(dtype)) return Coding::floating;
  const bool is_signed = dtype == DType::i8 || dtype == DType::i16 || dtype == DType::i32 || dtype == DType::i64;
  return is_signed ? Coding::two_complement : Coding::natural;
}

// The bits of infinity, above which NaNs are.
uint64_t infinity_of(DType dtype) {
  switch (dtype) {
    case DType::f16:
      return 0x7c00;
    case DType::bf16:
      return 0x7f80;
    case DType::f32:
      return 0x7f800000;
    default:
      return 0x7ff0000000000000;
  }
}

template <class Bits>
uint64_t key_of(Bits bits, Coding coding, Bits infinity) {
  constexpr Bits kSign = static_cast<Bits>(Bits{1} << (8 * sizeof(Bits) - 1));
  if (coding == Coding::natural) return bits;
  if (coding == Coding::two_complement) return static_cast<Bits>(bits ^ kSign);
  const Bits magnitude = static_cast<Bits>(bits & ~kSign);
  if (magnitude > infinity) return std::numeric_limits<uint64_t>::max();
  if (magnitude == 0) return kSign;
  return static_cast<Bits>((bits & kSign) != 0 ? ~bits : bits | kSign);
}

}  // namespace

void order_keys(DType dtype, const void* x, int64_t step, uint64_t* keys, int64_t key_step, int64_t n) {
  const Coding coding = coding_of(dtype);
  visit_unsigned(dtype, [&](auto zero) {
    using Bits = decltype(zero);
    const Bits infinity = static_cast<Bits>(infinity_of(dtype));
    const Bits* elements = static_cast<const Bits*>(x);
    for (int64_t i = 0; i < n; ++i) keys[i * key_step] = key_of(elements[i * step], coding, infinity);
  });
}

}  // namespace marvin
