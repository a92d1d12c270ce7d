// What the slots of a running plan show, collected step by step for a policy.
#pragma once

#include <span>
#include <vector>

#include "runtime/precision/treatment.h"

namespace marvin {

// The sum of a weight's gradients since its slot's last decision, and what they come to one by one.
class GradientWindow {
 public:
  // Makes room, so that add() of so many elements allocates nothing.
  void resize(size_t elements) { sum_.resize(elements); }
  // The first call sets the size, where resize() has not. A gradient that is not finite, or zero where the rule does
  // not count it, is left out.
  void add(std::span<const float> gradient, const GradientRule& rule = {});
  void reset();
  int64_t count() const { return count_; }
  double sum_norm() const;                               // |sum g|
  double square_norms() const { return square_norms_; }  // sum |g|^2

 private:
  std::vector<float> sum_;
  int64_t count_ = 0;
  double square_norms_ = 0;
};

}  // namespace marvin
