// What training steps did when, op by op.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "runtime/report/json.h"
#include "runtime/train/trainer.h"

namespace marvin {

class StepTrace {
 public:
  // One step of training: the plan that ran, which must be at its place as long as steps are added, and how long each
  // of its steps took.
  void add(const Plan& plan, std::span<const int64_t> ns);
  // How long the last one took in all, with what is not in the plan: reading data, looking at formats.
  void end_step(int64_t step, int64_t ns);

  int64_t steps() const { return static_cast<int64_t>(runs_.size()); }
  // The plans' steps with the times of all steps of training together.
  const std::vector<OpTime>& profile() const { return profile_; }
  // All steps in Chrome's trace event format, for chrome://tracing and Perfetto: a complete event ("ph": "X") for each
  // step of training and in it one for each step of its plan, ts and dur in microseconds, args: output, kernel, bytes
  // and macs. Steps of a plan follow each other from the beginning of a step on; what is not in the plan is its rest.
  // https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
  Json events() const;

 private:
  struct Run {
    size_t first = 0;  // of the plan's steps in profile_
    std::vector<int64_t> ns;
    int64_t step = 0, total_ns = 0;
  };

  std::vector<OpTime> profile_;          // of all plans, one after the other
  std::map<const Plan*, size_t> plans_;  // where each begins
  std::vector<Run> runs_;
};

}  // namespace marvin
