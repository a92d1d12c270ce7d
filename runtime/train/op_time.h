// Where the time of a plan goes.
#pragma once

#include <string>
#include <vector>

#include "runtime/exec/plan.h"

namespace marvin {

// One step of a plan, and the time that it took in some runs together.
struct OpTime {
  std::string op, kernel, label;
  Phase phase = Phase::forward;
  int64_t bytes = 0;       // of operands and results, each counted once
  int64_t macs = 0;        // multiply-accumulates, of a product
  int64_t word_bytes = 0;  // of the wider operand of a product; 0 elsewhere
  int64_t ns = 0, runs = 0;
};

// The steps of the plan in order, without times.
std::vector<OpTime> op_times(const Plan& plan);

}  // namespace marvin
