// What a value is made of: element type, shape and memory layout.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/ir/half.h"
#include "runtime/ir/narrow.h"

namespace marvin {

// Nothing computes in the 16-bit floats of the second line and the narrow types of the third: values of these are
// stored, moved, and cast to and from others. An element of a 4-bit type has a byte of its own.
// clang-format off
enum class DType : uint8_t {
  f32, f64, i8, i16, i32, i64, u8, u16, u32, u64, boolean,
  f16, bf16,
  f8e4m3fn, f8e4m3fnuz, f8e5m2, f8e5m2fnuz, f8e8m0, f4e2m1, i4, u4
};
// clang-format on

// "f32", "i64", "bool" ...: the text form.
std::string_view name_of(DType dtype);
// The inverse of name_of. Throws Error on an unknown name.
DType dtype_named(std::string_view name);
// The number of the type in onnx.TensorProto.DataType: 1 is f32, 7 is i64 ...
int64_t onnx_number_of(DType dtype);
// The inverse. Throws Error on others, strings and complex numbers among them.
DType dtype_of_onnx(int64_t number);
int64_t bytes_of(DType dtype);
bool is_float(DType dtype);  // f32 and f64: what derivatives are computed in
bool is_half(DType dtype);   // f16 and bf16
bool is_real(DType dtype);   // floats of any width
constexpr bool is_narrow(DType dtype) { return dtype >= DType::f8e4m3fn; }  // the floats of 8 and 4 bits, i4 and u4
bool is_four_bits(DType dtype);                                             // f4e2m1, i4 and u4: two to a byte in files
bool is_integer(DType dtype);                                               // of 8 bits or more; boolean is not

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct DTypeOf<Float16> {
  static constexpr DType value = DType::f16;
};
template <>
struct DTypeOf<BFloat16> {
  static constexpr DType value = DType::bf16;
};
template <>
struct DTypeOf<int8_t> {
  static constexpr DType value = DType::i8;
};
template <>
struct DTypeOf<int16_t> {
  static constexpr DType value = DType::i16;
};
template <>
struct DTypeOf<int32_t> {
  static constexpr DType value = DType::i32;
};
template <>
struct DTypeOf<int64_t> {
  static constexpr DType value = DType::i64;
};
template <>
struct DTypeOf<uint8_t> {
  static constexpr DType value = DType::u8;
};
template <>
struct DTypeOf<uint16_t> {
  static constexpr DType value = DType::u16;
};
template <>
struct DTypeOf<uint32_t> {
  static constexpr DType value = DType::u32;
};
template <>
struct DTypeOf<uint64_t> {
  static constexpr DType value = DType::u64;
};
template <>
struct DTypeOf<bool> {
  static constexpr DType value = DType::boolean;
};
template <>
struct DTypeOf<Float8E4M3FN> {
  static constexpr DType value = DType::f8e4m3fn;
};
template <>
struct DTypeOf<Float8E4M3FNUZ> {
  static constexpr DType value = DType::f8e4m3fnuz;
};
template <>
struct DTypeOf<Float8E5M2> {
  static constexpr DType value = DType::f8e5m2;
};
template <>
struct DTypeOf<Float8E5M2FNUZ> {
  static constexpr DType value = DType::f8e5m2fnuz;
};
template <>
struct DTypeOf<Float8E8M0> {
  static constexpr DType value = DType::f8e8m0;
};
template <>
struct DTypeOf<Float4E2M1> {
  static constexpr DType value = DType::f4e2m1;
};
template <>
struct DTypeOf<Int4> {
  static constexpr DType value = DType::i4;
};
template <>
struct DTypeOf<UInt4> {
  static constexpr DType value = DType::u4;
};

[[noreturn]] void refuse_to_compute(DType dtype);

// Calls `body(T{})` with the C++ type that computes `dtype`. Throws Error on types that nothing computes in.
template <class Body>
decltype(auto) visit(DType dtype, Body&& body) {
  switch (dtype) {
    case DType::f32:
      return body(float{});
    case DType::f64:
      return body(double{});
    case DType::i8:
      return body(int8_t{});
    case DType::i16:
      return body(int16_t{});
    case DType::i32:
      return body(int32_t{});
    case DType::i64:
      return body(int64_t{});
    case DType::u8:
      return body(uint8_t{});
    case DType::u16:
      return body(uint16_t{});
    case DType::u32:
      return body(uint32_t{});
    case DType::u64:
      return body(uint64_t{});
    case DType::boolean:
      return body(bool{});
    default:
      refuse_to_compute(dtype);
  }
}

// Calls `body(T{})` with the C++ type that stores the narrow type `dtype`.
template <class Body>
decltype(auto) visit_narrow(DType dtype, Body&& body) {
  switch (dtype) {
    case DType::f8e4m3fn:
      return body(Float8E4M3FN{});
    case DType::f8e4m3fnuz:
      return body(Float8E4M3FNUZ{});
    case DType::f8e5m2:
      return body(Float8E5M2{});
    case DType::f8e5m2fnuz:
      return body(Float8E5M2FNUZ{});
    case DType::f8e8m0:
      return body(Float8E8M0{});
    case DType::f4e2m1:
      return body(Float4E2M1{});
    case DType::i4:
      return body(Int4{});
    default:
      return body(UInt4{});
  }
}

// The same with the C++ type that stores any `dtype`.
template <class Body>
decltype(auto) visit_stored(DType dtype, Body&& body) {
  if (dtype == DType::f16) return body(Float16{});
  if (dtype == DType::bf16) return body(BFloat16{});
  if (is_narrow(dtype)) return visit_narrow(dtype, std::forward<Body>(body));
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
