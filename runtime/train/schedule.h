// The learning rate over a run.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace marvin {

struct ScheduleOptions {
  std::string name = "constant";     // constant, step, cosine, linear, one-cycle or plateau
  double lr = 0.1;                   // the rate, or one-cycle's peak
  std::vector<int64_t> step_epochs;  // step: after these epochs ...
  double gamma = 0.1;                // ... the rate is multiplied by this; plateau: as often as nothing improves
  int64_t patience = 10;             // plateau: evaluations without improvement that are let pass
  int64_t warmup_steps = 0;          // the rate grows linearly from 0 over these, then the schedule runs
};

const std::vector<std::string>& schedule_names();

// Throws Error on an unknown name or a value that makes no sense by itself.
void check_values(const ScheduleOptions& options);

// The rate of optimizer step `step` (from 1) of `total_steps`, `steps_per_epoch` to the epoch. cosine falls to 0 with
// half a cosine wave. one-cycle is PyTorch's OneCycleLR with its defaults: cosine from lr / 25 up to lr over the first
// 30 % of the steps, then down to lr / 25e4.
// linear falls to 0 in a straight line. plateau stays: Plateau says by how much it has fallen.
double learning_rate(const ScheduleOptions& options, int64_t step, int64_t total_steps, int64_t steps_per_epoch);

// The factor of the plateau schedule, as PyTorch's ReduceLROnPlateau has it with its defaults: an evaluation improves
// when its loss is below (1 - 1e-4) times the best; after more than `patience` that do not, the factor is multiplied by
// gamma.
class Plateau {
 public:
  explicit Plateau(const ScheduleOptions& options) : options_(options) {}
  void observe(double loss);
  // 1 for every other schedule.
  double factor() const { return factor_; }

 private:
  ScheduleOptions options_;
  std::optional<double> best_;
  int64_t without_improvement_ = 0;
  double factor_ = 1;
};

}  // namespace marvin
