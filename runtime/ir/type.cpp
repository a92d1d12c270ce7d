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
};
constexpr std::array<DTypeFacts, 13> kDTypes = {{{DType::f32, "f32", 4},
                                                 {DType::f64, "f64", 8},
                                                 {DType::f16, "f16", 2},
                                                 {DType::bf16, "bf16", 2},
                                                 {DType::i8, "i8", 1},
                                                 {DType::i16, "i16", 2},
                                                 {DType::i32, "i32", 4},
                                                 {DType::i64, "i64", 8},
                                                 {DType::u8, "u8", 1},
                                                 {DType::u16, "u16", 2},
                                                 {DType::u32, "u32", 4},
                                                 {DType::u64, "u64", 8},
                                                 {DType::boolean, "bool", 1}}};

const DTypeFacts& facts(DType dtype) { return kDTypes[static_cast<size_t>(dtype)]; }

}  // namespace

std::string_view name_of(DType dtype) { return facts(dtype).name; }
int64_t bytes_of(DType dtype) { return facts(dtype).bytes; }
bool is_float(DType dtype) { return dtype == DType::f32 || dtype == DType::f64; }
bool is_half(DType dtype) { return dtype == DType::f16 || dtype == DType::bf16; }
bool is_integer(DType dtype) { return !is_float(dtype) && !is_half(dtype) && dtype != DType::boolean; }

DType dtype_named(std::string_view name) {
  for (const DTypeFacts& row : kDTypes)
    if (row.name == name) return row.dtype;
  throw Error("unknown element type '", name, "'");
}

int64_t elements(const Shape& shape) {
  constexpr int64_t kLimit = int64_t{1} << 48;
  int64_t count = 1;
  for (const int64_t extent : shape) {
    if (extent < 0) throw Error("the shape [", text_of(shape), "] has a negative extent");
    if (extent > 0 && count > kLimit / extent) throw Error("the shape [", text_of(shape), "] is absurdly large");
    count *= extent;
  }
  return count;
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
