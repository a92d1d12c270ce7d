// Optimizer updates of one parameter each: the new parameter and the new optimizer state.
#include "runtime/kernels/optimizer.h"

#include <cmath>

#include "runtime/ops/decimal.h"
#include "runtime/ops/op.h"

namespace marvin {
namespace {

void require_scalar(const InferContext& context, size_t operand, std::string_view name, bool integer_too = false) {
  const Type& type = context.type(operand);
  const bool right = type.dtype == DType::f32 || (integer_too && type.dtype == DType::i64);
  if (!right || type.elements() != 1) throw Error(name, " is ", text_of(type), ", not a scalar");
}

void require_like_parameter(const InferContext& context, size_t operand) {
  if (context.type(0).dtype != DType::f32) throw Error("updates f32 parameters, not ", text_of(context.type(0)));
  if (context.type(operand) == context.type(0)) return;
  throw Error("operand ", operand, " is ", text_of(context.type(operand)), ", the parameter ",
              text_of(context.type(0)));
}

// Optimizer state that nobody keeps is a mistake.
void require_outputs(const InferContext& context, size_t count) {
  if (context.output_count != count) throw Error("has ", count, " outputs, not ", context.output_count);
}

std::vector<Type> infer_sgd(const InferContext& context) {
  require_like_parameter(context, 1);
  require_scalar(context, 2, "lr");
  const bool has_momentum = context.attrs.real("momentum") != 0;
  if (has_momentum != context.has(3)) throw Error("momentum and a velocity come together");
  if (context.attrs.integer("nesterov") != 0 && (!has_momentum || context.attrs.real("dampening") != 0)) {
    throw Error("nesterov takes a momentum and no dampening");
  }
  if (!has_momentum) return {context.type(0)};
  require_like_parameter(context, 3);
  require_outputs(context, 2);
  return {context.type(0), context.type(0)};
}

Prepared prepare_sgd(const KernelQuery& query) {
  const auto attribute = [&](std::string_view name) { return as_written(query.attrs.real(name)); };
  return {std::make_shared<Sgd>(Sgd{.momentum = static_cast<float>(attribute("momentum")),
                                    .damped = static_cast<float>(1 - attribute("dampening")),
                                    .weight_decay = static_cast<float>(attribute("weight_decay")),
                                    .nesterov = query.attrs.integer("nesterov") != 0}),
          0};
}

void run_sgd(const KernelArgs& args) {
  Sgd rule = *static_cast<const Sgd*>(args.state);
  rule.lr = *args.input<float>(2);
  sgd(rule, args.in_type(0).elements(), args.input<float>(0), args.input<float>(1), args.input<float>(3),
      args.output<float>(0), args.output<float>(1));
}

std::vector<Type> infer_adam(const InferContext& context) {
  for (const size_t operand : {1, 4, 5}) require_like_parameter(context, operand);
  require_scalar(context, 2, "lr");
  require_scalar(context, 3, "step", true);
  require_outputs(context, 3);
  return {context.type(0), context.type(0), context.type(0)};
}

struct AdamState {
  double beta1, beta2, epsilon, weight_decay;
  bool decoupled;
};

Prepared prepare_adam(const KernelQuery& query) {
  const auto attribute = [&](std::string_view name) { return as_written(query.attrs.real(name)); };
  return {std::make_shared<AdamState>(AdamState{.beta1 = attribute("beta1"),
                                                .beta2 = attribute("beta2"),
                                                .epsilon = attribute("epsilon"),
                                                .weight_decay = attribute("weight_decay"),
                                                .decoupled = query.attrs.integer("decoupled") != 0}),
          0};
}

Adam adam_rule(const AdamState& state, double lr, double step) {
  return {.beta1 = static_cast<float>(state.beta1),
          .rest1 = static_cast<float>(1 - state.beta1),
          .beta2 = static_cast<float>(state.beta2),
          .rest2 = static_cast<float>(1 - state.beta2),
          .l2 = state.decoupled ? 0 : static_cast<float>(state.weight_decay),
          .decay = state.decoupled ? static_cast<float>(1 - lr * state.weight_decay) : 1,
          .step_size = static_cast<float>(lr / (1 - std::pow(state.beta1, step))),
          .root = static_cast<float>(std::sqrt(1 - std::pow(state.beta2, step))),
          .epsilon = static_cast<float>(state.epsilon)};
}

double step_of(const KernelArgs& args) {
  const bool is_integer = args.in_type(3).dtype == DType::i64;
  return is_integer ? static_cast<double>(*args.input<int64_t>(3)) : *args.input<float>(3);
}

void run_adam(const KernelArgs& args) {
  const Adam rule = adam_rule(*static_cast<const AdamState*>(args.state), *args.input<float>(2), step_of(args));
  adam(rule, args.in_type(0).elements(), args.input<float>(0), args.input<float>(1), args.input<float>(4),
       args.input<float>(5), args.output<float>(0), args.output<float>(1), args.output<float>(2));
}

std::vector<Type> infer_adagrad(const InferContext& context) {
  for (const size_t operand : {1, 4}) require_like_parameter(context, operand);
  require_scalar(context, 2, "lr");
  require_scalar(context, 3, "step", true);
  require_outputs(context, 2);
  return {context.type(0), context.type(0)};
}

struct AdagradState {
  double lr_decay, weight_decay, epsilon;
};

Prepared prepare_adagrad(const KernelQuery& query) {
  const auto attribute = [&](std::string_view name) { return as_written(query.attrs.real(name)); };
  return {.state = std::make_shared<AdagradState>(AdagradState{.lr_decay = attribute("lr_decay"),
                                                               .weight_decay = attribute("weight_decay"),
                                                               .epsilon = attribute("epsilon")})};
}

void run_adagrad(const KernelArgs& args) {
  const AdagradState& state = *static_cast<const AdagradState*>(args.state);
  const double lr = *args.input<float>(2);
  const Adagrad rule{.step_size = static_cast<float>(lr / (1 + (step_of(args) - 1) * state.lr_decay)),
                     .weight_decay = static_cast<float>(state.weight_decay),
                     .epsilon = static_cast<float>(state.epsilon)};
  adagrad(rule, args.in_type(0).elements(), args.input<float>(0), args.input<float>(1), args.input<float>(4),
          args.output<float>(0), args.output<float>(1));
}

// Operands w, g, lr, square, then the mean where centered, then the velocity where there is momentum.
std::vector<Type> infer_rmsprop(const InferContext& context) {
  const size_t states =
      1 + (context.attrs.integer("centered") != 0 ? 1 : 0) + (context.attrs.real("momentum") != 0 ? 1 : 0);
  if (context.operands.size() != 3 + states)
    throw Error("takes ", 3 + states, " operands, not ", context.operands.size());
  require_like_parameter(context, 1);
  require_scalar(context, 2, "lr");
  for (size_t i = 0; i < states; ++i) require_like_parameter(context, 3 + i);
  require_outputs(context, 1 + states);
  return std::vector<Type>(1 + states, context.type(0));
}

Prepared prepare_rmsprop(const KernelQuery& query) {
  const auto attribute = [&](std::string_view name) { return as_written(query.attrs.real(name)); };
  return {.state = std::make_shared<RmsProp>(RmsProp{.alpha = static_cast<float>(attribute("alpha")),
                                                     .rest = static_cast<float>(1 - attribute("alpha")),
                                                     .epsilon = static_cast<float>(attribute("epsilon")),
                                                     .weight_decay = static_cast<float>(attribute("weight_decay")),
                                                     .momentum = static_cast<float>(attribute("momentum"))})};
}

void run_rmsprop(const KernelArgs& args) {
  RmsProp rule = *static_cast<const RmsProp*>(args.state);
  rule.lr = *args.input<float>(2);
  const bool centered = args.attrs().integer("centered") != 0, moves = rule.momentum != 0;
  const size_t velocity = centered ? 5 : 4;
  const RmsPropState<const float> state{.square = args.input<float>(3),
                                        .mean = centered ? args.input<float>(4) : nullptr,
                                        .velocity = moves ? args.input<float>(velocity) : nullptr};
  const RmsPropState<float> next{.square = args.output<float>(1),
                                 .mean = centered ? args.output<float>(2) : nullptr,
                                 .velocity = moves ? args.output<float>(velocity - 2) : nullptr};
  rmsprop(rule, args.in_type(0).elements(), args.input<float>(0), args.input<float>(1), state, args.output<float>(0),
          next);
}

}  // namespace

extern const OpDef kSGD = {
    .name = "SGD",
    .doc =
        "torch.optim.SGD from (w, g, lr, velocity): d = g + weight_decay * w, velocity.next = momentum * "
        "velocity + (1 - dampening) * d, w.next = w - lr * velocity.next, or w - lr * (d + momentum * "
        "velocity.next) with nesterov, or w - lr * d without momentum and velocity. Velocities start at zero",
    .min_inputs = 3,
    .max_inputs = 4,
    .max_outputs = 2,
    .defaults = {{"momentum", 0.0f}, {"nesterov", int64_t{0}}, {"weight_decay", 0.0f}, {"dampening", 0.0f}},
    .infer = infer_sgd,
    .kernels = {{.name = "sgd_f32", .prepare = prepare_sgd, .run = run_sgd}},
    .in_place = true,
};

extern const OpDef kAdam = {
    .name = "Adam",
    .doc =
        "torch.optim.Adam, or AdamW when `decoupled`, from (w, g, lr, step, m, v): w.next, m.next, v.next. step "
        "counts from 1; m and v start at zero",
    .min_inputs = 6,
    .max_inputs = 6,
    .max_outputs = 3,
    .defaults =
        {{"beta1", 0.9f}, {"beta2", 0.999f}, {"epsilon", 1e-8f}, {"weight_decay", 0.0f}, {"decoupled", int64_t{0}}},
    .infer = infer_adam,
    .kernels = {{.name = "adam_f32", .prepare = prepare_adam, .run = run_adam}},
    .in_place = true,
};

extern const OpDef kAdagrad = {
    .name = "Adagrad",
    .doc =
        "torch.optim.Adagrad from (w, g, lr, step, s): d = g + weight_decay * w, s.next = s + d^2, w.next = w - lr / "
        "(1 "
        "+ (step - 1) * lr_decay) * d / (sqrt(s.next) + epsilon). step counts from 1; s starts at zero",
    .min_inputs = 5,
    .max_inputs = 5,
    .max_outputs = 2,
    .defaults = {{"lr_decay", 0.0f}, {"epsilon", 1e-10f}, {"weight_decay", 0.0f}},
    .infer = infer_adagrad,
    .kernels = {{.name = "adagrad_f32", .prepare = prepare_adagrad, .run = run_adagrad}},
    .in_place = true,
};

extern const OpDef kRMSprop = {
    .name = "RMSprop",
    .doc =
        "torch.optim.RMSprop from (w, g, lr, s, m where centered, b where there is momentum), states that start at "
        "zero: d = g + weight_decay * w, s.next = alpha * s + (1 - alpha) * d^2, m.next = alpha * m + (1 - alpha) * d, "
        "u = "
        "d / (sqrt(s.next - m.next^2) + epsilon), b.next = momentum * b + u, w.next = w - lr * b.next, or w - lr * u",
    .min_inputs = 4,
    .max_inputs = 6,
    .max_outputs = 4,
    .defaults =
        {{"alpha", 0.99f}, {"epsilon", 1e-8f}, {"momentum", 0.0f}, {"weight_decay", 0.0f}, {"centered", int64_t{0}}},
    .infer = infer_rmsprop,
    .kernels = {{.name = "rmsprop_f32", .prepare = prepare_rmsprop, .run = run_rmsprop}},
    .in_place = true,
};

}  // namespace marvin
