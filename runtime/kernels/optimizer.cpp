#include "runtime/kernels/optimizer.h"

#include <cmath>

#include "runtime/kernels/parallel.h"

namespace marvin {
namespace {

constexpr int64_t kBlock = 1 << 13;

MARVIN_CLONES void sgd_block(const Sgd& by_reference, int64_t count, const float* w, const float* g, float* w_next) {
  const Sgd rule = by_reference;
#pragma GCC ivdep
  for (int64_t i = 0; i < count; ++i) {
    const float d = rule.weight_decay != 0 ? g[i] + rule.weight_decay * w[i] : g[i];
    w_next[i] = w[i] - rule.lr * d;
  }
}

MARVIN_CLONES void momentum_block(const Sgd& by_reference, int64_t count, const float* w, const float* g,
                                  const float* velocity, float* w_next, float* velocity_next) {
  const Sgd rule = by_reference;
#pragma GCC ivdep
  for (int64_t i = 0; i < count; ++i) {
    const float old = w[i];
    const float d = rule.weight_decay != 0 ? g[i] + rule.weight_decay * old : g[i];
    const float b = rule.momentum * velocity[i] + rule.damped * d;
    w_next[i] = old - rule.lr * (rule.nesterov ? d + rule.momentum * b : b);
    velocity_next[i] = b;
  }
}

MARVIN_CLONES void adam_block(const Adam& by_reference, int64_t count, const float* w, const float* g, const float* m,
                              const float* v, float* w_next, float* m_next, float* v_next) {
  const Adam rule = by_reference;
#pragma GCC ivdep
  for (int64_t i = 0; i < count; ++i) {
    const float old = w[i];
    const float d = rule.l2 != 0 ? g[i] + rule.l2 * old : g[i];
    const float mean = m[i] * rule.beta1 + rule.rest1 * d;
    const float square = v[i] * rule.beta2 + rule.rest2 * d * d;
    const float denominator = std::sqrt(square) / rule.root + rule.epsilon;
    w_next[i] = old * rule.decay - rule.step_size * mean / denominator;
    m_next[i] = mean;
    v_next[i] = square;
  }
}

MARVIN_CLONES void adagrad_block(const Adagrad& by_reference, int64_t count, const float* w, const float* g,
                                 const float* sum, float* w_next, float* sum_next) {
  const Adagrad rule = by_reference;
#pragma GCC ivdep
  for (int64_t i = 0; i < count; ++i) {
    const float old = w[i];
    const float d = rule.weight_decay != 0 ? g[i] + rule.weight_decay * old : g[i];
    const float square = sum[i] + d * d;
    w_next[i] = old - rule.step_size * d / (std::sqrt(square) + rule.epsilon);
    sum_next[i] = square;
  }
}

MARVIN_CLONES void rmsprop_block(const RmsProp& by_reference, int64_t count, const float* w, const float* g,
                                 const RmsPropState<const float>& state_by_reference, float* w_next,
                                 const RmsPropState<float>& next_by_reference) {
  const RmsProp rule = by_reference;
  const RmsPropState<const float> state = state_by_reference;
  const RmsPropState<float> next = next_by_reference;
#pragma GCC ivdep
  for (int64_t i = 0; i < count; ++i) {
    const float old = w[i];
    const float d = rule.weight_decay != 0 ? g[i] + rule.weight_decay * old : g[i];
    const float square = rule.alpha * state.square[i] + rule.rest * d * d;
    float variance = square;
    if (state.mean) {
      const float mean = rule.alpha * state.mean[i] + rule.rest * d;
      variance = square - mean * mean;
      next.mean[i] = mean;
    }
    const float root = std::sqrt(variance) + rule.epsilon;
    if (state.velocity) {
      const float b = rule.momentum * state.velocity[i] + d / root;
      w_next[i] = old - rule.lr * b;
      next.velocity[i] = b;
    } else {
      w_next[i] = old - rule.lr * d / root;
    }
    next.square[i] = square;
  }
}

template <class Float>
RmsPropState<Float> from(const RmsPropState<Float>& state, int64_t i) {
  return {state.square + i, state.mean ? state.mean + i : nullptr, state.velocity ? state.velocity + i : nullptr};
}

}  // namespace

void sgd(const Sgd& rule, int64_t count, const float* w, const float* g, const float* velocity, float* w_next,
         float* velocity_next) {
  parallel_blocks(count, kBlock, [&](int64_t begin, int64_t end) {
    if (!velocity) return sgd_block(rule, end - begin, w + begin, g + begin, w_next + begin);
    momentum_block(rule, end - begin, w + begin, g + begin, velocity + begin, w_next + begin, velocity_next + begin);
  });
}

void adam(const Adam& rule, int64_t count, const float* w, const float* g, const float* m, const float* v,
          float* w_next, float* m_next, float* v_next) {
  parallel_blocks(count, kBlock, [&](int64_t begin, int64_t end) {
    adam_block(rule, end - begin, w + begin, g + begin, m + begin, v + begin, w_next + begin, m_next + begin,
               v_next + begin);
  });
}

void adagrad(const Adagrad& rule, int64_t count, const float* w, const float* g, const float* sum, float* w_next,
             float* sum_next) {
  parallel_blocks(count, kBlock, [&](int64_t begin, int64_t end) {
    adagrad_block(rule, end - begin, w + begin, g + begin, sum + begin, w_next + begin, sum_next + begin);
  });
}

void rmsprop(const RmsProp& rule, int64_t count, const float* w, const float* g, const RmsPropState<const float>& state,
             float* w_next, const RmsPropState<float>& next) {
  parallel_blocks(count, kBlock, [&](int64_t begin, int64_t end) {
    rmsprop_block(rule, end - begin, w + begin, g + begin, from(state, begin), w_next + begin, from(next, begin));
  });
}

}  // namespace marvin
