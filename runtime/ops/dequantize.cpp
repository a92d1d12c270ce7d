// The way back from fixed point, for values that float32 nodes read rounded.
#include "runtime/kernels/parallel.h"
#include "runtime/ops/op.h"

namespace marvin {
namespace {

template <class Word>
MARVIN_CLONES void dequantize(const Word* words, float unscale, int64_t count, float* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = static_cast<float>(words[i]) * unscale;
}

void run_dequantize(const KernelArgs& args) {
  const float unscale = power_of_two(-args.in_formats[0].fl);
  const int64_t count = args.in_type(0).elements();
  float* y = args.output<float>();
  switch (args.in_type(0).dtype) {
    case DType::i8:
      return dequantize(args.input<int8_t>(0), unscale, count, y);
    case DType::i16:
      return dequantize(args.input<int16_t>(0), unscale, count, y);
    default:
      return dequantize(args.input<int32_t>(0), unscale, count, y);
  }
}

}  // namespace

extern const OpDef kDequantize = {
    .name = "Dequantize",
    .doc =
        "the numbers q * 2^-fl that row-major words (i8, i16 or i32) stand for, in the format of the slot that they "
        "are in",
    .infer = [](const InferContext& context) -> std::vector<Type> {
      const Type& words = context.type(0);
      const bool fits = words.dtype == DType::i8 || words.dtype == DType::i16 || words.dtype == DType::i32;
      if (!fits || words.layout != Layout::row_major)
        throw Error("takes row-major i8, i16 or i32, not ", text_of(words));
      return {Type{DType::f32, words.shape}};
    },
    .kernels = {{.name = "dequantize", .run = run_dequantize}},
};

}  // namespace marvin
