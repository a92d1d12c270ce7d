// Ops that choose by place which elements stay, and where.
#include <algorithm>

#include "runtime/kernels/parallel.h"
#include "runtime/kernels/strided.h"
#include "runtime/ops/types.h"

namespace marvin {
namespace {

// ---- Trilu ----------------------------------------------------------------------------------------------------------

std::vector<Type> infer_trilu(const InferContext& context) {
  const Type& in = context.type(0);
  if (in.rank() < 2) throw Error("operand 0 must be of matrices, not ", text_of(in));
  if (context.has(1) && (context.type(1).dtype != DType::i64 || context.type(1).elements() != 1)) {
    throw Error("k must be one i64, not ", text_of(context.type(1)));
  }
  return {in};
}

template <class T>
void run_trilu(const T* x, T* y, const Shape& shape, int64_t k, bool upper) {
  const int64_t height = shape[shape.size() - 2], width = shape.back();
  const int64_t rows = width ? elements(shape) / width : 0;
  k = std::clamp(k, -height - 1, width + 1);
#pragma omp parallel for schedule(static) if (rows * width >= kParallelElements)
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t diagonal = row % height + k;
    const int64_t first = upper ? std::clamp<int64_t>(diagonal, 0, width) : 0;
    const int64_t last = upper ? width : std::clamp<int64_t>(diagonal + 1, 0, width);
    const T* from = x + row * width;
    T* to = y + row * width;
    std::fill_n(to, first, T{});
    std::copy(from + first, from + last, to + first);
    std::fill(to + last, to + width, T{});
  }
}

void run_trilu(const KernelArgs& args) {
  const int64_t k = args.input<int64_t>(1) ? *args.input<int64_t>(1) : 0;
  const bool upper = args.attrs().integer("upper") != 0;
  visit_unsigned(args.out_type().dtype, [&](auto zero) {
    using T = decltype(zero);
    run_trilu(args.input<T>(0), args.output<T>(), args.out_type().shape, k, upper);
  });
}

// ---- ReverseSequence ------------------------------------------------------------------------------------------------

// Throws Error unless each length is one of a sequence of at most `extent` elements.
void require_lengths(std::span<const int64_t> lengths, int64_t extent) {
  for (const int64_t length : lengths) {
    if (length < 0 || length > extent) throw Error("a sequence of ", length, " elements along an axis of ", extent);
  }
}

std::vector<Type> infer_reverse_sequence(const InferContext& context) {
  const Type& in = context.type(0);
  const int64_t batch_axis = context.attrs.integer("batch_axis"), time_axis = context.attrs.integer("time_axis");
  if (in.rank() < 2) throw Error("operand 0 must have two axes or more, not ", text_of(in));
  if (std::min(batch_axis, time_axis) != 0 || std::max(batch_axis, time_axis) != 1) {
    throw Error("batch_axis ", batch_axis, " and time_axis ", time_axis, " must be 0 and 1 or the other way round");
  }
  if (context.type(1) != Type{DType::i64, {in.shape[static_cast<size_t>(batch_axis)]}}) {
    throw Error("the lengths must be one i64 per sequence, not ", text_of(context.type(1)));
  }
  if (context.operands[1].constant) {
    require_lengths(context.operands[1].constant->as<int64_t>(), in.shape[static_cast<size_t>(time_axis)]);
  }
  return {in};
}

template <class T>
void reverse_sequences(const T* x, T* y, const Shape& shape, const int64_t* lengths, bool time_first) {
  const int64_t inner = row_major_strides(shape)[1], rows = shape[0] * shape[1];
#pragma omp parallel for schedule(static) if (rows * inner >= kParallelElements)
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t first = row / shape[1], second = row % shape[1];
    const int64_t time = time_first ? first : second, length = lengths[time_first ? second : first];
    const int64_t from = time < length ? length - 1 - time : time;
    std::copy_n(x + (time_first ? from * shape[1] + second : first * shape[1] + from) * inner, inner, y + row * inner);
  }
}

void run_reverse_sequence(const KernelArgs& args) {
  const Shape& shape = args.out_type().shape;
  const bool time_first = args.attrs().integer("time_axis") == 0;
  require_lengths({args.input<int64_t>(1), static_cast<size_t>(shape[time_first ? 1 : 0])}, shape[time_first ? 0 : 1]);
  visit_unsigned(args.out_type().dtype, [&](auto zero) {
    using T = decltype(zero);
    reverse_sequences(args.input<T>(0), args.output<T>(), shape, args.input<int64_t>(1), time_first);
  });
}

