// What plan_memory made, for people and for scripts.
#pragma once

#include <string>

#include "runtime/exec/plan.h"
#include "runtime/report/json.h"

namespace marvin {

// A row per step: phase, label, op, kernel, where the first output is, how large it is, scratch. Then the totals.
std::string to_text(const Plan& plan);
Json to_json(const Plan& plan);

}  // namespace marvin
