#include "passes/match_slots.h"

#include <re2/re2.h>

#include <map>
#include <set>

#include "runtime/ir/error.h"

namespace marvin {
namespace {

constexpr size_t kMostShown = 12;

// The names that a rule is for: the one that it spells out, or all that match it.
std::set<std::string> matching(const std::string& pattern, const std::set<std::string>& names, std::string_view kind) {
  if (names.contains(pattern)) return {pattern};
  const RE2 regex(pattern, RE2::Quiet);
  if (!regex.ok()) throw Error("is no name of a ", kind, ", and no regular expression: ", regex.error());
  std::set<std::string> matched;
  for (const std::string& name : names)
    if (RE2::FullMatch(name, regex)) matched.insert(name);
  if (!matched.empty()) return matched;
  const std::vector<std::string> known(names.begin(), names.end());
  throw Error("matches no ", kind, "; they are ", join_some(known, kMostShown), ".", suggestion(pattern, known));
}

// Gives every name its format: exact rules first, then the others in order.
using FormatsByName = std::map<std::string, SlotFormat>;
FormatsByName resolve(const std::vector<FormatRules::Rule>& rules, const std::set<std::string>& names,
                      std::string_view kind) {
  FormatsByName formats;
  for (const bool exact : {true, false}) {
    for (const FormatRules::Rule& rule : rules) {
      if (names.contains(rule.pattern) != exact) continue;
      with_context(cat(kind, "s '", rule.pattern, "'"), [&] {
        for (const std::string& name : matching(rule.pattern, names, kind)) formats.try_emplace(name, rule.format);
      });
    }
  }
  return formats;
}

}  // namespace

std::vector<SlotFormat> match_slots(const FormatRules& rules, std::span<const Slot> slots) {
  std::set<std::string> names, layers;
  for (const Slot& slot : slots) names.insert(slot.name), layers.insert(slot.layer);
  return with_context(rules.source, [&] {
    const FormatsByName by_name = resolve(rules.slots, names, "slot");
    const FormatsByName by_layer = resolve(rules.layers, layers, "layer");
    std::vector<SlotFormat> result;
    for (const Slot& slot : slots) {
      const auto own = by_name.find(slot.name);
      const auto shared = by_layer.find(slot.layer);
      result.push_back(own != by_name.end()       ? own->second
                       : shared != by_layer.end() ? shared->second
                                                  : rules.otherwise);
    }
    return result;
  });
}

}  // namespace marvin
