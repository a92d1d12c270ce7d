// What a training run writes and shows while it goes on.
#pragma once

#include <functional>

#include "runtime/cli/evaluate_model.h"
#include "runtime/report/json_lines.h"
#include "runtime/report/observation_log.h"
#include "runtime/report/progress.h"
#include "runtime/report/run_directory.h"

namespace marvin {

// metrics.jsonl, precision.jsonl and observations.jsonl of a run directory, the progress bar, a line per evaluation.
class TrainingLog {
 public:
  // `begin`: the formats of the first step, which are logged as switches at step 0, with the treatment. `improved` is
  // called at every evaluation that is the best so far.
  TrainingLog(const RunDirectory& directory, const CommonOptions& common, const std::vector<SlotFormatNow>& begin,
              const Treatment& treatment, std::function<void()> improved);

  TrainingEvents events();
  // Takes the bar away and brings the files to disk.
  void finish();

 private:
  void log_step(const StepReport& report);
  void log_evaluation(const StepReport& report, const Evaluation& evaluation, bool best);
  void log_switch(int64_t step, const Slot& slot, const FormatChange& change, const Treatment& treatment = {});

  JsonLines metrics_, precision_;
  ObservationLog observations_;
  ProgressBar bar_;
  bool prints_;
  std::function<void()> improved_;
};

}  // namespace marvin
