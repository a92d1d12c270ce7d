#include "runtime/train/format_control.h"

#include <cmath>

namespace marvin {

void FormatControl::adopt(const StepPlan& plan) {
  slots_ = plan.executor->plan().slots;
  const size_t count = slots_.size();
  partners_ = plan.compiled.partners;
  formats_.assign(count, {});
  wanted_.assign(count, {});
  evidence_.resize(count);
  gradients_.resize(count);
  windows_.resize(count);
  switches_.reserve(count);
  decision_.clear(count);
  const Graph& graph = plan.compiled.graph;
  for (size_t i = 0; i < count; ++i) {
    const Shape& shape = graph.type_of(graph.find(slots_[i].name)).shape;
    windows_[i].slot = &slots_[i];
    windows_[i].partners = partners_[i];
    windows_[i].row_elements = elements(shape) / (shape.empty() ? 1 : std::max<int64_t>(1, shape[0]));
    windows_[i].to_optimizer = i >= plan.compiled.product_slots;
  }
}

void FormatControl::begin(const StepPlan& plan) {
  show(plan);
  for (const SlotWindow& window : windows_) first_ranges_.push_back(window.stats[QuantizeStats::absmax]);
  formats_ = wanted_ = policy_->begin(windows_, state_);
}

void FormatControl::show(const StepPlan& plan) {
  for (size_t i = 0; i < slots_.size(); ++i) {
    windows_[i].format = wanted_[i];
    windows_[i].stats = plan.executor->output<float>(*plan.shown[i].stats);
    windows_[i].sample = plan.executor->output<float>(*plan.shown[i].sample);
  }
}

void FormatControl::look(const StepPlan& plan, bool epoch_ends) {
  if (!policy_) return;
  show(plan);
  const GradientRule rule = policy_->gradient_rule();
  if (rule.epoch_ends && !epoch_ends) return;
  for (size_t i = 0; i < slots_.size(); ++i)
    if (plan.shown[i].gradient_sample)
      gradients_[i].resize(plan.executor->output<float>(*plan.shown[i].gradient_sample).size());
#pragma omp parallel for schedule(dynamic)
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (!plan.shown[i].gradient_sample) continue;
    gradients_[i].add(plan.executor->output<float>(*plan.shown[i].gradient_sample), rule);
    windows_[i].gradients = gradients_[i].count();
    windows_[i].gradient_sum_norm = gradients_[i].sum_norm();
    windows_[i].gradient_square_norms = gradients_[i].square_norms();
  }
}

std::span<const FormatChange> FormatControl::decide(const Progress& progress) {
  switches_.clear();
  if (!policy_) return switches_;
  decision_.clear(slots_.size());
  policy_->decide(windows_, progress, state_, decision_);
  for (const FormatChange& change : decision_.changes) {
    wanted_[change.slot] = change.to;
    evidence_[change.slot] = change.evidence;
  }
  for (size_t i = 0; i < slots_.size(); ++i)
    if (decision_.restart[i]) gradients_[i].reset();
  if (at_epoch_ && !progress.epoch_ends) return switches_;
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (wanted_[i] != formats_[i]) switches_.push_back({i, formats_[i], wanted_[i], evidence_[i]});
    formats_[i] = wanted_[i];
  }
  return switches_;
}

std::vector<SlotFormatNow> FormatControl::now() const {
  std::vector<SlotFormatNow> result;
  for (size_t i = 0; i < slots_.size(); ++i) {
    result.push_back({slots_[i], formats_[i], decision_.tests[i].needed_wl, first_ranges_[i]});
  }
  return result;
}

Formats FormatControl::by_name() const {
  Formats formats;
  for (size_t i = 0; i < slots_.size(); ++i) formats[slots_[i].name] = formats_[i];
  return formats;
}

void FormatControl::cost(std::span<SlotCost> costs) const {
  for (size_t i = 0; i < slots_.size(); ++i) {
    costs[i] = {.format = formats_[i],
                .nonzero = 1 - static_cast<double>(windows_[i].stats[QuantizeStats::underflowed]),
                .lookback = decision_.tests[i].lookback,
                .resolution = decision_.tests[i].resolution};
  }
}

std::string FormatControl::first_not_finite() const {
  for (const SlotWindow& window : windows_) {
    if (std::isfinite(window.stats[QuantizeStats::mean_abs])) continue;
    return cat("layer '", window.slot->layer, "' (", window.slot->name, ")");
  }
  return "";
}

}  // namespace marvin
