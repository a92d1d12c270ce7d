// Dropout: random zeros in training, nothing otherwise.
#include "runtime/kernels/dropout.h"

#include <algorithm>

#include "runtime/kernels/random.h"
#include "runtime/ops/op.h"

namespace marvin {
namespace {

// Checks the optional scalars ratio and training_mode, operands `first` and the one behind it.
void check_options(const InferContext& context, size_t first) {
  if (context.has(first)) {
    const Type& ratio = context.type(first);
    if (!is_float(ratio.dtype) || ratio.elements() != 1) throw Error("ratio is a float scalar, not ", text_of(ratio));
    if (const Tensor* constant = context.operands[first].constant) {
      const double value = ratio.dtype == DType::f32 ? constant->as<float>()[0] : constant->as<double>()[0];
      if (!(value >= 0 && value < 1)) throw Error("ratio is in [0, 1), not ", value);
    }
  }
  if (context.has(first + 1) && context.type(first + 1) != Type{DType::boolean, context.shape(first + 1)}) {
    throw Error("training_mode is a bool scalar, not ", text_of(context.type(first + 1)));
  }
}

bool is_training(const KernelArgs& args, size_t operand) {
  const bool* training = args.input<bool>(operand);
  return training && *training;
}

double ratio_of(const KernelArgs& args, size_t operand) {
  if (!args.input<void>(operand)) return 0.5;
  return args.in_type(operand).dtype == DType::f32 ? *args.input<float>(operand) : *args.input<double>(operand);
}

void run_dropout(const KernelArgs& args) {
  const int64_t count = args.in_type(0).elements();
  const float* x = args.input<float>(0);
  float* y = args.output<float>(0);
  bool* mask = args.output<bool>(1);
  if (!is_training(args, 2)) {
    if (y != x) std::copy_n(x, count, y);
    if (mask) std::fill_n(mask, count, true);
    return;
  }
  const uint64_t salt = args.random.salt ^ mix64(static_cast<uint64_t>(args.attrs().integer("seed")));
  const uint64_t key = random_key(args.random.seed, args.random.step, salt);
  dropout(dropout_rule(key, ratio_of(args, 1)), count, x, y, mask, args.first);
}

// Both outputs go with operand 0.
std::optional<Tiling> dropout_tiling(const KernelQuery& query) {
  const bool has_mask = query.out.size() > 1 && query.out[1];
  return Tiling{.elements = query.in[0]->elements(), .in = 1, .out = has_mask ? 3u : 1u};
}

std::vector<ValueId> dropout_gradient(GradContext& context) {
  if (!context.grad().valid()) return {};
  const ValueId mask = context.require_out(1);
  return {context.build("DropoutGrad", {context.grad(), mask, context.in(1), context.in(2)})};
}

}  // namespace

extern const OpDef kDropout = {
    .name = "Dropout",
    .doc =
        "output = data with a share `ratio` (0.5 when left out) of random elements zero and the others divided "
        "by 1 - ratio; data itself unless training_mode. mask (bool) says which elements are kept. They depend "
        "on the run's seed, the step, the node and `seed` alone",
    .min_inputs = 1,
    .max_inputs = 3,
    .max_outputs = 2,
    .defaults = {{"seed", int64_t{0}}},
    .infer = [](const InferContext& context) -> std::vector<Type> {
      if (context.type(0).dtype != DType::f32) throw Error("takes f32, not ", text_of(context.type(0)));
      check_options(context, 1);
      return {context.type(0), Type{DType::boolean, context.shape(0)}};
    },
    .gradient = dropout_gradient,
    .kernels = {{.name = "dropout_f32", .run = run_dropout, .tiling = dropout_tiling}},
    .in_place = true,
    .random = true,
};

extern const OpDef kDropoutGrad = {
    .name = "DropoutGrad",
    .doc = "dx = dy / (1 - ratio) where the mask is true, else 0; with Dropout's mask, ratio and training_mode",
    .min_inputs = 2,
    .max_inputs = 4,
    .infer = [](const InferContext& context) -> std::vector<Type> {
      if (context.type(0).dtype != DType::f32) throw Error("takes f32, not ", text_of(context.type(0)));
      if (context.type(1) != Type{DType::boolean, context.shape(0)}) {
        throw Error("the mask is ", text_of(context.type(1)), ", not one bool per element of ",
                    text_of(context.type(0)));
      }
      check_options(context, 2);
      return {context.type(0)};
    },
    .kernels = {{.name = "dropout_grad_f32",
                 .run =
                     [](const KernelArgs& args) {
                       const float scale = is_training(args, 3) ? dropout_rule(0, ratio_of(args, 2)).scale : 1;
                       dropout_grad(scale, args.in_type(0).elements(), args.input<float>(0), args.input<bool>(1),
                                    args.output<float>());
                     },
                 .tiling = [](const KernelQuery& query) -> std::optional<Tiling> {
                   return Tiling{.elements = query.in[0]->elements(), .in = 3, .out = 1};
                 }}},
    .in_place = true,
};

}  // namespace marvin
