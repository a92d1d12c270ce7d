// The parts of batch normalization of channels-last images: BatchNormalization and its gradient are lowered to these, a
// pass over the image each, so that each runs tile by tile with what goes before and after it.
#include "runtime/kernels/normalization_last.h"
#include "runtime/ops/decimal.h"
#include "runtime/ops/op.h"

namespace marvin {
namespace {

struct Rows {
  int64_t rows = 0, channels = 0;
};

// Of an image, or of a tile beside a vector of channels.
Rows rows_of(const KernelArgs& args, size_t vector) {
  const int64_t channels = args.in_type(vector).elements();
  return {args.in_type(0).elements() / channels, channels};
}

void require_images(const InferContext& context, size_t images, size_t operands) {
  const Type& image = context.type(0);
  if (image.dtype != DType::f32 || image.layout != Layout::channels_last) {
    throw Error("takes channels_last f32 images, not ", text_of(image));
  }
  for (size_t i = 1; i < operands; ++i) {
    const Type wanted = i < images ? image : Type{DType::f32, {image.shape[1]}};
    if (context.type(i) != wanted)
      throw Error("operand ", i, " is ", text_of(context.type(i)), ", not ", text_of(wanted));
  }
}

bool is_training(const Attrs& attrs) { return attrs.integer("training_mode") != 0; }

// Images are tiled, vectors are not.
template <uint32_t kImages, bool kHasImage>
std::optional<Tiling> image_tiling(const KernelQuery& query) {
  const Type& image = *query.in[0];
  return Tiling{.elements = image.elements(),
                .in = kImages,
                .out = kHasImage ? 1u : 0u,
                .grain = kNormalizationRows * image.shape[1]};
}

Prepared prepare_sums(const KernelQuery& query) {
  const Type& image = *query.in[0];
  return {nullptr, batch_norm_scratch_bytes(image.elements() / image.shape[1], image.shape[1])};
}

// ---- BatchNormStatistics --------------------------------------------------------------------------------------------

void run_moments(const KernelArgs& args) {
  if (!is_training(args.attrs())) return;
  const Rows of = rows_of(args, 1);
  batch_norm_moments(args.input<float>(0), of.rows, of.channels, args.scratch, args.first / of.channels);
}

void finish_statistics(const KernelArgs& args) {
  const Rows of = rows_of(args, 1);
  batch_norm_statistics(of.rows, of.channels, is_training(args.attrs()),
                        {.scale = args.input<float>(1),
                         .mean = args.input<float>(2),
                         .variance = args.input<float>(3),
                         .batch_mean = args.output<float>(0),
                         .inv_std = args.output<float>(1),
                         .factor = args.output<float>(2),
                         .running_mean = args.output<float>(3),
                         .running_variance = args.output<float>(4),
                         .epsilon = as_written(args.attrs().real("epsilon")),
                         .momentum = as_written(args.attrs().real("momentum"))},
                        args.scratch);
}

// ---- Gradients ------------------------------------------------------------------------------------------------------

void run_sums(const KernelArgs& args) {
  const Rows of = rows_of(args, 2);
  batch_norm_grad_sums(args.input<float>(0), args.input<float>(1), args.input<float>(3), of.rows, of.channels,
                       args.scratch, args.first / of.channels);
}

void finish_sums(const KernelArgs& args) {
  const Rows of = rows_of(args, 2);
  batch_norm_gradients(of.rows, of.channels, !is_training(args.attrs()),
                       {.scale = args.input<float>(2),
                        .inv_std = args.input<float>(4),
                        .dscale = args.output<float>(0),
                        .dbias = args.output<float>(1),
                        .factor = args.output<float>(2),
                        .offset = args.output<float>(3),
                        .slope = args.output<float>(4)},
                       args.scratch);
}

}  // namespace

extern const OpDef kBatchNormStatistics = {
    .name = "BatchNormStatistics",
    .doc =
        "of x, scale, mean and variance, per channel: x's mean, inv_std = 1 / sqrt(x's variance + epsilon) (outside of "
        "training_mode by the operands), factor = scale * inv_std, and the running mean and variance as "
        "BatchNormalization has them",
    .min_inputs = 4,
    .max_inputs = 4,
    .max_outputs = 5,
    .defaults = {{"epsilon", 1e-5f}, {"momentum", 0.9f}, {"training_mode", int64_t{0}}},
    .infer = [](const InferContext& context) -> std::vector<Type> {
      require_images(context, 1, 4);
      return std::vector<Type>(5, context.type(1));
    },
    .kernels = {{.name = "batch_norm_statistics_f32",
                 .prepare = prepare_sums,
                 .run = run_moments,
                 .finish = finish_statistics,
                 .tiling = image_tiling<1, false>}},
    .layouts = LayoutRule::own,
    .in_place = true,
};

extern const OpDef kBatchNormApply = {
    .name = "BatchNormApply",
    .doc = "y = (x - mean) * factor + bias per channel of x, from x, mean, factor and bias",
    .min_inputs = 4,
    .max_inputs = 4,
    .infer = [](const InferContext& context) -> std::vector<Type> {
      require_images(context, 1, 4);
      return {context.type(0)};
    },
    .kernels = {{.name = "batch_norm_apply_f32",
                 .run =
                     [](const KernelArgs& args) {
                       const Rows of = rows_of(args, 1);
                       batch_norm_rows(
                           args.input<float>(0), of.rows, of.channels,
                           {.mean = args.input<float>(1), .factor = args.input<float>(2), .bias = args.input<float>(3)},
                           args.output<float>());
                     },
                 .tiling = image_tiling<1, true>}},
    .layouts = LayoutRule::own,
    .in_place = true,
};

extern const OpDef kBatchNormGradSums = {
    .name = "BatchNormGradSums",
    .doc =
        "of dy, x, scale, mean and inv_std: dscale, dbias, and what BatchNormGradApply takes: factor = scale * "
        "inv_std, "
        "offset, the mean of dy, and slope, the mean of dy * (x - mean) * inv_std^2 (zeros outside of training_mode)",
    .min_inputs = 5,
    .max_inputs = 5,
    .max_outputs = 5,
    .defaults = {{"training_mode", int64_t{0}}},
    .infer = [](const InferContext& context) -> std::vector<Type> {
      require_images(context, 2, 5);
      return std::vector<Type>(5, context.type(2));
    },
    .kernels = {{.name = "batch_norm_grad_sums_f32",
                 .prepare = prepare_sums,
                 .run = run_sums,
                 .finish = finish_sums,
                 .tiling = image_tiling<3, false>}},
    .layouts = LayoutRule::own,
};

extern const OpDef kBatchNormGradApply = {
    .name = "BatchNormGradApply",
    .doc = "dx = factor * (dy - offset - (x - mean) * slope) per channel, from dy, x, mean, factor, offset and slope",
    .min_inputs = 6,
    .max_inputs = 6,
    .infer = [](const InferContext& context) -> std::vector<Type> {
      require_images(context, 2, 6);
      return {context.type(0)};
    },
    .kernels = {{.name = "batch_norm_grad_apply_f32",
                 .run =
                     [](const KernelArgs& args) {
                       const Rows of = rows_of(args, 2);
                       batch_norm_grad_rows(args.input<float>(0), args.input<float>(1), of.rows, of.channels,
                                            {.mean = args.input<float>(2),
                                             .factor = args.input<float>(3),
                                             .offset = args.input<float>(4),
                                             .slope = args.input<float>(5)},
                                            args.output<float>());
                     },
                 .tiling = image_tiling<3, true>}},
    .layouts = LayoutRule::own,
    .in_place = true,
};

}  // namespace marvin
