// A line on the terminal that shows how far training is.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace marvin {

struct ProgressState {
  int64_t step = 0, total_steps = 0;
  int64_t epoch = 0;
  double loss = 0, lr = 0;
};

// "[=====>     ]  42 %  step 1234/2930  epoch 3  loss 0.3127  lr 0.01  210 steps/s  ETA 8.1 s", in at most `width`
// columns: what does not fit is left out from the right, the bar takes what is left.
std::string progress_line(const ProgressState& state, double steps_per_s, int64_t width);

// Redraws the line on standard error at most 10 times a second. Does nothing where that is not a terminal.
class ProgressBar {
 public:
  explicit ProgressBar(bool enabled);
  ~ProgressBar() { clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void update(const ProgressState& state);
  // Takes the line away, for other output to be printed in its place.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  bool enabled_;
  bool visible_ = false;
  Clock::time_point drawn_;  // last
  Clock::time_point measured_;
  int64_t measured_step_ = 0;
  double steps_per_s_ = 0;
};

}  // namespace marvin
