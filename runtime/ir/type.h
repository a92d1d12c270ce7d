// What a value is made of: element type, shape and memory layout.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/ir/half.h"

namespace marvin {

// Nothing computes in f16 and bf16: values of these are stored, and cast to and from others.
enum class DType : uint8_t { f32, f64, f16, bf16, i8, i16, i32, i64, u8, u16, u32, u64, boolean };

// "f32", "i64", "bool" ...: the text form.
std::string_view name_of(DType dtype);
// The inverse of name_of. Throws Error on an unknown name.
DType dtype_named(std::string_view name);
int64_t bytes_of(DType dtype);
bool is_float(DType dtype);    // f32 and f64: what derivatives are computed in
bool is_half(DType dtype);     // f16 and bf16
bool is_integer(DType dtype);  // boolean is not

template <class T>
struct DTypeOf;
template <> struct DTypeOf<float> { static constexpr DType value = DType::f32; };
template <> struct DTypeOf<double> { static constexpr DType value = DType::f64; };
template <> struct DTypeOf<Float16> { static constexpr DType value = DType::f16; };
template <> struct DTypeOf<BFloat16> { static constexpr DType value = DType::bf16; };
template <> struct DTypeOf<int8_t> { static constexpr DType value = DType::i8; };
template <> struct DTypeOf<int16_t> { static constexpr DType value = DType::i16; };
template <> struct DTypeOf<int32_t> { static constexpr DType value = DType::i32; };
template <> struct DTypeOf<int64_t> { static constexpr DType value = DType::i64; };
template <> struct DTypeOf<uint8_t> { static constexpr DType value = DType::u8; };
template <> struct DTypeOf<uint16_t> { static constexpr DType value = DType::u16; };
template <> struct DTypeOf<uint32_t> { static constexpr DType value = DType::u32; };
template <> struct DTypeOf<uint64_t> { static constexpr DType value = DType::u64; };
template <> struct DTypeOf<bool> { static constexpr DType value = DType::boolean; };

// Calls `body(T{})` with the C++ type that computes `dtype`. Throws std::logic_error on f16 and bf16.
template <class Body>
decltype(auto) visit(DType dtype, Body&& body) {
  switch (dtype) {
    case DType::f16:
    case DType::bf16: throw std::logic_error("nothing computes in 16-bit floats");
    case DType::f32: return body(float{});
    case DType::f64: return body(double{});
    case DType::i8: return body(int8_t{});
    case DType::i16: return body(int16_t{});
    case DType::i32: return body(int32_t{});
    case DType::i64: return body(int64_t{});
    case DType::u8: return body(uint8_t{});
    case DType::u16: return body(uint16_t{});
    case DType::u32: return body(uint32_t{});
    case DType::u64: return body(uint64_t{});
    default: return body(bool{});
  }
}

// The same with the C++ type that stores `dtype`: Float16 and BFloat16 too.
template <class Body>
decltype(auto) visit_stored(DType dtype, Body&& body) {
  if (dtype == DType::f16) return body(Float16{});
  if (dtype == DType::bf16) return body(BFloat16{});
  return visit(dtype, std::forward<Body>(body));
}

// Extents, outermost first. A scalar has none. Every extent is known and not negative.
using Shape = std::vector<int64_t>;
// The most axes that the operands and outputs of an op have.
constexpr int64_t kMaxRank = 16;

// Number of elements. Throws Error when it does not fit 2^48, which no machine holds.
int64_t elements(const Shape& shape);
// "128,1,28,28".
std::string text_of(const Shape& shape);
// The multidirectional broadcast of ONNX (numpy). Throws Error when the shapes do not broadcast.
Shape broadcast(const Shape& a, const Shape& b);
// Brings a negative axis into [0, rank). Throws Error when it is out of range.
int64_t normalized_axis(int64_t axis, int64_t rank);

// The order of a value's elements in memory: as the shape says, or with the axis 1 (channels) innermost, which
// quantized images use: n c h w is stored n h w c.
enum class Layout : uint8_t { row_major, channels_last };

struct Type {
  DType dtype = DType::f32;
  Shape shape;
  Layout layout = Layout::row_major;

  bool operator==(const Type&) const = default;
  int64_t rank() const { return static_cast<int64_t>(shape.size()); }
  int64_t elements() const { return marvin::elements(shape); }
  int64_t bytes() const { return elements() * bytes_of(dtype); }
};

// "f32[128,1,28,28]", "i8[128,16,14,14]:channels_last".
std::string text_of(const Type& type);

}  // namespace marvin
