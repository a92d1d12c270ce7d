#include "runtime/ops/types.h"

#include <algorithm>

namespace marvin {

void require_float(const InferContext& context, size_t operand) {
  const Type& type = context.type(operand);
  if (!is_float(type.dtype)) throw Error("operand ", operand, " must be of floats, not ", text_of(type));
}

void require_numeric(const InferContext& context, size_t operand) {
  const Type& type = context.type(operand);
  if (!is_float(type.dtype) && !is_integer(type.dtype))
    throw Error("operand ", operand, " must be of numbers, not ", text_of(type));
}

void require_integer(const InferContext& context, size_t operand) {
  const Type& type = context.type(operand);
  if (!is_integer(type.dtype)) throw Error("operand ", operand, " must be of integers, not ", text_of(type));
}

void require_same_dtype(const InferContext& context, size_t first, size_t second) {
  const Type &a = context.type(first), &b = context.type(second);
  if (a.dtype == b.dtype) return;
  throw Error("operands ", first, " and ", second, " must have the same element type, not ", text_of(a), " and ",
              text_of(b));
}

std::vector<int64_t> int64_operand(const InferContext& context, size_t operand, std::string_view what) {
  if (context.type(operand).dtype != DType::i64)
    throw Error(what, " must be i64, not ", text_of(context.type(operand)));
  return context.integers(operand, what);
}

std::vector<bool> listed_axes(const std::vector<int64_t>& axes, int64_t rank) {
  std::vector<bool> result(static_cast<size_t>(rank));
  for (const int64_t axis : axes) {
    const size_t i = static_cast<size_t>(normalized_axis(axis, rank));
    if (result[i]) throw Error("axis ", axis, " is listed twice");
    result[i] = true;
  }
  return result;
}

SmallIntegers::SmallIntegers(const KernelArgs& args, size_t operand) {
  if (operand >= args.in.size() || !args.in[operand]) return;
  const Type& type = args.in_type(operand);
  count_ = static_cast<size_t>(type.elements());
  if (type.dtype == DType::i64)
    std::copy_n(args.input<int64_t>(operand), count_, storage_.begin());
  else
    std::copy_n(args.input<int32_t>(operand), count_, storage_.begin());
}

std::vector<Type> same_type(const InferContext& context) { return {context.type(0)}; }

std::vector<Type> same_numeric_type(const InferContext& context) {
  require_numeric(context, 0);
  return {context.type(0)};
}

std::vector<Type> same_float_type(const InferContext& context) {
  require_float(context, 0);
  return {context.type(0)};
}

std::vector<Type> same_bool_type(const InferContext& context) {
  const Type& type = context.type(0);
  if (type.dtype != DType::boolean) throw Error("operand 0 must be of bools, not ", text_of(type));
  return {type};
}

}  // namespace marvin
