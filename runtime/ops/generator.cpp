// Tensors that follow from a few numbers: unit matrices, window functions, mel filter banks.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "runtime/kernels/convert.h"
#include "runtime/ops/types.h"

namespace marvin {
namespace {

// The one integer of a constant operand. Throws Error, naming `what`, when it is not one, or below 1.
int64_t positive_integer(const InferContext& context, size_t operand, std::string_view what) {
  const std::vector<int64_t> values = context.integers(operand, what);
  if (values.size() != 1) throw Error(what, " must be a scalar, not ", text_of(context.type(operand)));
  if (values[0] < 1) throw Error(what, " must be positive, not ", values[0]);
  return values[0];
}

// The type that `output_datatype` names. Throws Error unless it is one of numbers.
DType output_dtype(const InferContext& context) {
  const DType dtype = dtype_of_onnx(context.attrs.integer("output_datatype"));
  if (dtype == DType::boolean) throw Error("output_datatype must be of numbers, not bool");
  return dtype;
}

// ---- EyeLike --------------------------------------------------------------------------------------------------------

std::vector<Type> infer_eye(const InferContext& context) {
  const Type& like = context.type(0);
  if (like.rank() != 2) throw Error("takes a matrix, not ", text_of(like));
  const int64_t number = context.attrs.integer("dtype");
  return {Type{number == 0 ? like.dtype : dtype_of_onnx(number), like.shape}};
}

void run_eye(const KernelArgs& args) {
  const int64_t rows = args.out_type().shape[0], columns = args.out_type().shape[1], k = args.attrs().integer("k");
  visit_stored(args.out_type().dtype, [&](auto zero) {
    using T = decltype(zero);
    T* y = args.output<T>();
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t column = 0; column < columns; ++column) y[row * columns + column] = converted<T>(column - row == k);
  });
}

// ---- Windows --------------------------------------------------------------------------------------------------------

// y[i] = a - b cos(2 pi i / n) + c cos(4 pi i / n), where n is the number of elements, or one less unless periodic.
struct CosineWindow {
  double a, b, c;

  void run(const KernelArgs& args) const {
    const int64_t count = args.out_type().elements();
    const int64_t n = args.attrs().integer("periodic") != 0 ? count : count - 1;
    visit_stored(args.out_type().dtype, [&](auto zero) {
      using T = decltype(zero);
      T* y = args.output<T>();
      for (int64_t i = 0; i < count; ++i) {
        const double angle = 2 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(n);
        y[i] = converted<T>(n == 0 ? 1.0 : a - b * std::cos(angle) + c * std::cos(2 * angle));
      }
    });
  }
};

std::vector<Type> infer_window(const InferContext& context) {
  return {Type{output_dtype(context), {positive_integer(context, 0, "the window's size")}}};
}

Attrs window_attrs() { return {{"output_datatype", int64_t{1}}, {"periodic", int64_t{1}}}; }

// ---- MelWeightMatrix ------------------------------------------------------------------------------------------------

std::vector<Type> infer_mel(const InferContext& context) {
  const int64_t bands = positive_integer(context, 0, "num_mel_bins");
  const int64_t length = positive_integer(context, 1, "dft_length");
  positive_integer(context, 2, "sample_rate");
  for (const size_t i : {3, 4}) {
    require_float(context, i);
    if (context.type(i).elements() != 1)
      throw Error("operand ", i, " must be a scalar, not ", text_of(context.type(i)));
  }
  return {Type{output_dtype(context), {length / 2 + 1, bands}}};
}

double real_operand(const KernelArgs& args, size_t operand) {
  double number = 0;
  visit_numeric(args.in_type(operand).dtype,
                [&](auto zero) { number = static_cast<double>(*args.input<decltype(zero)>(operand)); });
  return number;
}

// Edges of bands that are equally wide on the mel scale, as bins of a Fourier transform.
class MelScale {
 public:
  explicit MelScale(const KernelArgs& args)
      : bins_(args.out_type().shape[0]),
        low_(mel(real_operand(args, 3))),
        step_((mel(real_operand(args, 4)) - low_) / (real_operand(args, 0) + 2)),
        bins_per_hertz_((real_operand(args, 1) + 1) / real_operand(args, 2)) {}

