// Random tensors. Every draw depends on the run's seed, the step, the node, the attribute `seed` and the element alone.
#include "runtime/kernels/random.h"

#include <algorithm>
#include <bit>

#include "runtime/kernels/convert.h"
#include "runtime/kernels/parallel.h"
#include "runtime/ops/types.h"

namespace marvin {
namespace {

constexpr int64_t kRandomBlock = 1 << 12;

uint64_t key_of(const KernelArgs& args) {
  const uint64_t salt = args.random.salt ^ mix64(std::bit_cast<uint32_t>(args.attrs().real("seed")));
  return random_key(args.random.seed, args.random.step, salt);
}

// y[i] = draw(key, i)
template <class Draw>
void run_draws(const KernelArgs& args, Draw draw) {
  const uint64_t key = key_of(args);
  visit_stored(args.out_type().dtype, [&](auto zero) {
    using T = decltype(zero);
    T* y = args.output<T>();
    parallel_blocks(args.out_type().elements(), kRandomBlock, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) y[i] = converted<T>(draw(key, static_cast<uint64_t>(i)));
    });
  });
}

// `number` is of onnx.TensorProto.DataType; 0 stands for `otherwise`.
DType dtype_or(int64_t number, DType otherwise) { return number == 0 ? otherwise : dtype_of_onnx(number); }

std::vector<Type> infer_random(const InferContext& context) {
  const Shape& shape = context.attrs.integers("shape");
  for (const int64_t extent : shape)
    if (extent < 0) throw Error("shape must not be negative, not [", text_of(shape), "]");
  const DType dtype = dtype_of_onnx(context.attrs.integer("dtype"));
  if (!is_float(dtype) && !is_half(dtype)) throw Error("random numbers are floats, not ", name_of(dtype));
  return {Type{dtype, shape}};
}

// The op of this name with the operand's shape, and its element type unless `dtype` says otherwise.
std::vector<ValueId> like_operand(ExpandContext& c, std::string_view op) {
  const Type like = c.type(c.in(0));
  Attrs attrs = c.attrs();
  attrs.set("dtype", onnx_number_of(dtype_or(attrs.integer("dtype"), like.dtype)));
  attrs.set("shape", like.shape);
  return {c.build(op, {}, attrs)};
}

// ---- Multinomial ----------------------------------------------------------------------------------------------------

std::vector<Type> infer_multinomial(const InferContext& context) {
  require_float(context, 0);
  const Type& x = context.type(0);
  if (x.rank() != 2 || x.shape[1] == 0) throw Error("takes log-probabilities [batch,classes], not ", text_of(x));
  const int64_t samples = context.attrs.integer("sample_size");
  if (samples < 0) throw Error("sample_size must not be negative, not ", samples);
  const DType dtype = dtype_of_onnx(context.attrs.integer("dtype"));
  if (dtype != DType::i32 && dtype != DType::i64) throw Error("classes are i32 or i64, not ", name_of(dtype));
  return {Type{dtype, {x.shape[0], samples}}};
}

// sums[k] = the sum of e^(x - greatest) of the classes up to k.
template <class T>
void cumulate(const T* x, int64_t classes, double* sums) {
  const double greatest = *std::max_element(x, x + classes);
  double sum = 0;
  for (int64_t k = 0; k < classes; ++k) sums[k] = sum += std::exp(static_cast<double>(x[k]) - greatest);
}

template <class T, class Label>
void multinomial(const KernelArgs& args) {
  const int64_t batch = args.out_type().shape[0], samples = args.out_type().shape[1],
                classes = args.in_type(0).shape[1];
  const uint64_t key = key_of(args);
  double* sums = reinterpret_cast<double*>(args.scratch);
  for (int64_t n = 0; n < batch; ++n) {
    cumulate(args.input<T>(0) + n * classes, classes, sums);
    for (int64_t i = n * samples; i < (n + 1) * samples; ++i) {
      const double at = random_uniform(key, static_cast<uint64_t>(i)) * sums[classes - 1];
      const int64_t drawn = std::upper_bound(sums, sums + classes, at) - sums;
      args.output<Label>()[i] = static_cast<Label>(std::min(drawn, classes - 1));
    }
  }
}

