#include "runtime/cli/step_trace.h"

#include "runtime/cli/profile.h"

namespace marvin {
namespace {

Json event(const std::string& name, const std::string& category, int64_t start_ns, int64_t ns, Json args) {
  return {{"name", name},
          {"cat", category},
          {"ph", "X"},
          {"pid", 1},
          {"tid", 1},
          {"ts", static_cast<double>(start_ns) / 1e3},
          {"dur", static_cast<double>(ns) / 1e3},
          {"args", std::move(args)}};
}

}  // namespace

void StepTrace::add(const Plan& plan, std::span<const int64_t> ns) {
  const auto [place, is_new] = plans_.try_emplace(&plan, profile_.size());
  if (is_new) {
    const std::vector<OpTime> times = op_times(plan);
    profile_.insert(profile_.end(), times.begin(), times.end());
  }
  runs_.push_back({.first = place->second, .ns = {ns.begin(), ns.end()}});
  for (size_t i = 0; i < ns.size(); ++i) {
    OpTime& time = profile_[place->second + i];
    time.ns += ns[i];
    ++time.runs;
  }
}

void StepTrace::end_step(int64_t step, int64_t ns) {
  runs_.back().step = step;
  runs_.back().total_ns = ns;
}

Json StepTrace::events() const {
  Json events = Json::array();
  int64_t start = 0;
  for (const Run& run : runs_) {
    events.push_back(event(cat("step ", run.step), "step", start, run.total_ns, Json::object()));
    int64_t now = start;
    for (size_t i = 0; i < run.ns.size(); ++i) {
      const OpTime& time = profile_[run.first + i];
      Json args = {{"output", time.label}, {"kernel", time.kernel}, {"bytes", time.bytes}, {"macs", time.macs}};
      events.push_back(event(time.op, name_of(time.phase), now, run.ns[i], std::move(args)));
      now += run.ns[i];
    }
    start += run.total_ns;
  }
  return {{"displayTimeUnit", "ms"}, {"traceEvents", std::move(events)}};
}

}  // namespace marvin
