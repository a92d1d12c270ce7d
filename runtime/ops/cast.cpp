// Conversion between element types.
#include <bit>

#include "runtime/kernels/convert.h"
#include "runtime/kernels/parallel.h"
#include "runtime/ops/types.h"

namespace marvin {
namespace {

// ONNX's cases cut the lower half of a float32 off for bfloat16, where others round.
template <class To, class From>
To cast(From x, bool saturate) {
  if constexpr (std::is_same_v<To, BFloat16>) {
    BFloat16 upper;
    upper.bits = static_cast<uint16_t>(std::bit_cast<uint32_t>(converted<float>(x)) >> 16);
    return upper;
  } else if constexpr (requires { To::of_low_bits(0); } && std::is_integral_v<From>) {
    return To::of_low_bits(static_cast<uint64_t>(x));
  } else if constexpr (std::is_constructible_v<To, float, bool>) {
    return To(converted<float>(x), saturate);
  } else {
    return converted<To>(x);
  }
}

// The output may be written over the operand, element upon element.
void run_cast(const KernelArgs& args) {
  constexpr int64_t kBlock = 1 << 13;
  const bool saturate = args.query.attrs.integer("saturate") != 0;
  visit_stored(args.in_type(0).dtype, [&](auto from) {
    visit_stored(args.out_type().dtype, [&](auto to) {
      const decltype(from)* x = args.input<decltype(from)>(0);
      decltype(to)* y = args.output<decltype(to)>();
      parallel_blocks(args.out_type().elements(), kBlock, [&](int64_t begin, int64_t end) {
#pragma GCC ivdep
        for (int64_t i = begin; i < end; ++i) y[i] = cast<decltype(to)>(x[i], saturate);
      });
    });
  });
}

}  // namespace

extern const OpDef kCast = {
    .name = "Cast",
    .doc =
        "x as elements of the type `to` (a number of onnx.TensorProto.DataType). Floats are cut off towards zero, and "
        "saturate at the integers' range; NaN becomes 0. Integers keep their low bits. bf16 is the upper half of an "
        "f32. Floats of "
        "8 and 4 bits round to nearest even, and saturate where `saturate` says so. The gradient of a float that is "
        "stored only is f32",
    .defaults = {{"saturate", int64_t{1}}},
    .required = {"to"},
    .infer = [](const InferContext& context) -> std::vector<Type> {
      return {Type{dtype_of_onnx(context.attrs.integer("to")), context.shape(0)}};
    },
    .gradient = [](GradContext& c) -> std::vector<ValueId> {
      const DType dtype = c.type(c.in(0)).dtype;
      return {c.cast(c.grad(), is_float(dtype) ? dtype : DType::f32)};
    },
    .kernels = {{.name = "cast", .run = run_cast}},
    .in_place = true,
};

extern const OpDef kCastLike = {
    .name = "CastLike",
    .doc = "x as elements of the second operand's type: Cast to that",
    .min_inputs = 2,
    .max_inputs = 2,
    .defaults = {{"saturate", int64_t{1}}},
    .expand = [](ExpandContext& c) -> std::vector<ValueId> {
      return {c.build("Cast", {c.in(0)},
                      {{"to", onnx_number_of(c.type(c.in(1)).dtype)}, {"saturate", c.attrs().integer("saturate")}})};
    },
};

}  // namespace marvin