void run_multinomial(const KernelArgs& args) {
  visit_float(args.in_type(0).dtype, [&](auto zero) {
    using T = decltype(zero);
    args.out_type().dtype == DType::i32 ? multinomial<T, int32_t>(args) : multinomial<T, int64_t>(args);
  });
}

}  // namespace

extern const OpDef kRandomNormal = {
    .name = "RandomNormal",
    .doc = "Normal random numbers of the given mean and deviation (scale), in the shape and float type given",
    .min_inputs = 0,
    .max_inputs = 0,
    .defaults = {{"mean", 0.0f}, {"scale", 1.0f}, {"seed", 0.0f}, {"dtype", int64_t{1}}, {"shape", Shape{}}},
    .infer = infer_random,
    .kernels = {{.name = "random_normal",
                 .run =
                     [](const KernelArgs& args) {
                       const double mean = args.attrs().real("mean"), scale = args.attrs().real("scale");
                       run_draws(args, [=](uint64_t key, uint64_t i) { return mean + scale * random_normal(key, i); });
                     }}},
    .random = true,
};

extern const OpDef kRandomNormalLike = {
    .name = "RandomNormalLike",
    .doc = "RandomNormal in the operand's shape, and in its type where dtype is 0",
    .defaults = {{"mean", 0.0f}, {"scale", 1.0f}, {"seed", 0.0f}, {"dtype", int64_t{0}}},
    .expand = [](ExpandContext& c) { return like_operand(c, "RandomNormal"); },
};

extern const OpDef kRandomUniform = {
    .name = "RandomUniform",
    .doc = "Random numbers spread evenly over [low, high), in the shape and float type given",
    .min_inputs = 0,
    .max_inputs = 0,
    .defaults = {{"low", 0.0f}, {"high", 1.0f}, {"seed", 0.0f}, {"dtype", int64_t{1}}, {"shape", Shape{}}},
    .infer = infer_random,
    .kernels = {{.name = "random_uniform",
                 .run =
                     [](const KernelArgs& args) {
                       const double low = args.attrs().real("low"), width = args.attrs().real("high") - low;
                       run_draws(args, [=](uint64_t key, uint64_t i) { return low + width * random_uniform(key, i); });
                     }}},
    .random = true,
};

extern const OpDef kRandomUniformLike = {
    .name = "RandomUniformLike",
    .doc = "RandomUniform in the operand's shape, and in its type where dtype is 0",
    .defaults = {{"low", 0.0f}, {"high", 1.0f}, {"seed", 0.0f}, {"dtype", int64_t{0}}},
    .expand = [](ExpandContext& c) { return like_operand(c, "RandomUniform"); },
};

extern const OpDef kBernoulli = {
    .name = "Bernoulli",
    .doc =
        "y = 1 with the probability that the operand holds, else 0, in its type where dtype is 0; no gradient passes",
    .defaults = {{"seed", 0.0f}, {"dtype", int64_t{0}}},
    .expand = [](ExpandContext& c) -> std::vector<ValueId> {
      const Type like = c.type(c.in(0));
      const ValueId draw = c.build("RandomUniformLike", {c.in(0)}, {{"seed", c.attrs().real("seed")}});
      return {c.cast(c.build("Less", {draw, c.in(0)}), dtype_or(c.attrs().integer("dtype"), like.dtype))};
    },
};

extern const OpDef kMultinomial = {
    .name = "Multinomial",
    .doc =
        "y[n, i] = a class k of x[n, k], drawn with probability e^x[n, k] over the sum of these: log-probabilities "
        "[batch,classes] to i32 or i64 [batch,sample_size]",
    .defaults = {{"sample_size", int64_t{1}}, {"seed", 0.0f}, {"dtype", int64_t{6}}},
    .infer = infer_multinomial,
    .gradient = no_gradient,
    .kernels = {{.name = "multinomial",
                 .prepare = [](const KernelQuery& query) -> Prepared {
                   return {nullptr, query.in[0]->shape[1] * static_cast<int64_t>(sizeof(double))};
                 },
                 .run = run_multinomial}},
    .random = true,
};

}  // namespace marvin
