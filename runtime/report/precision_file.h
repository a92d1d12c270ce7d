// What --precision reads from files. Formats by slot, FILE.json:
//   {"default": "8", "slots": {"fc2.weight": "16.12", "d\\..*": "16"}, "layers": {"conv1": "float32"}}
// where a format is as slot_format has it, keys are names or regular expressions for whole names, and what is left out
// is float32; and the switches of a recorded run, RUN/precision.jsonl.
#pragma once

#include <string>

#include "runtime/precision/format_rules.h"

namespace marvin {

// Both throw Error, naming the file and the key or line, when it cannot be read or is not as above.
FormatRules read_format_rules(const std::string& path);
Recording read_recording(const std::string& path);

}  // namespace marvin
