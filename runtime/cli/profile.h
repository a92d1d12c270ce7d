// Where the time of training steps went.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runtime/report/json.h"
#include "runtime/train/trainer.h"

namespace marvin {

struct ProfileRow {
  std::vector<std::string> names;
  double ms = 0;  // per step of training
};

// Times of the plan's steps summed by what `names` says of them, the longest first.
std::vector<ProfileRow> profile_by(const TrainingResult& result,
                                   const std::function<std::vector<std::string>(const OpTime&)>& names);

// {"ops": [{"op", "phase", "ms"}, ..], "outputs": [{"output", "op", "kernel", "phase", "ms"}, ..]}: milliseconds a
// step, the longest first; of the outputs some forty.
Json profile_json(const TrainingResult& result);

}  // namespace marvin
