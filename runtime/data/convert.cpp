#include "runtime/data/convert.h"

#include <cstring>
#include <limits>
#include <utility>

#include "runtime/data/npy.h"
#include "runtime/ir/error.h"

namespace marvin {
namespace {

bool is_short_float(DType dtype) { return dtype == DType::f32 || is_half(dtype); }

template <class Body>
void visit_short_float(DType dtype, Body&& body) {
  if (dtype == DType::f32) return body(float{});
  if (dtype == DType::f16) return body(Float16{});
  body(BFloat16{});
}

void convert_floats(DType from, const std::byte* source, DType to, std::byte* target, int64_t count) {
  visit_short_float(from, [&](auto zero) {
    const auto* in = reinterpret_cast<const decltype(zero)*>(source);
    visit_short_float(to, [&](auto other) {
      using To = decltype(other);
      for (int64_t i = 0; i < count; ++i) reinterpret_cast<To*>(target)[i] = static_cast<To>(static_cast<float>(in[i]));
    });
  });
}

struct Range {
  int64_t low, high;
};

// Of the integers that a type of so many bits holds, as far as int64 does.
Range range_of(DType dtype) {
  if (dtype == DType::i4) return {-8, 7};
  if (is_four_bits(dtype)) return {0, 15};
  Range range{0, 0};
  visit(dtype, [&](auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_integral_v<T>) {
      range.low = static_cast<int64_t>(std::numeric_limits<T>::min());
      range.high = std::in_range<int64_t>(+std::numeric_limits<T>::max())
                       ? static_cast<int64_t>(std::numeric_limits<T>::max())
                       : std::numeric_limits<int64_t>::max();
    }
  });
  return range;
}

// Integers, and what is a byte each.
int64_t convert_integers(DType from, const std::byte* source, DType to, std::byte* target, int64_t count) {
  const Range range = range_of(to);
  const DType stored = is_narrow(to) ? numpy_dtype(to) : to;
  const DType read = to == DType::i4 && from == DType::u8 ? DType::i8 : from;  // its byte
  int64_t first = count;
  visit(read, [&](auto zero) {
    using From = decltype(zero);
    const From* in = reinterpret_cast<const From*>(source);
    visit(stored, [&](auto other) {
      using To = decltype(other);
      if constexpr (std::is_integral_v<From> && std::is_integral_v<To>) {
        for (int64_t i = count; i-- > 0;) {
          const int64_t value = static_cast<int64_t>(in[i]);
          const bool fits = std::in_range<int64_t>(+in[i]) && value >= range.low && value <= range.high;
          reinterpret_cast<To*>(target)[i] = static_cast<To>(in[i]);
          if (!fits) first = i;
        }
      }
    });
  });
  return first;
}

}  // namespace

bool can_feed(DType from, DType to) {
  return from == to || (is_short_float(from) && is_short_float(to)) || from == numpy_dtype(to) ||
         (to == DType::i4 && from == DType::u8);
}

int64_t convert_elements(DType from, const std::byte* source, DType to, std::byte* target, int64_t count) {
  const bool is_bits = from == numpy_dtype(to) && !is_four_bits(to);
  if (from == to || is_bits) {
    if (count > 0) std::memcpy(target, source, static_cast<size_t>(count * bytes_of(to)));
    return count;
  }
  if (!is_short_float(from)) return convert_integers(from, source, to, target, count);
  convert_floats(from, source, to, target, count);
  return count;
}

std::string integer_text(DType dtype, const std::byte* elements, int64_t element) {
  std::string text;
  visit(dtype, [&](auto zero) { text = cat(+reinterpret_cast<const decltype(zero)*>(elements)[element]); });
  return text;
}

void feed_array(const NamedArray& array, const Type& input, std::byte* target) {
  const Type& given = array.values.type();
  if (given.shape != input.shape || given.layout != input.layout || !can_feed(given.dtype, input.dtype)) {
    throw Error("the array '", array.name, "' is ", text_of(given), ", but the model's input is ", text_of(input));
  }
  const int64_t bad = convert_elements(given.dtype, array.values.data(), input.dtype, target, given.elements());
  if (bad == given.elements()) return;
  throw Error("the array '", array.name, "' holds ", integer_text(given.dtype, array.values.data(), bad),
              " at element ", bad, ", which does not fit in ", name_of(input.dtype));
}

}  // namespace marvin
