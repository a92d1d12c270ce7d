// Formats that the user gives slot by slot.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "runtime/precision/policy.h"

namespace marvin {

struct FormatRules {
  struct Rule {
    std::string pattern;  // a name, or a regular expression that a whole name has to match
    SlotFormat format;
  };
  std::string source;  // named in messages
  std::vector<Rule> slots, layers;
  SlotFormat otherwise;  // of slots that no rule is for

  bool any_fitted() const {
    const auto fitted = [](const Rule& rule) { return rule.format.fitted; };
    return otherwise.fitted || std::ranges::any_of(slots, fitted) || std::ranges::any_of(layers, fitted);
  }
};

}  // namespace marvin
