#pragma once

#include <span>
#include <vector>

#include "runtime/ir/graph.h"
#include "runtime/precision/format_rules.h"

namespace marvin {

// One format per slot: that of the first rule for the slot's name, else of the first for its layer's, else the one for
// all others. A name itself goes before an expression. Throws Error, naming file and rule, on expressions that are none
// and on rules that match no slot.
std::vector<SlotFormat> match_slots(const FormatRules& rules, std::span<const Slot> slots);

}  // namespace marvin
