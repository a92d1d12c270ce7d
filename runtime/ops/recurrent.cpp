// RNN, GRU and LSTM, written out step by step: one product of all steps' inputs with W, and one with R per step, whose
// weights are the same value in every step.
#include <algorithm>

#include "runtime/ops/recurrent_step.h"

namespace marvin {
namespace {

// Every step is nodes of its own.
constexpr int64_t kMostSteps = 1 << 14;

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
      unroll(static_cast<size_t>(d), Pen(c_, hidden_, {first, first + count}, c_.attrs().real("clip")));
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
    if (steps_ < 1 || steps_ > kMostSteps)
      throw Error("cannot write out ", steps_, " steps; 1 to ", kMostSteps, " can be");
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
    std::vector<ValueId> none(static_cast<size_t>(directions_));
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
  ValueId x_;                                               // [steps * n, inputs]
  std::vector<ValueId> w_, r_, bias_, peepholes_, h_, c0_;  // per direction
  std::vector<ValueId> goes_on_;                            // [n, 1] per step
  std::vector<std::vector<ValueId>> y_;                     // per direction and step
  std::vector<State> last_;                                 // per direction
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
  const bool coupled = context.attrs().integer("input_forget") != 0;
  return Recurrence(
             context,
             {.gates = 4, .activations = {"Sigmoid", "Tanh", "Tanh"}, .step = coupled ? coupled_lstm_step : lstm_step})
      .outputs();
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

extern const OpDef kRNN = {
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

extern const OpDef kGRU = {
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

extern const OpDef kLSTM = {
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
