// Ops that insert_quantization adds: to fixed point, and observations of what is (or could be) quantized.
#include "runtime/kernels/quantize.h"

#include <algorithm>

#include "runtime/kernels/parallel.h"
#include "runtime/kernels/random.h"
#include "runtime/ops/op.h"

namespace marvin {
namespace {

// Whether draws follow another order than that in memory, or may.
bool is_image(const KernelQuery& query) { return query.in[0]->rank() > 2 && query.attrs.integer("image") != 0; }

QuantizeShape shape_of(const KernelQuery& query) {
  const Shape& shape = query.in[0]->shape;
  QuantizeShape result{.channels_last = query.attrs.integer("channels_last") != 0};
  if (!is_image(query) || query.in[0]->layout == Layout::channels_last) {
    result.n = elements(shape);
    return result;
  }
  result.n = shape[0];
  result.channels = shape[1];
  result.pixels = elements(Shape(shape.begin() + 2, shape.end()));
  return result;
}

void run_quantize(const KernelArgs& args) {
  const FixedPoint format = args.out_format;
  const QuantizeRule rule{.scale = power_of_two(format.fl),
                          .unscale = power_of_two(-format.fl),
                          .min = format.min(),
                          .max = format.max(),
                          .stochastic = args.attrs().integer("stochastic") != 0,
                          .key = random_key(args.random.seed, args.random.step, args.random.salt)};
  const QuantizeShape shape = shape_of(args.query);
  const float* x = args.input<float>(0);
  switch (args.out_type().dtype) {
    case DType::i8:
      return quantize(shape, rule, x, args.output<int8_t>(), args.scratch, args.first);
    case DType::i16:
      return quantize(shape, rule, x, args.output<int16_t>(), args.scratch, args.first);
    default:
      return quantize(shape, rule, x, args.output<int32_t>(), args.scratch, args.first);
  }
}

void finish_quantize(const KernelArgs& args) {
  if (float* stats = args.output<float>(1))
    quantize_stats(shape_of(args.query), power_of_two(-args.out_format.fl), args.scratch, stats);
}

// Draws of images follow the channels-last position, which is that in memory where the words are channels-last and stay
// so.
std::optional<Tiling> quantize_tiling(const KernelQuery& query) {
  const Type& x = *query.in[0];
  const bool stays = !is_image(query) || x.layout == Layout::channels_last;
  if (!stays && (query.attrs.integer("channels_last") != 0 || query.attrs.integer("stochastic") != 0))
    return std::nullopt;
  return Tiling{.elements = x.elements(), .in = 1, .out = 1, .grain = kQuantizeBlock};
}

// Of operand 0, which other outputs than tiled ones are made of.
std::optional<Tiling> reading_tiling(const KernelQuery& query) {
  return Tiling{.elements = query.in[0]->elements(), .in = 1, .grain = kQuantizeBlock};
}

// The sample's runs of kSampleRun neighbours, the last of which may be shorter, have equal gaps between them, from the
// first element to the last. A tile has those parts of them that lie in it.
constexpr int64_t kSampleRun = 64;

void run_sample(const KernelArgs& args) {
  const int64_t count = *static_cast<const int64_t*>(args.state);
  const int64_t size = args.out_type().elements();
  const int64_t begin = args.first, end = args.first + args.in_type(0).elements();
  const int64_t last_run = std::max<int64_t>(1, (size - 1) / kSampleRun);
  const float* x = args.input<float>(0);
  float* sample = args.output<float>();
  // A sample that is short, or of a tile, is taken by one thread.
  parallel_blocks(size, kSampleRun, [&](int64_t at, int64_t stop) {
    const int64_t from = at + (count - size) * (at / kSampleRun) / last_run;
    const int64_t head = std::max(from, begin), tail = std::min(from + stop - at, end);
    if (head < tail) std::copy_n(x + (head - begin), tail - head, sample + at + (head - from));
  });
}

Type stats_type() { return {DType::f32, {QuantizeStats::kCount}}; }

void require_float32(const InferContext& context) {
  if (context.type(0).dtype != DType::f32) throw Error("takes f32, not ", text_of(context.type(0)));
}

}  // namespace

extern const OpDef kQuantize = {
    .name = "Quantize",
    .doc =
        "q = clamp(round(x * 2^fl), word) in the format of the node's slot, held in `storage` (i8, i16 or i32), "
        "rounded "
        "to nearest even or stochastically; stats is QuantizeStats of x. The random draws of an `image` are those of "
        "its channels-last positions, whichever the layouts are; of others, those of row-major ones",
    .max_outputs = 2,
    .defaults = {{"storage", std::string("i8")},
                 {"channels_last", int64_t{0}},
                 {"stochastic", int64_t{0}},
                 {"image", int64_t{1}}},
    .infer = [](const InferContext& context) -> std::vector<Type> {
      require_float32(context);
      const DType storage = dtype_named(context.attrs.string("storage"));
      if (storage != DType::i8 && storage != DType::i16 && storage != DType::i32) {
        throw Error("storage is i8, i16 or i32, not ", name_of(storage));
      }
      const bool last = context.attrs.integer("channels_last") != 0;
      if (last && context.type(0).rank() < 3) throw Error("channels_last takes at least three dimensions");
      if (last && context.attrs.integer("image") == 0) throw Error("channels_last is for images");
      if (!last && context.type(0).layout == Layout::channels_last)
        throw Error("keeps the layout of ", text_of(context.type(0)));
      return {Type{storage, context.shape(0), last ? Layout::channels_last : Layout::row_major}, stats_type()};
    },
    .kernels = {{.name = "quantize_f32",
                 .prepare = [](const KernelQuery& query) -> Prepared {
                   return {nullptr, quantize_scratch_bytes(shape_of(query))};
                 },
                 .run = run_quantize,
                 .finish = finish_quantize,
                 .tiling = quantize_tiling}},
    .layouts = LayoutRule::own,
    .random = true,
};

extern const OpDef kObserve = {
    .name = "Observe",
    .doc = "the QuantizeStats of x that do not depend on a format (largest and mean magnitude), zeros for the others",
    .infer = [](const InferContext& context) -> std::vector<Type> {
      require_float32(context);
      return {stats_type()};
    },
    .kernels = {{.name = "observe_f32",
                 .prepare = [](const KernelQuery& query) -> Prepared {
                   return {nullptr, quantize_scratch_bytes({.n = query.in[0]->elements()})};
                 },
                 .run =
                     [](const KernelArgs& args) {
                       observe(args.input<float>(0), args.in_type(0).elements(), args.scratch, args.first);
                     },
                 .finish =
                     [](const KernelArgs& args) {
                       observe_stats(args.in_type(0).elements(), args.scratch, args.output<float>());
                     },
                 .tiling = reading_tiling}},
    .layouts = LayoutRule::own,
};

extern const OpDef kSample = {
    .name = "Sample",
    .doc = "at most `limit` elements of x as a vector: runs of 64 neighbours with equal gaps, the same ones every time",
    .defaults = {{"limit", int64_t{4096}}},
    .infer = [](const InferContext& context) -> std::vector<Type> {
      require_float32(context);
      if (context.attrs.integer("limit") < 1) throw Error("limit is at least 1");
      return {Type{DType::f32, {std::min(context.type(0).elements(), context.attrs.integer("limit"))}}};
    },
    .kernels = {{.name = "sample_f32",
                 .prepare = [](const KernelQuery& query) -> Prepared {
                   return {std::make_shared<int64_t>(query.in[0]->elements()), 0};
                 },
                 .run = run_sample,
                 .tiling = reading_tiling}},
    .layouts = LayoutRule::own,
};

}  // namespace marvin
