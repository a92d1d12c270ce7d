#include "runtime/cli/train_log.h"

#include "runtime/report/table.h"

namespace marvin {
namespace {

Json to_json(FixedPoint format) { return {{"wl", format.wl}, {"fl", format.fl}}; }

std::vector<Slot> slots_of(const std::vector<SlotFormatNow>& formats) {
  std::vector<Slot> slots;
  for (const SlotFormatNow& now : formats) slots.push_back(now.slot);
  return slots;
}

}  // namespace

TrainingLog::TrainingLog(const RunDirectory& directory, const CommonOptions& common,
                         const std::vector<SlotFormatNow>& begin, const Treatment& treatment,
                         std::function<void()> improved)
    : metrics_(directory / "metrics.jsonl"),
      precision_(directory / "precision.jsonl"),
      observations_(directory / "observations.jsonl", slots_of(begin)),
      bar_(!common.quiet),
      prints_(common.prints_text()),
      improved_(std::move(improved)) {
  for (size_t i = 0; i < begin.size(); ++i) {
    const Evidence evidence{.reason = "begin", .range = begin[i].first_range};
    log_switch(0, begin[i].slot, {.slot = i, .to = begin[i].format, .evidence = evidence}, treatment);
  }
  precision_.flush();
}

TrainingEvents TrainingLog::events() {
  return {.step = [this](const StepReport& report) { log_step(report); },
          .evaluated = [this](const StepReport& report, const Evaluation& evaluation,
                              bool best) { log_evaluation(report, evaluation, best); },
          .switched = [this](const StepReport& report, const Slot& slot,
                             const FormatChange& change) { log_switch(report.step, slot, change); },
          .observed =
              [this](const StepReport& report, const FormatControl& control) {
                observations_.observe({.step = report.step,
                                       .total_steps = report.total_steps,
                                       .ns = report.ns,
                                       .windows = control.windows(),
                                       .formats = control.formats(),
                                       .tests = control.tests()});
              }};
}

void TrainingLog::finish() {
  bar_.clear();
  metrics_.sync();
  precision_.sync();
  observations_.sync();
}

void TrainingLog::log_step(const StepReport& report) {
  metrics_.append({{"event", "step"},
                   {"step", report.step},
                   {"epoch", report.epoch},
                   {"loss", json_number(report.loss)},
                   {"lr", report.lr},
                   {"ms", ms_of(report.ns)}});
  bar_.update({report.step, report.total_steps, report.epoch, report.loss, report.lr});
}

void TrainingLog::log_evaluation(const StepReport& report, const Evaluation& evaluation, bool best) {
  Json line = {{"event", "eval"}, {"step", report.step}, {"epoch", report.epoch}};
  line.update(to_json(evaluation));
  metrics_.append(line);
  metrics_.flush();
  precision_.flush();
  observations_.flush();
  if (best) improved_();
  if (!prints_) return;
  bar_.clear();
  print_line(cat("epoch ", report.epoch, ", step ", report.step, ": ", text_of(evaluation), best ? " (best)" : ""));
}

void TrainingLog::log_switch(int64_t step, const Slot& slot, const FormatChange& change, const Treatment& treatment) {
  const Evidence& evidence = change.evidence;
  Json line = {{"step", step},
               {"slot", slot.name},
               {"layer", slot.layer},
               {"role", std::string(name_of(slot.role))},
               {"from", to_json(change.from)},
               {"to", to_json(change.to)},
               {"reason", std::string(evidence.reason)},
               {"needed_wl", evidence.needed_wl},
               {"range", json_number(evidence.range)},
               {"divergence", evidence.divergence},
               {"diversity", evidence.diversity},
               {"saturated", json_number(evidence.saturated)},
               {"underflowed", json_number(evidence.underflowed)},
               {"lookback", evidence.lookback},
               {"resolution", evidence.resolution},
               {"strategy", std::string(name_of(evidence.strategy))}};
  if (treatment != Treatment{}) line["treatment"] = text_of(treatment);
  precision_.append(line);
}

}  // namespace marvin
