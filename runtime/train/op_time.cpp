#include "runtime/train/op_time.h"

#include <algorithm>

namespace marvin {
namespace {

int64_t bytes_in(const std::vector<std::unique_ptr<Type>>& types) {
  int64_t bytes = 0;
  for (const std::unique_ptr<Type>& type : types) bytes += type ? type->bytes() : 0;
  return bytes;
}

}  // namespace

std::vector<OpTime> op_times(const Plan& plan) {
  std::vector<OpTime> times;
  for (const Step& step : plan.steps) {
    OpTime& time = times.emplace_back();
    time.op = step.op->name;
    time.kernel = step.kernel->name;
    time.label = step.label;
    time.phase = step.phase;
    time.bytes = bytes_in(step.in_types) + bytes_in(step.out_types);
    time.macs = step.macs;
    if (!step.op->product) continue;
    for (const size_t operand : *step.op->product) {
      time.word_bytes = std::max(time.word_bytes, bytes_of(step.in_types[operand]->dtype));
    }
  }
  return times;
}

}  // namespace marvin
