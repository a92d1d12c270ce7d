// Normalization of activations by their statistics.
#include "runtime/kernels/normalization.h"

#include "runtime/ops/decimal.h"
#include "runtime/ops/op.h"

namespace marvin {
namespace {

ChannelShape channels_of(const Shape& shape) {
  return {.batch = shape[0], .channels = shape[1], .inner = elements(Shape(shape.begin() + 2, shape.end()))};
}

void require_channels(const InferContext& context, size_t tensor, size_t first_vector, size_t last_vector) {
  const Type& type = context.type(tensor);
  if (type.dtype != DType::f32) throw Error("takes f32, not ", text_of(type));
  if (type.rank() < 2) throw Error("takes [n,c,...], not ", text_of(type));
  for (size_t i = first_vector; i <= last_vector; ++i) {
    if (context.type(i) == Type{DType::f32, {type.shape[1]}}) continue;
    throw Error("operand ", i, " is ", text_of(context.type(i)), ", not one f32 per channel of ", text_of(type));
  }
}

std::vector<Type> infer_batch_norm(const InferContext& context) {
  require_channels(context, 0, 1, 4);
  if (context.attrs.integer("training_mode") != 0 && context.type(0).elements() == 0) {
    throw Error("an empty batch has no statistics");
  }
  const Type& vector = context.type(1);
  return {context.type(0), vector, vector, vector, vector};
}

bool is_row_major(const KernelQuery& query) { return query.in[0]->layout == Layout::row_major; }

struct BatchNormState {
  ChannelShape shape;
  bool training = false;
  double epsilon = 0, momentum = 0;
};

Prepared prepare_batch_norm(const KernelQuery& query) {
  return {std::make_shared<BatchNormState>(BatchNormState{.shape = channels_of(query.in[0]->shape),
                                                          .training = query.attrs.integer("training_mode") != 0,
                                                          .epsilon = as_written(query.attrs.real("epsilon")),
                                                          .momentum = as_written(query.attrs.real("momentum"))}),
          0};
}

void run_batch_norm(const KernelArgs& args) {
  const BatchNormState& state = *static_cast<const BatchNormState*>(args.state);
  const BatchNorm norm{.x = args.input<float>(0),
                       .scale = args.input<float>(1),
                       .bias = args.input<float>(2),
                       .mean = args.input<float>(3),
                       .variance = args.input<float>(4),
                       .y = args.output<float>(0),
                       .running_mean = args.output<float>(1),
                       .running_variance = args.output<float>(2),
                       .saved_mean = args.output<float>(3),
                       .saved_inv_std = args.output<float>(4),
                       .epsilon = state.epsilon,
                       .momentum = state.momentum};
  if (state.training) return batch_norm_training(state.shape, norm);
  batch_norm_inference(state.shape, norm);
}

std::vector<ValueId> batch_norm_gradient(GradContext& context) {
  if (!context.grad().valid()) return {};
  const ValueId saved_mean = context.require_out(3), saved_inv_std = context.require_out(4);
  return context.build_many("BatchNormalizationGrad",
                            {context.grad(), context.in(0), context.in(1), saved_mean, saved_inv_std},
                            {{"training_mode", context.attrs().integer("training_mode")}},
                            {context.wants(0), context.wants(1), context.wants(2)});
}

std::vector<Type> infer_batch_norm_grad(const InferContext& context) {
  require_channels(context, 1, 2, 4);
  if (context.type(0) != context.type(1)) {
    throw Error("the gradient is ", text_of(context.type(0)), ", x is ", text_of(context.type(1)));
  }
  return {context.type(1), context.type(2), context.type(2)};
}

void run_batch_norm_grad(const KernelArgs& args) {
  const BatchNormState& state = *static_cast<const BatchNormState*>(args.state);
  const BatchNormGrad grad{.dy = args.input<float>(0),
                           .x = args.input<float>(1),
                           .scale = args.input<float>(2),
                           .mean = args.input<float>(3),
                           .inv_std = args.input<float>(4),
                           .dx = args.output<float>(0),
                           .dscale = args.output<float>(1),
                           .dbias = args.output<float>(2)};
  batch_norm_grad(state.shape, !state.training, grad);
}

// ---- Channels-last images -------------------------------------------------------------------------------------------

bool has_image(ExpandContext& context) { return context.type(context.in(0)).layout == Layout::channels_last; }

std::vector<ValueId> lower_batch_norm(ExpandContext& context) {
  if (!has_image(context)) return {};
  const ValueId x = context.in(0), scale = context.in(1), bias = context.in(2);
  const std::vector<ValueId> statistics =
      context.build_many("BatchNormStatistics", {x, scale, context.in(3), context.in(4)}, context.attrs(),
                         {true, true, true, context.wants(1), context.wants(2)});
  const ValueId y = context.build("BatchNormApply", {x, statistics[0], statistics[2], bias});
  return {y, statistics[3], statistics[4], statistics[0], statistics[1]};
}

std::vector<ValueId> lower_batch_norm_grad(ExpandContext& context) {
  if (!has_image(context)) return {};
  const ValueId dy = context.in(0), x = context.in(1), scale = context.in(2), mean = context.in(3),
                inv_std = context.in(4);
  const bool wants_dx = context.wants(0);
  const std::vector<ValueId> sums =
      context.build_many("BatchNormGradSums", {dy, x, scale, mean, inv_std}, context.attrs(),
                         {context.wants(1), context.wants(2), wants_dx, wants_dx, wants_dx});
  ValueId dx;
  if (wants_dx) dx = context.build("BatchNormGradApply", {dy, x, mean, sums[2], sums[3], sums[4]});
  return {dx, sums[0], sums[1]};
}

}  // namespace

extern const OpDef kBatchNormalization = {
    .name = "BatchNormalization",
    .doc =
        "y = (x - m) / sqrt(v + epsilon) * scale + b per channel of x[n,c,...]; m and v are mean and population "
        "variance of the batch in training_mode, else the operands. running_mean and running_var are momentum * "
        "operand + (1 - momentum) * batch's, or the operands. marvin's own outputs: saved_mean = m, "
        "saved_inv_std = 1 / sqrt(v + epsilon)",
    .min_inputs = 5,
    .max_inputs = 5,
    .max_outputs = 5,
    .defaults = {{"epsilon", 1e-5f}, {"momentum", 0.9f}, {"training_mode", int64_t{0}}},
    .infer = infer_batch_norm,
    .lower = lower_batch_norm,
    .gradient = batch_norm_gradient,
    .kernels =
        {{.name = "batch_norm_f32", .admits = is_row_major, .prepare = prepare_batch_norm, .run = run_batch_norm}},
    .layouts = LayoutRule::own,
    .in_place = true,
};

extern const OpDef kBatchNormalizationGrad = {
    .name = "BatchNormalizationGrad",
    .doc =
        "dx, dscale, db of BatchNormalization from dy, x, scale, saved_mean and saved_inv_std; outside of "
        "training_mode mean and variance are constants",
    .min_inputs = 5,
    .max_inputs = 5,
    .max_outputs = 3,
    .defaults = {{"training_mode", int64_t{0}}},
    .infer = infer_batch_norm_grad,
    .lower = lower_batch_norm_grad,
    .kernels = {{.name = "batch_norm_grad_f32",
                 .admits = is_row_major,
                 .prepare = [](const KernelQuery& query) -> Prepared {
                   return {std::make_shared<BatchNormState>(
                               BatchNormState{.shape = channels_of(query.in[1]->shape),
                                              .training = query.attrs.integer("training_mode") != 0}),
                           0};
                 },
                 .run = run_batch_norm_grad}},
    .layouts = LayoutRule::own,
    .in_place = true,
};

}  // namespace marvin
