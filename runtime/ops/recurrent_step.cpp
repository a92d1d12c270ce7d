#include "runtime/ops/recurrent_step.h"

#include <algorithm>
#include <array>

namespace marvin {
namespace {

// ---- Activation functions -------------------------------------------------------------------------------------------

ValueId apply_op(Builder& c, ValueId x, const Activation& self) { return c.build(self.name, {x}); }

ValueId apply_op_with_attributes(Builder& c, ValueId x, const Activation& self) {
  Attrs attrs = {{"alpha", self.alpha}};
  if (self.has_beta) attrs.set("beta", self.beta);
  return c.build(self.name, {x}, attrs);
}

ValueId apply_affine(Builder& c, ValueId x, const Activation& self) {
  return c.build("Add", {c.build("Mul", {x, c.scalar_like(x, self.alpha)}), c.scalar_like(x, self.beta)});
}

ValueId apply_scaled_tanh(Builder& c, ValueId x, const Activation& self) {
  const ValueId tanh = c.build("Tanh", {c.build("Mul", {x, c.scalar_like(x, self.beta)})});
  return c.build("Mul", {tanh, c.scalar_like(x, self.alpha)});
}

const std::array kActivations =
    std::to_array<Activation>({{"Affine", true, true, 1, 0, apply_affine},
                               {"Elu", true, false, 1, 0, apply_op_with_attributes},
                               {"HardSigmoid", true, true, 0.2f, 0.5f, apply_op_with_attributes},
                               {"LeakyRelu", true, false, 0.01f, 0, apply_op_with_attributes},
                               {"Relu", false, false, 0, 0, apply_op},
                               {"ScaledTanh", true, true, 1, 1, apply_scaled_tanh},
                               {"Sigmoid", false, false, 0, 0, apply_op},
                               {"Softplus", false, false, 0, 0, apply_op},
                               {"Softsign", false, false, 0, 0, apply_op},
                               {"Tanh", false, false, 0, 0, apply_op},
                               {"ThresholdedRelu", true, false, 1, 0, apply_op_with_attributes}});

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char letter) { return letter >= 'A' && letter <= 'Z' ? letter - 'A' + 'a' : letter; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

const Activation& activation_named(const std::string& name) {
  for (const Activation& row : kActivations)
    if (equal_ignoring_case(row.name, name)) return row;
  std::vector<std::string> known;
  for (const Activation& row : kActivations) known.emplace_back(row.name);
  throw Error("the activation '", name, "' is not known.", suggestion(name, known));
}

// ---- Parts of cells -------------------------------------------------------------------------------------------------

// h' = (1 - z) * candidate + z * h
State gru_state(const Pen& pen, ValueId z, ValueId candidate, ValueId h) {
  return {.h = pen.sum(pen.product(pen.complement(z), candidate), pen.product(z, h))};
}

struct LstmGates {
  ValueId input, forget, output, candidate;  // output: not activated where it peeps at the new cell
};

LstmGates plain_gates(const Pen& pen, ValueId sums) {
  const std::vector<ValueId> parts = pen.split(sums, {3, 1});
  const std::vector<ValueId> gates = pen.split(pen.activate(0, parts[0]), {1, 1, 1});
  return {.input = gates[0], .forget = gates[2], .output = gates[1], .candidate = pen.activate(1, parts[1])};
}

LstmGates peeping_gates(const Pen& pen, ValueId sums, ValueId peep_input, ValueId peep_forget, ValueId cell) {
  const std::vector<ValueId> parts = pen.split(sums, {1, 1, 1, 1});
  return {.input = pen.activate(0, pen.sum(parts[0], pen.product(peep_input, cell))),
          .forget = pen.activate(0, pen.sum(parts[2], pen.product(peep_forget, cell))),
          .output = parts[1],
          .candidate = pen.activate(1, parts[3])};
}

Step lstm_step(const Pen& pen, const Weights& weights, bool coupled) {
  const bool peeps = weights.peepholes.valid();
  const std::vector<ValueId> peep = peeps ? pen.split(weights.peepholes, {1, 1, 1}) : std::vector<ValueId>(3);
  return [=](ValueId projected, const State& before) -> State {
    const ValueId sums = pen.recur(before.h, weights.r, projected);
    LstmGates gates = peeps ? peeping_gates(pen, sums, peep[0], peep[2], before.c) : plain_gates(pen, sums);
    if (coupled) gates.forget = pen.complement(gates.input);
    const ValueId cell = pen.sum(pen.product(gates.forget, before.c), pen.product(gates.input, gates.candidate));
    if (peeps) gates.output = pen.activate(0, pen.sum(gates.output, pen.product(peep[1], cell)));
    return {.h = pen.product(gates.output, pen.apply(2, cell)), .c = cell};
  };
}

}  // namespace

std::vector<Activation> activations_of(const Attrs& attrs, const std::vector<std::string>& implied, size_t directions) {
  std::vector<std::string> names = attrs.strings("activations");
  for (size_t i = 0; i < directions && attrs.strings("activations").empty(); ++i)
    names.insert(names.end(), implied.begin(), implied.end());
  if (names.size() != directions * implied.size()) {
    throw Error("activations lists ", names.size(), " functions, not ", directions * implied.size());
  }
  const std::vector<float>&alphas = attrs.reals("activation_alpha"), &betas = attrs.reals("activation_beta");
  size_t alpha = 0, beta = 0;
  std::vector<Activation> result;
  for (const std::string& name : names) {
    Activation function = activation_named(name);
    if (function.has_alpha && alpha < alphas.size()) function.alpha = alphas[alpha++];
    if (function.has_beta && beta < betas.size()) function.beta = betas[beta++];
    result.push_back(function);
  }
  return result;
}

Step rnn_step(const Pen& pen, const Weights& weights) {
  return [=](ValueId projected, const State& before) -> State {
    return {.h = pen.activate(0, pen.recur(before.h, weights.r, projected))};
  };
}

Step gru_step(const Pen& pen, const Weights& weights) {
  const std::vector<ValueId> r = pen.split(weights.r, {2, 1}, 0);
  return [=](ValueId projected, const State& before) {
    const std::vector<ValueId> parts = pen.split(projected, {2, 1});
    const std::vector<ValueId> zr = pen.split(pen.activate(0, pen.recur(before.h, r[0], parts[0])), {1, 1});
    const ValueId candidate = pen.activate(1, pen.recur(pen.product(zr[1], before.h), r[1], parts[1]));
    return gru_state(pen, zr[0], candidate, before.h);
  };
}

Step gru_step_linear_before_reset(const Pen& pen, const Weights& weights) {
  return [=](ValueId projected, const State& before) {
    const std::vector<ValueId> parts = pen.split(projected, {2, 1});
    const ValueId product = pen.recur(before.h, weights.r, weights.r_bias);
    const std::vector<ValueId> recurred = product.valid() ? pen.split(product, {2, 1}) : std::vector<ValueId>(2);
    const std::vector<ValueId> zr = pen.split(pen.activate(0, pen.sum(parts[0], recurred[0])), {1, 1});
    const ValueId candidate = pen.activate(1, pen.sum(parts[1], pen.product(zr[1], recurred[1])));
    return gru_state(pen, zr[0], candidate, before.h);
  };
}

Step lstm_step(const Pen& pen, const Weights& weights) { return lstm_step(pen, weights, false); }
Step coupled_lstm_step(const Pen& pen, const Weights& weights) { return lstm_step(pen, weights, true); }

}  // namespace marvin
