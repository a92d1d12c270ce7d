// What the basic op families share about element types.
#pragma once

#include <type_traits>

#include "runtime/ops/op.h"

namespace marvin {

// Infers one output of operand 0's type; each throws Error for element types that it is not for.
std::vector<Type> same_type(const InferContext& context);          // any
std::vector<Type> same_numeric_type(const InferContext& context);  // all but bool
std::vector<Type> same_float_type(const InferContext& context);    // f32, f64
std::vector<Type> same_bool_type(const InferContext& context);

// Throws Error unless the operand has one of these element types.
void require_float(const InferContext& context, size_t operand);
void require_numeric(const InferContext& context, size_t operand);
void require_integer(const InferContext& context, size_t operand);
// Throws Error unless operands `first` and `second` have the same element type, as most ONNX ops want.
void require_same_dtype(const InferContext& context, size_t first, size_t second);

// The integers of a constant i64 operand. Throws Error, naming `what`, when it is not one. (InferContext::integers
// takes every integer type.)
std::vector<int64_t> int64_operand(const InferContext& context, size_t operand, std::string_view what);

// For every axis of `rank`, whether it is among `axes`. Throws Error on one that is out of range or listed twice.
std::vector<bool> listed_axes(const std::vector<int64_t>& axes, int64_t rank);

// The integers of an i32 or i64 operand as a kernel reads them: at most two per axis; none where it is left out.
class SmallIntegers {
 public:
  SmallIntegers(const KernelArgs& args, size_t operand);
  std::span<const int64_t> values() const { return {storage_.data(), count_}; }

 private:
  std::array<int64_t, 2 * kMaxRank> storage_;
  size_t count_ = 0;
};

// visit(), without instantiating `body` for bool, which inference has refused.
template <class Body>
void visit_numeric(DType dtype, Body&& body) {
  visit(dtype, [&](auto zero) {
    if constexpr (!std::is_same_v<decltype(zero), bool>) body(zero);
  });
}

// visit(), for float and double alone.
template <class Body>
void visit_float(DType dtype, Body&& body) {
  visit(dtype, [&](auto zero) {
    if constexpr (std::is_floating_point_v<decltype(zero)>) body(zero);
  });
}

// visit(), for integers alone.
template <class Body>
void visit_integer(DType dtype, Body&& body) {
  visit_numeric(dtype, [&](auto zero) {
    if constexpr (std::is_integral_v<decltype(zero)>) body(zero);
  });
}

// Calls `body(T{})` with the unsigned type as wide as `dtype`: for moving elements and for functions of bits, among
// them sums and products of integers in two's complement, which do not depend on the sign.
template <class Body>
void visit_unsigned(DType dtype, Body&& body) {
  switch (bytes_of(dtype)) {
    case 1:
      return body(uint8_t{});
    case 2:
      return body(uint16_t{});
    case 4:
      return body(uint32_t{});
    default:
      return body(uint64_t{});
  }
}

// visit_float() for floats, visit_unsigned() for integers.
template <class Body>
void visit_modular(DType dtype, Body&& body) {
  is_float(dtype) ? visit_float(dtype, body) : visit_unsigned(dtype, body);
}

// A gradient of zero: training may pass the op, but no derivative does.
inline std::vector<ValueId> no_gradient(GradContext&) { return {}; }

}  // namespace marvin
