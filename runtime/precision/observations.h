// What the slots of a running plan show, collected step by step for a policy.
#pragma once

#include <span>
#include <vector>

#include "runtime/precision/policy.h"

namespace marvin {

// The sum of a weight's unit-norm gradients since its slot's last decision.
class GradientWindow {
 public:
  // Adds g / |g|. A gradient that is zero everywhere counts for nothing. The first call sets the size.
  void add(std::span<const float> gradient);
  void reset();
  int64_t count() const { return count_; }
  double sum_norm() const;

 private:
  std::vector<float> sum_;
  int64_t count_ = 0;
};

}  // namespace marvin
