#pragma once

#include <memory>
#include <string>

#include "runtime/precision/policy.h"

namespace marvin {

// The policy that `precision` stands for: make_policy, or what the file FILE.json (formats by slot) or
// RUN/precision.jsonl (a recorded run's switches) says. Null for float32. Throws Error on what is none; that formats of
// a file fit no slot of the model is thrown once the policy begins.
std::unique_ptr<SwitchPolicy> policy_of(const std::string& precision);

}  // namespace marvin
