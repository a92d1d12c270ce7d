// One update of a float32 parameter, as torch.optim computes it (in this order, each operation rounded to float32).
// Every output may be written over any input.
#pragma once

#include <cstdint>

namespace marvin {

// d = g + weight_decay * w;  b = momentum * velocity + (1 - dampening) * d;
// w' = w - lr * (nesterov ? d + momentum * b : b).
struct Sgd {
  float lr = 0, momentum = 0, damped = 1, weight_decay = 0;  // damped: 1 - dampening
  bool nesterov = false;
};

// Velocities may both be null: without momentum, w' = w - lr * d.
void sgd(const Sgd& rule, int64_t count, const float* w, const float* g, const float* velocity, float* w_next,
         float* velocity_next);

// d = g + l2 * w;  m' = beta1 * m + (1 - beta1) * d;  v' = beta2 * v + (1 - beta2) * d * d;
// w' = decay * w - step_size * m' / (sqrt(v') / root + epsilon).
struct Adam {
  float beta1 = 0, rest1 = 0, beta2 = 0, rest2 = 0;  // rest: 1 - beta
  float l2 = 0;                                      // weight decay that goes through the gradient, 0 for AdamW
  float decay = 1;                                   // 1 - lr * weight decay for AdamW, else 1
  float step_size = 0;                               // lr / (1 - beta1^step)
  float root = 1;                                    // sqrt(1 - beta2^step)
  float epsilon = 0;
};

void adam(const Adam& rule, int64_t count, const float* w, const float* g, const float* m, const float* v,
          float* w_next, float* m_next, float* v_next);

// d = g + weight_decay * w;  s' = s + d * d;  w' = w - step_size * d / (sqrt(s') + epsilon).
struct Adagrad {
  float step_size = 0;  // lr / (1 + (step - 1) * lr_decay)
  float weight_decay = 0, epsilon = 0;
};

void adagrad(const Adagrad& rule, int64_t count, const float* w, const float* g, const float* sum, float* w_next,
             float* sum_next);

// d = g + weight_decay * w;  s' = alpha * s + (1 - alpha) * d * d;  m' = alpha * m + (1 - alpha) * d where centered;
// u = d / (sqrt(s' - m' * m') + epsilon);  b' = momentum * b + u;  w' = w - lr * b', or w - lr * u without momentum.
struct RmsProp {
  float lr = 0, alpha = 0, rest = 0;  // rest: 1 - alpha
  float epsilon = 0, weight_decay = 0, momentum = 0;
};

// What a parameter has besides itself. A null mean: not centered; a null velocity: no momentum.
template <class Float>
struct RmsPropState {
  Float *square = nullptr, *mean = nullptr, *velocity = nullptr;
};

void rmsprop(const RmsProp& rule, int64_t count, const float* w, const float* g, const RmsPropState<const float>& state,
             float* w_next, const RmsPropState<float>& next);

}  // namespace marvin
