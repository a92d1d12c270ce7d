// What a training run ends with.
#pragma once

#include <string>

#include "runtime/report/json.h"
#include "runtime/train/trainer.h"

namespace marvin {

// {"loss", "accuracy", "top5", "best", "steps", "switches", "wall_s", "train_s", "policy_s", "compile_s", "peak_bytes",
//  "arena_bytes", "macs": {"total", "le8", "le16"}, "model": {..}}; docs/precision.md says what is in "model".
Json summary_json(const TrainingResult& result, double wall_s, int64_t peak_bytes);
// [{"slot", "layer", "role", "wl", "fl", "needed_wl"}, ..]
Json formats_json(const std::vector<SlotFormatNow>& formats);

// A row per layer, a column per role: "<8,9> (needs 6)". "" where there are no formats.
std::string format_table(const std::vector<SlotFormatNow>& formats);
std::string summary_text(const TrainingResult& result, double wall_s, int64_t peak_bytes);

}  // namespace marvin