// ---- DepthToSpace, SpaceToDepth -------------------------------------------------------------------------------------

// The images' shape and the block size. Throws Error unless the listed extents are multiples of it.
std::pair<Shape, int64_t> blocks_of(ExpandContext& context) {
  constexpr int64_t kMost = 4096;
  Shape shape = context.shape(context.in(0));
  const int64_t block = context.attrs().integer("blocksize");
  if (shape.size() != 4) throw Error("operand 0 must be [n,c,h,w], not ", text_of(context.type(context.in(0))));
  if (block < 1 || block > kMost) throw Error("a blocksize of ", block, ", not from 1 to ", kMost);
  return {std::move(shape), block};
}

std::vector<ValueId> expand_depth_to_space(ExpandContext& context) {
  const auto& [shape, block] = blocks_of(context);
  const std::string& mode = context.attrs().string("mode");
  if (mode != "DCR" && mode != "CRD") throw Error("the mode '", mode, "' is neither DCR nor CRD");
  const int64_t n = shape[0], depth = shape[1] / (block * block), h = shape[2], w = shape[3];
  if (shape[1] % (block * block) != 0) throw Error(shape[1], " channels do not make blocks of ", block, " by ", block);
  const bool depth_last = mode == "DCR";
  const ValueId split = context.reshape(
      context.in(0), depth_last ? Shape{n, block, block, depth, h, w} : Shape{n, depth, block, block, h, w});
  const ValueId blocks =
      depth_last ? context.transpose(split, {0, 3, 4, 1, 5, 2}) : context.transpose(split, {0, 1, 4, 2, 5, 3});
  return {context.reshape(blocks, {n, depth, h * block, w * block})};
}

std::vector<ValueId> expand_space_to_depth(ExpandContext& context) {
  const auto& [shape, block] = blocks_of(context);
  const int64_t n = shape[0], c = shape[1], h = shape[2] / block, w = shape[3] / block;
  if (shape[2] % block != 0 || shape[3] % block != 0) {
    throw Error("images of ", shape[2], " by ", shape[3], " are not made of blocks of ", block, " by ", block);
  }
  const ValueId split = context.reshape(context.in(0), {n, c, h, block, w, block});
  return {context.reshape(context.transpose(split, {0, 3, 5, 1, 2, 4}), {n, block * block * c, h, w})};
}

}  // namespace

extern const OpDef kTrilu = {
    .name = "Trilu",
    .doc =
        "x's matrices (its last two axes) with zeros below the diagonal that is k (i64; 0 where it is left out) to the "
        "right of the main one; upper=0: with zeros above it",
    .min_inputs = 1,
    .max_inputs = 2,
    .defaults = {{"upper", int64_t{1}}},
    .infer = infer_trilu,
    .gradient = [](GradContext& context) -> std::vector<ValueId> {
      return {context.build("Trilu", {context.grad(), context.in(1)}, context.attrs())};
    },
    .kernels = {{.name = "trilu", .run = run_trilu}},
};

extern const OpDef kReverseSequence = {
    .name = "ReverseSequence",
    .doc =
        "x with the first lengths[b] elements along `time_axis` in reverse order, for every place b along "
        "`batch_axis`: "
        "operands x, lengths (i64 vector)",
    .min_inputs = 2,
    .max_inputs = 2,
    .defaults = {{"batch_axis", int64_t{1}}, {"time_axis", int64_t{0}}},
    .infer = infer_reverse_sequence,
    .gradient = [](GradContext& context) -> std::vector<ValueId> {
      return {context.build("ReverseSequence", {context.grad(), context.in(1)}, context.attrs())};
    },
    .kernels = {{.name = "reverse_sequence", .run = run_reverse_sequence}},
};

extern const OpDef kDepthToSpace = {
    .name = "DepthToSpace",
    .doc =
        "x [n,c,h,w] as [n, c / blocksize^2, h * blocksize, w * blocksize]: channels become blocks of pixels. A "
        "channel "
        "is (row, column, depth) in mode DCR and (depth, row, column) in mode CRD",
    .defaults = {{"mode", "DCR"}},
    .required = {"blocksize"},
    .expand = expand_depth_to_space,
};

extern const OpDef kSpaceToDepth = {
    .name = "SpaceToDepth",
    .doc =
        "x [n,c,h,w] as [n, c * blocksize^2, h / blocksize, w / blocksize]: blocks of pixels become channels (row, "
        "column, depth)",
    .required = {"blocksize"},
    .expand = expand_space_to_depth,
};

}  // namespace marvin
