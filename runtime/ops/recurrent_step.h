// One step of RNN, GRU and LSTM: the cells that recurrent.cpp unrolls.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runtime/ops/op.h"

namespace marvin {

// A function that a recurrent op names in its attribute `activations`.
struct Activation {
  std::string_view name;
  bool has_alpha = false, has_beta = false;
  float alpha = 0, beta = 0;  // those of ONNX's op of that name, where the node gives none
  ValueId (*apply)(Builder& c, ValueId x, const Activation& self) = nullptr;
};

// One per function and direction, by the attributes activations (`implied` for each direction where there are none),
// activation_alpha and activation_beta, whose numbers are for those functions that have one, in their order. Throws
// Error on unknown names and wrong counts.
std::vector<Activation> activations_of(const Attrs& attrs, const std::vector<std::string>& implied, size_t directions);

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
  Pen(Builder& builder, int64_t hidden, std::vector<Activation> activations, float clip)
      : c(builder), hidden_(hidden), activations_(std::move(activations)), clip_(clip) {}

  ValueId sum(ValueId a, ValueId b) const {
    return a.valid() && b.valid() ? c.build("Add", {a, b}) : a.valid() ? a : b;
  }
  ValueId product(ValueId a, ValueId b) const { return a.valid() && b.valid() ? c.build("Mul", {a, b}) : ValueId{}; }
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
  // The activation function of that number.
  ValueId apply(size_t function, ValueId x) const { return activations_[function].apply(c, x, activations_[function]); }
  // The same of the sum of a gate, which is clipped before.
  ValueId activate(size_t function, ValueId sum) const {
    if (clip_ != 0) sum = c.build("Clip", {sum, c.scalar_like(sum, -clip_), c.scalar_like(sum, clip_)});
    return apply(function, sum);
  }

  Builder& c;

 private:
  int64_t hidden_;
  std::vector<Activation> activations_;
  float clip_;
};

// From the product of a step's input with w, [n, gates * hidden], and the state before, the state after.
using Step = std::function<State(ValueId projected, const State& before)>;

Step rnn_step(const Pen& pen, const Weights& weights);
// Gates z r h. The reset gate is applied to the state before the product with r, or to the product.
Step gru_step(const Pen& pen, const Weights& weights);
Step gru_step_linear_before_reset(const Pen& pen, const Weights& weights);
// Gates i o f c, peepholes i o f. Coupled: f is 1 - i.
Step lstm_step(const Pen& pen, const Weights& weights);
Step coupled_lstm_step(const Pen& pen, const Weights& weights);

}  // namespace marvin
