#include "runtime/train/policy_of.h"

#include "passes/match_slots.h"
#include "runtime/report/precision_file.h"

namespace marvin {
namespace {

std::unique_ptr<SwitchPolicy> policy_of_rules(FormatRules rules) {
  const bool switches = rules.any_fitted();
  const auto formats = [rules = std::move(rules)](std::span<const SlotWindow> windows) {
    std::vector<Slot> slots;
    for (const SlotWindow& window : windows) slots.push_back(*window.slot);
    return match_slots(rules, slots);
  };
  return make_fixed_policy(formats, switches);
}

}  // namespace

std::unique_ptr<SwitchPolicy> policy_of(const std::string& precision) {
  if (precision.ends_with(".jsonl")) return make_replay_policy(read_recording(precision));
  if (precision.ends_with(".json")) return policy_of_rules(read_format_rules(precision));
  return make_policy(precision);
}

}  // namespace marvin
