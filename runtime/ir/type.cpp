#include "runtime/ir/type.h"

#include <algorithm>
#include <array>

#include "runtime/ir/error.h"

namespace marvin {
namespace {

struct DTypeFacts {
  DType dtype;
  std::string_view name;
  int64_t bytes;
  int64_t onnx;
};
// By DType.
constexpr auto kDTypes = std::to_array<DTypeFacts>({{DType::f32, "f32", 4, 1},
                                                    {DType::f64, "f64", 8, 11},
                                                    {DType::i8, "i8", 1, 3},
                                                    {DType::i16, "i16", 2, 5},
                                                    {DType::i32, "i32", 4, 6},
                                                    {DType::i64, "i64", 8, 7},
                                                    {DType::u8, "u8", 1, 2},
                                                    {DType::u16, "u16", 2, 4},
                                                    {DType::u32, "u32", 4, 12},
                                                    {DType::u64, "u64", 8, 13},
                                                    {DType::boolean, "bool", 1, 9},
                                                    {DType::f16, "f16", 2, 10},
                                                    {DType::bf16, "bf16", 2, 16},
                                                    {DType::f8e4m3fn, "f8e4m3fn", 1, 17},
                                                    {DType::f8e4m3fnuz, "f8e4m3fnuz", 1, 18},
                                                    {DType::f8e5m2, "f8e5m2", 1, 19},
                                                    {DType::f8e5m2fnuz, "f8e5m2fnuz", 1, 20},
                                                    {DType::f8e8m0, "f8e8m0", 1, 24},
                                                    {DType::f4e2m1, "f4e2m1", 1, 23},
                                                    {DType::i4, "i4", 1, 22},
                                                    {DType::u4, "u4", 1, 21}});

// The types of onnx.TensorProto.DataType that marvin has not.
constexpr auto kForeignTypes = std::to_array<std::pair<int64_t, std::string_view>>(
    {{8, "STRING"}, {14, "COMPLEX64"}, {15, "COMPLEX128"}, {25, "UINT2"}, {26, "INT2"}});

const DTypeFacts& facts(DType dtype) { return kDTypes[static_cast<size_t>(dtype)]; }

}  // namespace

std::string_view name_of(DType dtype) { return facts(dtype).name; }
int64_t bytes_of(DType dtype) { return facts(dtype).bytes; }
bool is_float(DType dtype) { return dtype == DType::f32 || dtype == DType::f64; }
bool is_half(DType dtype) { return dtype == DType::f16 || dtype == DType::bf16; }
bool is_real(DType dtype) {
  return is_float(dtype) || (dtype >= DType::f16 && dtype != DType::i4 && dtype != DType::u4);
}
bool is_four_bits(DType dtype) { return dtype == DType::f4e2m1 || dtype == DType::i4 || dtype == DType::u4; }
bool is_integer(DType dtype) { return dtype >= DType::i8 && dtype <= DType::u64; }

int64_t onnx_number_of(DType dtype) { return facts(dtype).onnx; }

DType dtype_of_onnx(int64_t number) {
  for (const DTypeFacts& row : kDTypes)
    if (row.onnx == number) return row.dtype;
  for (const auto& [foreign, name] : kForeignTypes)
    if (foreign == number) throw Error("the element type ", name, " is not supported; floats, integers and BOOL are");
  throw Error("the element type number ", number, " is not known; ONNX's numbers begin at 1");
}

void refuse_to_compute(DType dtype) { throw Error("nothing computes in ", name_of(dtype)); }

DType dtype_named(std::string_view name) {
  for (const DTypeFacts& row : kDTypes)
    if (row.name == name) return row.dtype;
  throw Error("unknown element type '", name, "'");
}

int64_t elements(const Shape& shape) {
  constexpr int64_t kLimit = int64_t{1} << 48;
  // Of all extents but zeros, so that no product of some of them overflows either.
  int64_t count = 1;
  bool is_empty = false;
  for (const int64_t extent : shape) {
    if (extent < 0) throw Error("the shape [", text_of(shape), "] has a negative extent");
    is_empty |= extent == 0;
    if (extent == 0) continue;
    if (count > kLimit / extent) throw Error("the shape [", text_of(shape), "] is absurdly large");
    count *= extent;
  }
  // Loops over the other extents of nothing end soon.
  constexpr int64_t kEmptyLimit = int64_t{1} << 28;
  if (is_empty && count > kEmptyLimit) throw Error("the shape [", text_of(shape), "] is absurdly large");
  return is_empty ? 0 : count;
}

std::string text_of(const Shape& shape) {
  std::string text;
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? "," : "") + std::to_string(shape[i]);
  return text;
}

Shape broadcast(const Shape& a, const Shape& b) {
  Shape result(std::max(a.size(), b.size()), 1);
  for (size_t i = 0; i < result.size(); ++i) {
    const int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    const int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1) {
      throw Error("the shapes [", text_of(a), "] and [", text_of(b), "] do not broadcast");
    }
    result[result.size() - 1 - i] = x == 1 ? y : x;
  }
  return result;
}

int64_t normalized_axis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank) throw Error("axis ", axis, " is out of range for ", rank, " dimensions");
  return axis < 0 ? axis + rank : axis;
}

std::string text_of(const Type& type) {
  std::string text = cat(name_of(type.dtype), "[", text_of(type.shape), "]");
  if (type.layout == Layout::channels_last) text += ":channels_last";
  return text;
}

}  // namespace marvin
