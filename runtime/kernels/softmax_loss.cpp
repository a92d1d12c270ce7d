#include "runtime/kernels/softmax_loss.h"

#include <algorithm>
#include <cmath>

#include "runtime/kernels/parallel.h"
#include "runtime/kernels/vector_math.h"

namespace marvin {
namespace {

template <class T>
double sum_of_weights(const LossArgs<T>& args) {
  double sum = 0;
  for (int64_t i = 0; i < args.positions(); ++i) {
    const int64_t label = args.label(i);
    if (label != args.ignore_index) sum += static_cast<double>(args.weight(label));
  }
  return sum;
}

// The factor of every position's gradient; its weight, and its own dloss without a reduction, come on top.
template <class T>
T common_factor(const LossArgs<T>& args, const T* dloss) {
  if (args.reduction == Reduction::none) return 1;
  if (args.reduction == Reduction::sum) return *dloss;
  return static_cast<T>(static_cast<double>(*dloss) / sum_of_weights(args));
}

// Calls body(position, label, factor) for every position; ignored ones have the factor 0 and the label -1.
template <class T, class Body>
void each_position(const LossArgs<T>& args, const T* dloss, Body&& body) {
  const T common = common_factor(args, dloss);
#pragma omp parallel for schedule(static) if (args.positions() * args.classes >= kParallelElements)
  for (int64_t i = 0; i < args.positions(); ++i) {
    const int64_t label = args.label(i);
    if (label == args.ignore_index)
      body(i, int64_t{-1}, T{0});
    else
      body(i, label, args.reduction == Reduction::none ? dloss[i] : common);
  }
}

template <class T>
T position_loss(const LossArgs<T>& args, const T* log_prob, int64_t position, int64_t label) {
  const T exact = -log_prob[args.selected(position, label)] * args.weight(label);
  if (args.smoothing == 0) return exact;
  double all = 0;
  for (int64_t c = 0; c < args.classes; ++c) {
    all -= static_cast<double>(args.weight(c)) * static_cast<double>(log_prob[args.selected(position, c)]);
  }
  const double mean = all / static_cast<double>(args.classes), share = args.smoothing;
  return static_cast<T>((1 - share) * static_cast<double>(exact) + share * mean);
}

// The gradient at one position with smoothing: target[c] of every class is what the loss multiplies -log_prob with.
template <class T>
void smoothed_grad(const LossArgs<T>& args, int64_t position, int64_t label, T factor, const T* log_prob, T* dx) {
  const T even = args.smoothing / static_cast<T>(args.classes), own = (1 - args.smoothing) * args.weight(label);
  T total = own;
  for (int64_t c = 0; c < args.classes; ++c) total += even * args.weight(c);
  for (int64_t c = 0; c < args.classes; ++c) {
    const int64_t at = args.selected(position, c);
    const T target = even * args.weight(c) + (c == label ? own : T{0});
    dx[at] = factor * (total * vector_exp(log_prob[at]) - target);
  }
}

constexpr int64_t kTile = 64;  // neighbouring positions that are worked on together

// y = scale * exp(x); 0 where the scale is.
template <class T>
static MARVIN_CLONES void scaled_powers(const T* x, int64_t count, T scale, T* y) {
#pragma GCC ivdep
  for (int64_t i = 0; i < count; ++i) y[i] = scale == 0 ? T{0} : scale * vector_exp(x[i]);
}

template <class T>
static MARVIN_CLONES void scaled_powers(const T* x, int64_t count, const T* scales, T* y) {
#pragma GCC ivdep
  for (int64_t i = 0; i < count; ++i) {
    const T power = scales[i] * vector_exp(x[i]);
    y[i] = scales[i] == 0 ? T{0} : power;
  }
}

// The gradient without smoothing at `count` neighbouring positions, at most kTile, of which `first` is the first.
template <class T>
void exact_grad_tile(const LossArgs<T>& args, int64_t first, int64_t count, T common, const T* dloss, const T* log_prob,
                     T* dx) {
  T scales[kTile], own[kTile];
  for (int64_t i = 0; i < count; ++i) {
    const int64_t label = args.label(first + i);
    const bool ignored = label == args.ignore_index;
    const T factor = args.reduction == Reduction::none ? dloss[first + i] : common;
    scales[i] = ignored ? T{0} : factor * args.weight(label);
    own[i] = ignored ? T{0} : scales[i] * (vector_exp(log_prob[args.selected(first + i, label)]) - T{1});
  }
  const int64_t begin = args.selected(first, 0);
  if (args.inner == 1) {
    for (int64_t i = 0; i < count; ++i) {
      const int64_t at = begin + i * args.classes;
      scaled_powers(log_prob + at, args.classes, scales[i], dx + at);
    }
  } else {
    for (int64_t c = 0; c < args.classes; ++c) {
      const int64_t at = begin + c * args.inner;
      scaled_powers(log_prob + at, count, scales, dx + at);
    }
  }
  for (int64_t i = 0; i < count; ++i) {
    const int64_t label = args.label(first + i);
    if (label != args.ignore_index) dx[args.selected(first + i, label)] = own[i];
  }
}

template <class T>
void exact_grad(const LossArgs<T>& args, const T* dloss, const T* log_prob, T* dx) {
  const T common = common_factor(args, dloss);
  const int64_t row = args.inner == 1 ? args.n : args.inner;  // of positions whose elements lie side by side
  if (row == 0) return;
  const int64_t tiles = (row + kTile - 1) / kTile;
#pragma omp parallel for schedule(static) if (args.positions() * args.classes >= kParallelElements)
  for (int64_t i = 0; i < args.positions() / row * tiles; ++i) {
    const int64_t first = i % tiles * kTile;
    exact_grad_tile(args, i / tiles * row + first, std::min(kTile, row - first), common, dloss, log_prob, dx);
  }
}

}  // namespace

template <class T>
void nll_loss(const LossArgs<T>& args, const T* log_prob, T* loss) {
  double sum = 0;
  for (int64_t i = 0; i < args.positions(); ++i) {
    const int64_t label = args.label(i);
    const bool ignored = label == args.ignore_index;
    const T term = ignored ? T{0} : position_loss(args, log_prob, i, label);
    if (args.reduction == Reduction::none) loss[i] = term;
    sum += static_cast<double>(term);
  }
  if (args.reduction == Reduction::sum) *loss = static_cast<T>(sum);
  if (args.reduction == Reduction::mean) *loss = static_cast<T>(sum / sum_of_weights(args));
}

template <class T>
void nll_loss_grad(const LossArgs<T>& args, const T* dloss, T* dx) {
  std::fill_n(dx, args.positions() * args.classes, T{0});
  each_position(args, dloss, [&](int64_t position, int64_t label, T factor) {
    if (label >= 0) dx[args.selected(position, label)] = -factor * args.weight(label);
  });
}

template <class T>
void cross_entropy_grad(const LossArgs<T>& args, const T* dloss, const T* log_prob, T* dx) {
  if (args.smoothing == 0) return exact_grad(args, dloss, log_prob, dx);
  each_position(args, dloss, [&](int64_t position, int64_t label, T factor) {
    if (label >= 0) return smoothed_grad(args, position, label, factor, log_prob, dx);
    for (int64_t c = 0; c < args.classes; ++c) dx[args.selected(position, c)] = 0;
  });
}

#define MARVIN_INSTANTIATE(T)                                    \
  template void nll_loss(const LossArgs<T>&, const T*, T*);      \
  template void nll_loss_grad(const LossArgs<T>&, const T*, T*); \
  template void cross_entropy_grad(const LossArgs<T>&, const T*, const T*, T*);
MARVIN_INSTANTIATE(float)
MARVIN_INSTANTIATE(double)
#undef MARVIN_INSTANTIATE

}  // namespace marvin