  int64_t edge(int64_t i) const {
    const double hertz = 700 * (std::pow(10, (low_ + static_cast<double>(i) * step_) / 2595) - 1);
    return std::clamp<int64_t>(converted<int64_t>(std::floor(bins_per_hertz_ * hertz)), 0, bins_ - 1);
  }

 private:
  static double mel(double hertz) { return 2595 * std::log10(1 + hertz / 700); }
  int64_t bins_;
  double low_, step_, bins_per_hertz_;
};

// Every column is a triangle: up from its lower edge to its centre, down to its upper edge.
double triangle(int64_t lower, int64_t centre, int64_t upper, int64_t bin) {
  if (bin >= centre && bin < upper) return static_cast<double>(upper - bin) / static_cast<double>(upper - centre);
  if (bin == centre) return 1;
  if (bin < lower || bin > centre) return 0;
  return static_cast<double>(bin - lower) / static_cast<double>(centre - lower);
}

void run_mel(const KernelArgs& args) {
  const int64_t bins = args.out_type().shape[0], bands = args.out_type().shape[1];
  const MelScale scale(args);
  visit_stored(args.out_type().dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t band = 0; band < bands; ++band) {
      const int64_t lower = scale.edge(band), centre = scale.edge(band + 1), upper = scale.edge(band + 2);
      T* column = args.output<T>() + band;
      for (int64_t bin = 0; bin < bins; ++bin) column[bin * bands] = converted<T>(triangle(lower, centre, upper, bin));
    }
  });
}

}  // namespace

extern const OpDef kEyeLike = {
    .name = "EyeLike",
    .doc = "1 where column - row = k, else 0, in the matrix operand's shape, and in its type where dtype is 0",
    .defaults = {{"dtype", int64_t{0}}, {"k", int64_t{0}}},
    .infer = infer_eye,
    .gradient = no_gradient,
    .kernels = {{.name = "eye_like", .run = run_eye}},
    .types_only = true,
};

extern const OpDef kHannWindow = {
    .name = "HannWindow",
    .doc = "Hann's window of the size given: 1/2 - 1/2 cos(2 pi i / n), n the size, or one less unless periodic",
    .defaults = window_attrs(),
    .infer = infer_window,
    .kernels = {{.name = "hann_window",
                 .run =
                     [](const KernelArgs& args) {
                       CosineWindow{0.5, 0.5, 0}.run(args);
                     }}},
};

extern const OpDef kHammingWindow = {
    .name = "HammingWindow",
    .doc = "Hamming's window of the size given: a - (1 - a) cos(2 pi i / n), a = 25/46, n as for HannWindow",
    .defaults = window_attrs(),
    .infer = infer_window,
    .kernels = {{.name = "hamming_window",
                 .run =
                     [](const KernelArgs& args) {
                       CosineWindow{25.0 / 46, 21.0 / 46, 0}.run(args);
                     }}},
};

extern const OpDef kBlackmanWindow = {
    .name = "BlackmanWindow",
    .doc =
        "Blackman's window of the size given: 0.42 - 0.5 cos(2 pi i / n) + 0.08 cos(4 pi i / n), n as for HannWindow",
    .defaults = window_attrs(),
    .infer = infer_window,
    .kernels = {{.name = "blackman_window",
                 .run =
                     [](const KernelArgs& args) {
                       CosineWindow{0.42, 0.5, 0.08}.run(args);
                     }}},
};

extern const OpDef kMelWeightMatrix = {
    .name = "MelWeightMatrix",
    .doc =
        "The matrix [dft_length/2+1,num_mel_bins] that takes spectra to mel bands: triangles over bands equally wide "
        "on the mel scale. Operands num_mel_bins, dft_length, sample_rate, lower and upper edge in hertz",
    .min_inputs = 5,
    .max_inputs = 5,
    .defaults = {{"output_datatype", int64_t{1}}},
    .infer = infer_mel,
    .kernels = {{.name = "mel_weight_matrix", .run = run_mel}},
};

}  // namespace marvin
