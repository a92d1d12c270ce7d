// Col2Im and its gradient.
#include "runtime/kernels/col2im.h"

#include <algorithm>

#include "runtime/kernels/copy.h"
#include "runtime/ops/types.h"

namespace marvin {
namespace {

// ONNX's attributes, any of which may be empty for its default.
Windows windows_of(const Attrs& attrs, std::span<const int64_t> image, std::span<const int64_t> block) {
  const auto at = [](const std::vector<int64_t>& list, size_t i, int64_t otherwise) {
    return list.empty() ? otherwise : list[i];
  };
  const std::vector<int64_t>&pads = attrs.integers("pads"), &strides = attrs.integers("strides");
  Windows windows;
  for (size_t i = 0; i < image.size(); ++i) {
    WindowAxis axis{.image = image[i],
                    .block = block[i],
                    .stride = at(strides, i, 1),
                    .dilation = at(attrs.integers("dilations"), i, 1),
                    .pad = at(pads, i, 0)};
    const int64_t padded = image[i] + axis.pad + at(pads, image.size() + i, 0);
    const int64_t reach = axis.dilation * (axis.block - 1) + 1;
    axis.windows = padded < reach ? 0 : (padded - reach) / axis.stride + 1;
    windows.axes[windows.rank++] = axis;
  }
  return windows;
}

void check_list(const std::vector<int64_t>& list, std::string_view what, size_t count, int64_t least) {
  constexpr int64_t kMost = int64_t{1} << 24;
  if (!list.empty() && list.size() != count) throw Error(list.size(), " ", what, ", not ", count);
  for (const int64_t number : list)
    if (number < least || number > kMost) throw Error("the ", what, " [", text_of(list), "] are out of range");
}

// Throws Error unless operands 1 and 2, the shapes of image and block, and the attributes go together.
Windows checked_windows(const InferContext& context) {
  const std::vector<int64_t> image = int64_operand(context, 1, "the image's shape");
  const std::vector<int64_t> block = int64_operand(context, 2, "the block's shape");
  const size_t rank = image.size();
  if (rank == 0 || rank + 2 > kMaxRank) throw Error("images of ", rank, " axes");
  if (block.size() != rank) throw Error("a block of ", block.size(), " axes in an image of ", rank);
  check_list(image, "image's extents", rank, 0);
  check_list(block, "block's extents", rank, 1);
  check_list(context.attrs.integers("dilations"), "dilations", rank, 1);
  check_list(context.attrs.integers("pads"), "pads", 2 * rank, 0);
  check_list(context.attrs.integers("strides"), "strides", rank, 1);
  const Windows windows = windows_of(context.attrs, image, block);
  Shape counts;
  for (size_t i = 0; i < rank; ++i) counts.push_back(windows.axes[i].windows);
  for (const Shape& shape : {image, block, counts}) elements(shape);
  return windows;
}

Windows windows_of(const KernelArgs& args) {
  return windows_of(args.attrs(), SmallIntegers(args, 1).values(), SmallIntegers(args, 2).values());
}

std::vector<Type> infer_col2im(const InferContext& context) {
  require_float(context, 0);
  const Windows windows = checked_windows(context);
  const Shape& shape = context.shape(0);
  const int64_t taps = windows.block_elements();
  if (shape.size() != 3 || shape[1] % taps != 0 || shape[2] != windows.count()) {
    throw Error(text_of(context.type(0)), " is not [n, c * ", taps, ", ", windows.count(), "]");
  }
  Shape result = {shape[0], shape[1] / taps};
  for (size_t i = 0; i < windows.rank; ++i) result.push_back(windows.axes[i].image);
  return {Type{context.type(0).dtype, result}};
}

std::vector<Type> infer_gradient(const InferContext& context) {
  require_float(context, 0);
  const Windows windows = checked_windows(context);
  const Shape& shape = context.shape(0);
  bool fits = shape.size() == windows.rank + 2;
  for (size_t i = 0; fits && i < windows.rank; ++i) fits = shape[i + 2] == windows.axes[i].image;
  if (!fits) throw Error(text_of(context.type(0)), " is not of images of the given shape");
  const int64_t rows = elements({shape[1], windows.block_elements()});
  return {Type{context.type(0).dtype, {shape[0], rows, windows.count()}}};
}

void run_col2im(const KernelArgs& args) {
  const Windows windows = windows_of(args);
  const int64_t images = args.out_type().shape[0] * args.out_type().shape[1];
  visit_float(args.out_type().dtype, [&](auto zero) {
    using T = decltype(zero);
    fill(args.output<T>(), args.out_type().elements(), T{});
#pragma omp parallel for schedule(static) if (args.in_type(0).elements() >= kParallelElements)
    for (int64_t i = 0; i < images; ++i) {
      add_columns(args.input<T>(0) + i * windows.block_elements() * windows.count(),
                  args.output<T>() + i * windows.image_elements(), windows);
    }
  });
}

void run_gradient(const KernelArgs& args) {
  const Windows windows = windows_of(args);
  const int64_t images = args.in_type(0).shape[0] * args.in_type(0).shape[1];
  visit_float(args.out_type().dtype, [&](auto zero) {
    using T = decltype(zero);
#pragma omp parallel for schedule(static) if (args.out_type().elements() >= kParallelElements)
    for (int64_t i = 0; i < images; ++i) {
      take_columns(args.input<T>(0) + i * windows.image_elements(),
                   args.output<T>() + i * windows.block_elements() * windows.count(), windows);
    }
  });
}

const Attrs kDefaults = {
    {"dilations", std::vector<int64_t>{}}, {"pads", std::vector<int64_t>{}}, {"strides", std::vector<int64_t>{}}};

}  // namespace

extern const OpDef kCol2Im = {
    .name = "Col2Im",
    .doc =
        "Images [n, c, ...] as the sums of blocks that a window cuts out of them, x [n, c * elements of a block, "
        "blocks]: operands x, the images' shape and the block's (constant i64 vectors)",
    .min_inputs = 3,
    .max_inputs = 3,
    .defaults = kDefaults,
    .infer = infer_col2im,
    .gradient = [](GradContext& context) -> std::vector<ValueId> {
      return {context.build("Col2ImGrad", {context.grad(), context.in(1), context.in(2)}, context.attrs())};
    },
    .kernels = {{.name = "col2im", .run = run_col2im}},
};

extern const OpDef kCol2ImGrad = {
    .name = "Col2ImGrad",
    .doc = "The blocks that a window cuts out of images dy: operands dy, the images' shape and the block's",
    .min_inputs = 3,
    .max_inputs = 3,
    .defaults = kDefaults,
    .infer = infer_gradient,
    .kernels = {{.name = "col2im_grad", .run = run_gradient}},
};

}  // namespace marvin
