// Negative log likelihood of classes, on row-major log_prob[n][classes][inner] and labels[n][inner]. T is float or
// double. A label equal to ignore_index counts for nothing; every other one is in [0, classes).
#pragma once

#include <cstdint>

namespace marvin {

enum class Reduction : uint8_t { none, sum, mean };

template <class T>
struct LossArgs {
  int64_t n = 1, classes = 1, inner = 1;
  Reduction reduction = Reduction::mean;
  int64_t ignore_index = INT64_MIN;
  const void* labels = nullptr;
  bool wide_labels = true;     // int64, else int32
  const T* weights = nullptr;  // per class; null: all one
  T smoothing = 0;             // share of every label that is spread evenly over all classes

  int64_t positions() const { return n * inner; }
  int64_t label(int64_t position) const {
    return wide_labels ? static_cast<const int64_t*>(labels)[position] : static_cast<const int32_t*>(labels)[position];
  }
  T weight(int64_t label) const { return weights ? weights[label] : T{1}; }
  // The element of log_prob that a position's label selects.
  int64_t selected(int64_t position, int64_t label) const {
    return (position / inner * classes + label) * inner + position % inner;
  }
};

// loss: -weight * log_prob at the label of every position, of which a share `smoothing` is replaced by the mean of that
// over all classes; or the sum of these; or their sum divided by the sum of the labels' weights (both in float64, in
// order).
template <class T>
void nll_loss(const LossArgs<T>& args, const T* log_prob, T* loss);

// dx, the gradient by log_prob, without smoothing.
template <class T>
void nll_loss_grad(const LossArgs<T>& args, const T* dloss, T* dx);

// dx, the gradient by the scores whose log-softmax log_prob is: dloss * weight * (exp(log_prob) - [c is the label]),
// or what follows from it with smoothing, over the sum of the labels' weights for the mean. dx may be log_prob.
template <class T>
void cross_entropy_grad(const LossArgs<T>& args, const T* dloss, const T* log_prob, T* dx);

}  // namespace marvin
