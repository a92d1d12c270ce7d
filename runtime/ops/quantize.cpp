// Ops that insert_quantization adds: to fixed point, and observations of what is (or could be) quantized.
#include <algorithm>

#include "runtime/kernels/quantize.h"
#include "runtime/kernels/random.h"
#include "runtime/ops/op.h"

namespace marvin {
namespace {

QuantizeShape shape_of(const KernelQuery& query) {
  const Shape& shape = query.in[0]->shape;
  QuantizeShape result{.channels_last = query.attrs.integer("channels_last") != 0};
  if (shape.size() < 3 || query.in[0]->layout == Layout::channels_last) {
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
  float* stats = args.output<float>(1);
  switch (args.out_type().dtype) {
    case DType::i8: return quantize(shape, rule, x, args.output<int8_t>(), stats, args.scratch);
    case DType::i16: return quantize(shape, rule, x, args.output<int16_t>(), stats, args.scratch);
    default: return quantize(shape, rule, x, args.output<int32_t>(), stats, args.scratch);
  }
}

// Where the sample's blocks of kSampleRun neighbours begin: evenly over the whole value.
constexpr int64_t kSampleRun = 64;

void run_sample(const KernelArgs& args) {
  const int64_t count = args.in_type(0).elements();
  const int64_t size = args.out_type().elements();
  const float* x = args.input<float>(0);
  float* sample = args.output<float>();
  for (int64_t at = 0; at < size; at += kSampleRun) {
    const int64_t run = std::min(kSampleRun, size - at);
    const int64_t from = size == count ? at : (count - run) / std::max<int64_t>(1, size - run) * at;
    std::copy_n(x + from, run, sample + at);
  }
}

Type stats_type() { return {DType::f32, {QuantizeStats::kCount}}; }

void require_float32(const InferContext& context) {
  if (context.type(0).dtype != DType::f32) throw Error("takes f32, not ", text_of(context.type(0)));
}

}  // namespace

extern const OpDef kQuantize = {
    .name = "Quantize",
    .doc = "q = clamp(round(x * 2^fl), word) in the format of the node's slot, held in `storage` (i8, i16 or i32), rounded "
           "to nearest even or stochastically; stats is QuantizeStats of x",
    .max_outputs = 2,
    .defaults = {{"storage", std::string("i8")}, {"channels_last", int64_t{0}}, {"stochastic", int64_t{0}}},
    .infer = [](const InferContext& context) -> std::vector<Type> {
      require_float32(context);
      const DType storage = dtype_named(context.attrs.string("storage"));
      if (storage != DType::i8 && storage != DType::i16 && storage != DType::i32) {
        throw Error("storage is i8, i16 or i32, not ", name_of(storage));
      }
      const bool last = context.attrs.integer("channels_last") != 0;
      if (last && context.type(0).rank() < 3) throw Error("channels_last takes at least three dimensions");
      if (!last && context.type(0).layout == Layout::channels_last) throw Error("keeps the layout of ", text_of(context.type(0)));
      return {Type{storage, context.shape(0), last ? Layout::channels_last : Layout::row_major}, stats_type()};
    },
    .kernels = {{.name = "quantize_f32",
                 .prepare = [](const KernelQuery& query) -> Prepared {
                   return {nullptr, quantize_scratch_bytes(shape_of(query))};
                 },
                 .run = run_quantize}},
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
                       observe(args.input<float>(0), args.in_type(0).elements(), args.output<float>(), args.scratch);
                     }}},
    .layouts = LayoutRule::own,
};

extern const OpDef kSample = {
    .name = "Sample",
    .doc = "at most `limit` elements of x as a vector: runs of 64 neighbours, evenly over x, the same ones every time",
    .defaults = {{"limit", int64_t{4096}}},
    .infer = [](const InferContext& context) -> std::vector<Type> {
      require_float32(context);
      if (context.attrs.integer("limit") < 1) throw Error("limit is at least 1");
      return {Type{DType::f32, {std::min(context.type(0).elements(), context.attrs.integer("limit"))}}};
    },
    .kernels = {{.name = "sample_f32", .run = run_sample}},
    .layouts = LayoutRule::own,
};

}  // namespace marvin
