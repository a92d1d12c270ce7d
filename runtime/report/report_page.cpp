#include "runtime/report/report_page.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "runtime/report/page/embedded.h"

namespace marvin {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostSteps = 4000;     // points of a curve
constexpr size_t kMostFormats = 60000;  // of all slots together
constexpr size_t kMostSwitches = 400;   // rows of the table

// The exponentially decayed mean over about a hundredth of the run, corrected for its beginning.
std::vector<double> smoothed(const std::vector<RunRecord::Step>& steps) {
  const double span = std::clamp(static_cast<double>(steps.size()) / 100, 3.0, 200.0);
  const double decay = 1 - 1 / span;
  std::vector<double> curve;
  double sum = 0, weight = 0;
  for (const RunRecord::Step& step : steps) {
    if (std::isfinite(step.loss)) {
      sum = decay * sum + step.loss;
      weight = decay * weight + 1;
    }
    curve.push_back(sum / weight);  // NaN before the first
  }
  return curve;
}

// Indices of the steps to draw: all of them, or the first, the last, and the lowest and highest loss of every stretch.
std::vector<size_t> drawn_steps(const std::vector<RunRecord::Step>& steps) {
  std::set<size_t> chosen;
  const size_t stretches = std::min(steps.size(), steps.size() > kMostSteps ? kMostSteps / 2 : steps.size());
  const auto less = [](const RunRecord::Step& a, const RunRecord::Step& b) { return a.loss < b.loss; };
  for (size_t i = 0; i < stretches; ++i) {
    const auto begin = steps.begin() + static_cast<ptrdiff_t>(i * steps.size() / stretches);
    const auto end = steps.begin() + static_cast<ptrdiff_t>((i + 1) * steps.size() / stretches);
    chosen.insert(static_cast<size_t>(std::min_element(begin, end, less) - steps.begin()));
    chosen.insert(static_cast<size_t>(std::max_element(begin, end, less) - steps.begin()));
  }
  if (!steps.empty()) chosen.insert({0, steps.size() - 1});
  return {chosen.begin(), chosen.end()};
}

Json steps_json(const std::vector<RunRecord::Step>& steps) {
  Json step = Json::array(), loss = Json::array(), smooth = Json::array(), lr = Json::array(), ms = Json::array();
  const std::vector<double> curve = smoothed(steps);
  for (const size_t i : drawn_steps(steps)) {
    step.push_back(steps[i].step);
    loss.push_back(steps[i].loss);
    smooth.push_back(json_number(static_cast<float>(curve[i])));
    lr.push_back(steps[i].lr);
    ms.push_back(steps[i].ms);
  }
  return {{"count", steps.size()}, {"step", step}, {"loss", loss}, {"smooth", smooth}, {"lr", lr}, {"ms", ms}};
}

// The last format of every stretch of `stride` steps.
std::vector<RunRecord::Format> thinned(const std::vector<RunRecord::Format>& formats, int64_t stride) {
  std::vector<RunRecord::Format> result;
  for (const RunRecord::Format& format : formats) {
    const bool same_stretch = result.size() > 1 && result.back().step / stride == format.step / stride;
    if (same_stretch) result.pop_back();
    result.push_back(format);
  }
  return result;
}

Json slots_json(const RunRecord& record) {
  size_t count = 0;
  int64_t last = 1;
  for (const RunRecord::SlotHistory& slot : record.slots) {
    count += slot.formats.size();
    if (!slot.formats.empty()) last = std::max(last, slot.formats.back().step);
  }
  const auto per_slot = static_cast<int64_t>(kMostFormats / std::max<size_t>(1, record.slots.size()) + 2);
  const int64_t stride = count > kMostFormats ? last / per_slot + 1 : 1;
  Json list = Json::array();
  for (const RunRecord::SlotHistory& slot : record.slots) {
    Json step = Json::array(), wl = Json::array(), fl = Json::array();
    for (const RunRecord::Format& format : thinned(slot.formats, stride)) {
      step.push_back(format.step);
      wl.push_back(format.wl);
      fl.push_back(format.fl);
    }
    list.push_back(
        {{"slot", slot.name}, {"layer", slot.layer}, {"role", slot.role}, {"step", step}, {"wl", wl}, {"fl", fl}});
  }
  return list;
}

Json switches_json(const RunRecord& record) {
  const std::vector<Json>& all = record.word_switches;
  const size_t first = all.size() > kMostSwitches ? all.size() - kMostSwitches : 0;
  return {{"counts", record.switch_counts},
          {"words", all.size()},
          {"list", std::vector<Json>(all.begin() + static_cast<ptrdiff_t>(first), all.end())}};
}

std::string short_name(const std::string& directory) {
  const fs::path path = fs::absolute(directory).lexically_normal();
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

// Names of directories, whole paths where two are the same.
std::vector<std::string> names_of(const std::vector<ReportedRun>& runs) {
  std::vector<std::string> names;
  std::set<std::string> distinct;
  for (const ReportedRun& run : runs) names.push_back(short_name(run.record.directory));
  distinct.insert(names.begin(), names.end());
  if (distinct.size() == names.size()) return names;
  for (size_t i = 0; i < runs.size(); ++i) names[i] = runs[i].record.directory;
  return names;
}

Json run_json(const ReportedRun& run, const std::string& name) {
  const RunRecord& record = run.record;
  return {{"name", name},
          {"finished", record.is_finished()},
          {"notes", record.notes},
          {"run", record.run},
          {"steps", steps_json(record.steps)},
          {"evaluations", record.evaluations},
          {"slots", slots_json(record)},
          {"switches", switches_json(record)},
          {"observations",
           {{"slots", record.observed_slots}, {"step", record.observed_steps}, {"rows", record.observations}}},
          {"graph", run.graph}};
}

// JSON whose text means the same and holds neither a tag, nor a comment, nor what older scripts take for a line's end.
std::string escaped_for_script(const std::string& json) {
  std::string text;
  text.reserve(json.size());
  for (const char c : json) {
    switch (c) {
      case '<':
        text += "\\u003c";
        break;
      case '>':
        text += "\\u003e";
        break;
      case '&':
        text += "\\u0026";
        break;
      default:
        text += c;
    }
  }
  return text;
}

}  // namespace

Json page_data(const std::vector<ReportedRun>& runs) {
  const std::vector<std::string> names = names_of(runs);
  Json list = Json::array();
  for (size_t i = 0; i < runs.size(); ++i) list.push_back(run_json(runs[i], names[i]));
  return {{"runs", list}};
}

std::string report_page(const Json& data) {
  const EmbeddedPage page = embedded_page();
  std::string text(page.before_data);
  text += escaped_for_script(json_text(data));
  text += page.after_data;
  return text;
}

}  // namespace marvin
