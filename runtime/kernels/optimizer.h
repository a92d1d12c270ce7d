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

}  // namespace marvin
