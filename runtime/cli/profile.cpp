#include "runtime/cli/profile.h"

#include <algorithm>
#include <array>
#include <map>

namespace marvin {
namespace {

constexpr size_t kMostOutputs = 40;

std::string name_of(Phase phase) {
  constexpr std::array<const char*, 3> kNames = {"forward", "backward", "update"};
  return kNames[static_cast<size_t>(phase)];
}

}  // namespace

std::vector<ProfileRow> profile_by(const TrainingResult& result,
                                   const std::function<std::vector<std::string>(const OpTime&)>& names) {
  std::map<std::vector<std::string>, int64_t> sums;
  for (const OpTime& time : result.profile) sums[names(time)] += time.ns;
  std::vector<ProfileRow> rows;
  for (const auto& [key, ns] : sums)
    rows.push_back({key, static_cast<double>(ns) / 1e6 / static_cast<double>(result.steps)});
  std::ranges::sort(rows, [](const ProfileRow& a, const ProfileRow& b) { return a.ms > b.ms; });
  return rows;
}

Json profile_json(const TrainingResult& result) {
  Json ops = Json::array(), outputs = Json::array();
  for (const auto& [names, ms] :
       profile_by(result, [](const OpTime& t) { return std::vector{t.op, name_of(t.phase)}; }))
    ops.push_back({{"op", names[0]}, {"phase", names[1]}, {"ms", ms}});
  const auto all = [](const OpTime& t) { return std::vector{t.label, t.op, t.kernel, name_of(t.phase)}; };
  for (const auto& [n, ms] : profile_by(result, all)) {
    if (outputs.size() == kMostOutputs) break;
    outputs.push_back({{"output", n[0]}, {"op", n[1]}, {"kernel", n[2]}, {"phase", n[3]}, {"ms", ms}});
  }
  return {{"ops", ops}, {"outputs", outputs}};
}

}  // namespace marvin
