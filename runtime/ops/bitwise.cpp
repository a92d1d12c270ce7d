// Ops on the bits of integers. All broadcast.
#include <functional>

#include "runtime/ops/elementwise.h"

namespace marvin {
namespace {

std::vector<Type> infer_bitwise(const InferContext& context) {
  require_integer(context, 0);
  require_same_dtype(context, 0, 1);
  return {Type{context.type(0).dtype, broadcast(context.shape(0), context.shape(1))}};
}

template <class F>
void run_bitwise(const KernelArgs& args) {
  visit_unsigned(args.out_type().dtype, [&](auto zero) {
    using T = decltype(zero);
    map_broadcast([](T a, T b) { return static_cast<T>(F{}(a, b)); }, args.input<T>(0), args.input<T>(1),
                  args.output<T>(), broadcast_loop(args));
  });
}

template <class F>
OpDef bitwise(std::string_view name, std::string_view doc, std::string_view kernel) {
  return {
      .name = name,
      .doc = doc,
      .min_inputs = 2,
      .max_inputs = 2,
      .infer = infer_bitwise,
      .gradient = no_gradient,
      .kernels = {{.name = kernel, .run = run_bitwise<F>}},
      .in_place = true,
  };
}

// Bits that are shifted out are lost, all of them by the word's width or more.
template <class T>
T shifted(T x, T by, bool left) {
  if (by >= 8 * sizeof(T)) return 0;
  return static_cast<T>(left ? x << by : x >> by);
}

bool shifts_left(const Attrs& attrs) { return attrs.string("direction") == "LEFT"; }

std::vector<Type> infer_shift(const InferContext& context) {
  const std::string& direction = context.attrs.string("direction");
  if (direction != "LEFT" && direction != "RIGHT") throw Error("direction is LEFT or RIGHT, not '", direction, "'");
  const std::vector<Type> types = infer_bitwise(context);
  const bool is_signed = visit(types[0].dtype, [](auto zero) { return std::is_signed_v<decltype(zero)>; });
  if (is_signed) throw Error("takes unsigned integers, not ", text_of(context.type(0)));
  return types;
}

void run_shift(const KernelArgs& args) {
  const bool left = shifts_left(args.attrs());
  visit_unsigned(args.out_type().dtype, [&](auto zero) {
    using T = decltype(zero);
    map_broadcast([left](T x, T by) { return shifted(x, by, left); }, args.input<T>(0), args.input<T>(1),
                  args.output<T>(), broadcast_loop(args));
  });
}

}  // namespace

extern const OpDef kBitwiseAnd = bitwise<std::bit_and<>>("BitwiseAnd", "y = the bits that a and b have", "bitwise_and");
extern const OpDef kBitwiseOr = bitwise<std::bit_or<>>("BitwiseOr", "y = the bits that a or b has", "bitwise_or");
extern const OpDef kBitwiseXor =
    bitwise<std::bit_xor<>>("BitwiseXor", "y = the bits that one of a and b has, but not both", "bitwise_xor");

extern const OpDef kBitwiseNot = {
    .name = "BitwiseNot",
    .doc = "y = the bits that x has not",
    .infer = [](const InferContext& context) -> std::vector<Type> {
      require_integer(context, 0);
      return {context.type(0)};
    },
    .gradient = no_gradient,
    .kernels = {{.name = "bitwise_not",
                 .run =
                     [](const KernelArgs& args) {
                       visit_unsigned(args.out_type().dtype, [&](auto zero) {
                         using T = decltype(zero);
                         map([](T x) { return static_cast<T>(~x); }, args.input<T>(0), args.output<T>(),
                             args.out_type().elements());
                       });
                     }}},
    .in_place = true,
};

extern const OpDef kBitShift = {
    .name = "BitShift",
    .doc = "y = the bits of x moved by as many places as the second operand says, LEFT or RIGHT; unsigned integers",
    .min_inputs = 2,
    .max_inputs = 2,
    .defaults = {{"direction", std::string()}},
    .infer = infer_shift,
    .gradient = no_gradient,
    .kernels = {{.name = "bit_shift", .run = run_shift}},
    .in_place = true,
};

}  // namespace marvin
