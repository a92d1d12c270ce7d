// The learning rate over a run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace marvin {

struct ScheduleOptions {
  std::string name = "constant";     // constant, step, cosine or one-cycle
  double lr = 0.1;                   // the rate, or one-cycle's peak
  std::vector<int64_t> step_epochs;  // step: after these epochs ...
  double gamma = 0.1;                // ... the rate is multiplied by this
  int64_t warmup_steps = 0;          // the rate grows linearly from 0 over these, then the schedule runs
};

const std::vector<std::string>& schedule_names();

// Throws Error on an unknown name or a value that makes no sense by itself.
void check_values(const ScheduleOptions& options);

// The rate of optimizer step `step` (from 1) of `total_steps`, `steps_per_epoch` to the epoch. cosine falls to 0 with
// half a cosine wave. one-cycle is PyTorch's OneCycleLR with its defaults: cosine from lr / 25 up to lr over the first
// 30 % of the steps, then down to lr / 25e4.
double learning_rate(const ScheduleOptions& options, int64_t step, int64_t total_steps, int64_t steps_per_epoch);

}  // namespace marvin
