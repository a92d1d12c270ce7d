// RNN, GRU and LSTM, written out step by step: one product of all steps' inputs with W, and one with R per step, whose
// weights are the same value in every step.
#include <algorithm>
#include <functional>
#include <numeric>

#include "runtime/ops/list.h"

namespace marvin {
namespace {

// ---- Activation functions -------------------------------------------------------------------------------------------

struct Activation {
  std::string_view name;
  bool has_alpha = false, has_beta = false;
  float alpha = 0, beta = 0;  // those of ONNX's op of that name, where the node gives none
  ValueId (*apply)(ExpandContext& c, ValueId x, const Activation& self) = nullptr;
};

ValueId apply_op(ExpandContext& c, ValueId x, const Activation& self) { return c.build(self.name, {x}); }

ValueId apply_op_with_attributes(ExpandContext& c, ValueId x, const Activation& self) {
  Attrs attrs = {{"alpha", self.alpha}};
  if (self.has_beta) attrs.set("beta", self.beta);
  return c.build(self.name, {x}, attrs);
}

ValueId apply_affine(ExpandContext& c, ValueId x, const Activation& self) {
  return c.build("Add", {c.build("Mul", {x, c.scalar_like(x, self.alpha)}), c.scalar_like(x, self.beta)});
}

ValueId apply_scaled_tanh(ExpandContext& c, ValueId x, const Activation& self) {
  const ValueId tanh = c.build("Tanh", {c.build("Mul", {x, c.scalar_like(x, self.beta)})});
  return c.build("Mul", {tanh, c.scalar_like(x, self.alpha)});
}

const std::array kActivations = std::to_array<Activation>(
    {{"Affine", true, true, 1, 0, apply_affine},
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

// One per activation and direction. Alphas and betas are for those that have one, in their order.
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

// ---- One step -------------------------------------------------------------------------------------------------------

// What a step takes from the one before and gives to the one after, each [n,hidden]. None stands for zeros.
struct State {
  ValueId h, c;
};

// The weights of one direction; gates lie one after the other along the first axis.
struct Weights {
  ValueId w, r;            // [gates * hidden, inputs], [gates * hidden, hidden]
  ValueId w_bias, r_bias;  // [gates * hidden], or none
  ValueId peepholes;       // [3 * hidden], or none
};

// What steps are written with. Values that are none stand for zeros.
class Pen {
 public:
  Pen(ExpandContext& context, int64_t hidden, std::vector<Activation> activations)
      : c(context), hidden_(hidden), activations_(std::move(activations)), clip_(c.attrs().real("clip")) {}

  ValueId sum(ValueId a, ValueId b) const { return a.valid() && b.valid() ? c.build("Add", {a, b}) : a.valid() ? a : b; }
  ValueId product(ValueId a, ValueId b) const {
    return a.valid() && b.valid() ? c.build("Mul", {a, b}) : ValueId{};
  }
  // h r^T + addend
  ValueId recur(ValueId h, ValueId r, ValueId addend) const {
    return h.valid() ? c.build("Gemm", {h, r, addend}, {{"transB", int64_t{1}}}) : addend;
  }
  // 1 - x
  ValueId complement(ValueId x) const { return c.build("Sub", {c.scalar_like(x, 1), x}); }
  // The parts of x along `axis`, as many times hidden elements as listed.
  std::vector<ValueId> split(ValueId x, std::vector<int64_t> gates, int64_t axis = -1) const {
    for (int64_t& gate : gates) gate *= hidden_;
    return c.build_many("Split", {x, c.constant_shape(gates)}, {{"axis", axis}}, std::vector<bool>(gates.size(), true));
  }
  // The activation function of that number, of an input that is clipped before.
  ValueId activate(size_t function, ValueId x) const {
    if (clip_ != 0) x = c.build("Clip", {x, c.scalar_like(x, -clip_), c.scalar_like(x, clip_)});
    return activations_[function].apply(c, x, activations_[function]);
  }

  ExpandContext& c;

 private:
  int64_t hidden_;
  std::vector<Activation> activations_;
  float clip_;
};

// From the product of a step's input with w, [n, gates * hidden], and the state before, the state after.
using Step = std::function<State(ValueId projected, const State& before)>;

Step rnn_step(const Pen& pen, const Weights& weights) {
  return [=](ValueId projected, const State& before) -> State {
    return {.h = pen.activate(0, pen.recur(before.h, weights.r, projected))};
  };
}

// h' = (1 - z) * candidate + z * h
State gru_state(const Pen& pen, ValueId z, ValueId candidate, ValueId h) {
  return {.h = pen.sum(pen.product(pen.complement(z), candidate), pen.product(z, h))};
}

// Gates z r h. The reset gate is applied to the state before the product with r.
Step gru_step(const Pen& pen, const Weights& weights) {
  const std::vector<ValueId> r = pen.split(weights.r, {2, 1}, 0);
  return [=](ValueId projected, const State& before) {
    const std::vector<ValueId> parts = pen.split(projected, {2, 1});
    const std::vector<ValueId> zr = pen.split(pen.activate(0, pen.recur(before.h, r[0], parts[0])), {1, 1});
    const ValueId candidate = pen.activate(1, pen.recur(pen.product(zr[1], before.h), r[1], parts[1]));
    return gru_state(pen, zr[0], candidate, before.h);
  };
}

// The same, but the reset gate is applied to the product.
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

// Gates i o f c, peepholes i o f.
Step lstm_step(const Pen& pen, const Weights& weights) {
  const bool peeps = weights.peepholes.valid(), coupled = pen.c.attrs().integer("input_forget") != 0;
  const std::vector<ValueId> peep = peeps ? pen.split(weights.peepholes, {1, 1, 1}) : std::vector<ValueId>(3);
  return [=](ValueId projected, const State& before) -> State {
    const ValueId sums = pen.recur(before.h, weights.r, projected);
    LstmGates gates = peeps ? peeping_gates(pen, sums, peep[0], peep[2], before.c) : plain_gates(pen, sums);
    if (coupled) gates.forget = pen.complement(gates.input);
    const ValueId cell = pen.sum(pen.product(gates.forget, before.c), pen.product(gates.input, gates.candidate));
    if (peeps) gates.output = pen.activate(0, pen.sum(gates.output, pen.product(peep[1], cell)));
    return {.h = pen.product(gates.output, pen.activate(2, cell)), .c = cell};
  };
}

// ---- All steps ------------------------------------------------------------------------------------------------------

// What tells one of the three ops from the others.
struct Family {
  int64_t gates;
  std::vector<std::string> activations;
  Step (*step)(const Pen&, const Weights&);
  bool recurrent_bias = false;  // the step adds r_bias itself
};

class Recurrence {
 public:
  Recurrence(ExpandContext& context, Family family) : c_(context), family_(std::move(family)) {
    read_sizes();
    read_operands();
    const std::vector<Activation> functions =
        activations_of(c_.attrs(), family_.activations, static_cast<size_t>(directions_));
    const auto count = static_cast<int64_t>(family_.activations.size());
    for (int64_t d = 0; d < directions_; ++d) {
      const auto first = functions.begin() + d * count;
      unroll(static_cast<size_t>(d), Pen(c_, hidden_, {first, first + count}));
    }
  }

  // Y, Y_h and Y_c, those that are wanted.
  std::vector<ValueId> outputs() const {
    std::vector<ValueId> results(3);
    if (c_.wants(0)) results[0] = all_states();
    if (c_.wants(1)) results[1] = last_states(&State::h);
    if (c_.wants(2)) results[2] = last_states(&State::c);
    return results;
  }

 private:
  void read_sizes() {
    const std::string& direction = c_.attrs().string("direction");
    if (direction != "forward" && direction != "reverse" && direction != "bidirectional") {
      throw Error("direction is forward, reverse or bidirectional, not '", direction, "'");
    }
    directions_ = direction == "bidirectional" ? 2 : 1;
    reversed_ = direction == "reverse";
    batch_first_ = c_.attrs().has("layout") && c_.attrs().integer("layout") != 0;
    const Shape x = c_.shape(c_.in(0)), r = c_.shape(c_.in(2));
    if (x.size() != 3) throw Error("x must have three axes, not [", text_of(x), "]");
    if (r.size() != 3) throw Error("r must have three axes, not [", text_of(r), "]");
    steps_ = x[batch_first_ ? 1 : 0];
    batch_ = x[batch_first_ ? 0 : 1];
    inputs_ = x[2];
    hidden_ = r[2];
    if (steps_ < 1) throw Error("x has no steps: [", text_of(x), "]");
    if (hidden_ < 1) throw Error("r is empty: [", text_of(r), "]");
    const int64_t stated = c_.attrs().integer("hidden_size");
    if (stated != 0 && stated != hidden_) throw Error("hidden_size is ", stated, " but r is [", text_of(r), "]");
  }

  void read_operands() {
    const int64_t all_gates = family_.gates * hidden_;
    w_ = per_direction(1, "w", {all_gates, inputs_});
    r_ = per_direction(2, "r", {all_gates, hidden_});
    bias_ = per_direction(3, "b", {2 * all_gates});
    h_ = states(5, "initial_h");
    c0_ = states(6, "initial_c");
    peepholes_ = per_direction(7, "p", {3 * hidden_});
    x_ = c_.in(0);
    if (batch_first_) x_ = c_.transpose(x_, {1, 0, 2});
    x_ = c_.reshape(x_, {steps_ * batch_, inputs_});
    read_lengths();
  }

  // Operand i, [directions, rest...], as one value of shape `rest` per direction; nones where it is left out.
  std::vector<ValueId> per_direction(size_t i, std::string_view what, const Shape& rest) {
    const size_t count = static_cast<size_t>(directions_);
    if (!c_.in(i).valid()) return std::vector<ValueId>(count);
    Shape whole = {directions_};
    whole.insert(whole.end(), rest.begin(), rest.end());
    check_shape(i, what, whole);
    return parts(c_.in(i), rest);
  }

  std::vector<ValueId> parts(ValueId value, const Shape& rest) {
    if (directions_ == 1) return {c_.reshape(value, rest)};
    std::vector<ValueId> halves = c_.build_many("Split", {value}, {{"axis", int64_t{0}}}, {true, true});
    for (ValueId& half : halves) half = c_.reshape(half, rest);
    return halves;
  }

  // Initial states. Zeros, which exporters write where a model has none, are as if left out.
  std::vector<ValueId> states(size_t i, std::string_view what) {
    const std::vector<ValueId> none(static_cast<size_t>(directions_));
    ValueId value = c_.in(i);
    if (!value.valid()) return none;
    check_shape(i, what, batch_first_ ? Shape{batch_, directions_, hidden_} : Shape{directions_, batch_, hidden_});
    if (is_zero(value)) return none;
    if (batch_first_) value = c_.transpose(value, {1, 0, 2});
    return parts(value, {batch_, hidden_});
  }

  void check_shape(size_t i, std::string_view what, const Shape& wanted) const {
    const Shape shape = c_.shape(c_.in(i));
    if (shape != wanted) throw Error(what, " must be [", text_of(wanted), "], not [", text_of(shape), "]");
  }

  bool is_zero(ValueId value) const {
    const Tensor* data = c_.constant(value);
    if (!data || data->type().dtype != DType::f32) return false;
    return std::ranges::all_of(data->as<float>(), [](float element) { return element == 0; });
  }

  // For every step, which sequences still go on; nothing where all do.
  void read_lengths() {
    const ValueId lengths = c_.in(4);
    if (!lengths.valid()) return;
    check_shape(4, "sequence_lens", {batch_});
    if (c_.type(lengths).dtype != DType::i32) throw Error("sequence_lens must be i32, not ", text_of(c_.type(lengths)));
    if (const Tensor* data = c_.constant(lengths)) {
      const auto is_whole = [&](int32_t length) { return length >= steps_; };
      if (std::ranges::all_of(data->as<int32_t>(), is_whole)) return;
    }
    const ValueId column = c_.reshape(lengths, {batch_, 1});
    for (int64_t t = 0; t < steps_; ++t)
      goes_on_.push_back(c_.build("Greater", {column, c_.scalar_like(lengths, static_cast<double>(t))}));
  }

  // `value` in the sequences that have a step t, `otherwise` in those that have ended.
  ValueId where_going_on(int64_t t, ValueId value, ValueId otherwise) const {
    if (goes_on_.empty() || !value.valid()) return value;
    if (!otherwise.valid()) otherwise = c_.scalar_like(value, 0);
    return c_.build("Where", {goes_on_[static_cast<size_t>(t)], value, otherwise});
  }

  Weights weights_of(size_t d, const Pen& pen) const {
    Weights weights{.w = w_[d], .r = r_[d], .peepholes = peepholes_[d]};
    if (!bias_[d].valid()) return weights;
    const std::vector<ValueId> biases = pen.split(bias_[d], {family_.gates, family_.gates});
    weights.w_bias = family_.recurrent_bias ? biases[0] : pen.sum(biases[0], biases[1]);
    weights.r_bias = biases[1];
    return weights;
  }

  void unroll(size_t d, const Pen& pen) {
    const Weights weights = weights_of(d, pen);
    const Step step = family_.step(pen, weights);
    const ValueId projected = c_.build("Gemm", {x_, weights.w, weights.w_bias}, {{"transB", int64_t{1}}});
    const std::vector<ValueId> rows =
        c_.build_many("Split", {projected, c_.constant_shape(Shape(static_cast<size_t>(steps_), batch_))},
                      {{"axis", int64_t{0}}}, std::vector<bool>(static_cast<size_t>(steps_), true));
    State state{.h = h_[d], .c = c0_[d]};
    std::vector<ValueId> y(static_cast<size_t>(steps_));
    for (int64_t i = 0; i < steps_; ++i) {
      const int64_t t = reversed_ || d == 1 ? steps_ - 1 - i : i;
      const State next = step(rows[static_cast<size_t>(t)], state);
      y[static_cast<size_t>(t)] = where_going_on(t, next.h, {});
      state = {.h = where_going_on(t, next.h, state.h), .c = where_going_on(t, next.c, state.c)};
    }
    y_.push_back(std::move(y));
    last_.push_back(state);
  }

  // [steps, directions, n, hidden], or [n, steps, directions, hidden].
  ValueId all_states() const {
    std::vector<ValueId> parts;
    for (const std::vector<ValueId>& steps : y_) {
      parts.push_back(c_.reshape(c_.build("Concat", steps, {{"axis", int64_t{0}}}), {steps_, 1, batch_, hidden_}));
    }
    const ValueId y = c_.build("Concat", parts, {{"axis", int64_t{1}}});
    return batch_first_ ? c_.transpose(y, {2, 0, 1, 3}) : y;
  }

  // [directions, n, hidden], or [n, directions, hidden].
  ValueId last_states(ValueId State::*which) const {
    std::vector<ValueId> parts;
    for (const State& state : last_) parts.push_back(c_.reshape(state.*which, {1, batch_, hidden_}));
    const ValueId last = c_.build("Concat", parts, {{"axis", int64_t{0}}});
    return batch_first_ ? c_.transpose(last, {1, 0, 2}) : last;
  }

  ExpandContext& c_;
  Family family_;
  int64_t steps_ = 0, batch_ = 0, inputs_ = 0, hidden_ = 0, directions_ = 1;
  bool reversed_ = false, batch_first_ = false;
  ValueId x_;                                                 // [steps * n, inputs]
  std::vector<ValueId> w_, r_, bias_, peepholes_, h_, c0_;  // per direction
  std::vector<ValueId> goes_on_;                              // [n, 1] per step
  std::vector<std::vector<ValueId>> y_;                       // per direction and step
  std::vector<State> last_;                                   // per direction
};

std::vector<ValueId> expand_rnn(ExpandContext& context) {
  return Recurrence(context, {.gates = 1, .activations = {"Tanh"}, .step = rnn_step}).outputs();
}

std::vector<ValueId> expand_gru(ExpandContext& context) {
  const bool linear = context.attrs().integer("linear_before_reset") != 0;
  return Recurrence(context, {.gates = 3,
                              .activations = {"Sigmoid", "Tanh"},
                              .step = linear ? gru_step_linear_before_reset : gru_step,
                              .recurrent_bias = linear})
      .outputs();
}

std::vector<ValueId> expand_lstm(ExpandContext& context) {
  return Recurrence(context, {.gates = 4, .activations = {"Sigmoid", "Tanh", "Tanh"}, .step = lstm_step}).outputs();
}

// The attributes that all three have, and one more.
Attrs with(std::string_view own) {
  Attrs attrs = {{"activation_alpha", std::vector<float>{}},
                 {"activation_beta", std::vector<float>{}},
                 {"activations", std::vector<std::string>{}},
                 {"clip", 0.0f},
                 {"direction", std::string("forward")},
                 {"hidden_size", int64_t{0}},
                 {"layout", int64_t{0}}};
  if (!own.empty()) attrs.set(std::string(own), int64_t{0});
  return attrs;
}

}  // namespace

const OpDef kRNN = {
    .name = "RNN",
    .doc =
        "Operands x [steps,n,inputs], w [d,hidden,inputs], r [d,hidden,hidden], b [d,2 hidden], sequence_lens [n], "
        "initial_h [d,n,hidden]. h = f(x w^T + h r^T + wb + rb). Outputs every h, [steps,d,n,hidden], and the last, "
        "[d,n,hidden]. layout=1 puts n first",
    .min_inputs = 3,
    .max_inputs = 6,
    .max_outputs = 2,
    .defaults = with(""),
    .expand = expand_rnn,
};

const OpDef kGRU = {
    .name = "GRU",
    .doc =
        "Operands as RNN's with gates z r h: w [d,3 hidden,inputs] ... z = f(x wz^T + h rz^T + bz), r likewise, "
        "candidate = g(x wh^T + (r * h) rh^T + bh), or r * (h rh^T + rbh) where linear_before_reset; "
        "h' = (1 - z) * candidate + z * h",
    .min_inputs = 3,
    .max_inputs = 6,
    .max_outputs = 2,
    .defaults = with("linear_before_reset"),
    .expand = expand_gru,
};

const OpDef kLSTM = {
    .name = "LSTM",
    .doc =
        "Operands as RNN's with gates i o f c: w [d,4 hidden,inputs] ..., initial_c, and peepholes p [d,3 hidden] (i o "
        "f). i = f(x wi^T + h ri^T + pi * c + bi), f likewise, or 1 - i where input_forget; c' = f * c + i * g(...); "
        "o = f(... + po * c'); h' = o * h(c'). Outputs every h, the last h and the last c",
    .min_inputs = 3,
    .max_inputs = 8,
    .max_outputs = 3,
    .defaults = with("input_forget"),
    .expand = expand_lstm,
};

}  // namespace marvin
