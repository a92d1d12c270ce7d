#include "runtime/kernels/softmax_loss.h"

#include <algorithm>
#include <cmath>

#include "runtime/kernels/parallel.h"

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
    if (label == args.ignore_index) {
      body(i, int64_t{-1}, T{0});
    } else {
      body(i, label, (args.reduction == Reduction::none ? dloss[i] : common) * args.weight(label));
    }
  }
}

}  // namespace

template <class T>
void nll_loss(const LossArgs<T>& args, const T* log_prob, T* loss) {
  double sum = 0;
  for (int64_t i = 0; i < args.positions(); ++i) {
    const int64_t label = args.label(i);
    const bool ignored = label == args.ignore_index;
    const T term = ignored ? T{0} : -log_prob[args.selected(i, label)] * args.weight(label);
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
    if (label >= 0) dx[args.selected(position, label)] = -factor;
  });
}

template <class T>
void cross_entropy_grad(const LossArgs<T>& args, const T* dloss, const T* log_prob, T* dx) {
  each_position(args, dloss, [&](int64_t position, int64_t label, T factor) {
    int64_t at = args.selected(position, 0);
    for (int64_t c = 0; c < args.classes; ++c, at += args.inner) {
      dx[at] = label < 0 ? T{0} : factor * (std::exp(log_prob[at]) - (c == label ? T{1} : T{0}));
    }
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
