#include "tests/ops/samples.h"

namespace marvin {

std::span<const Sample> shape_samples() {
  static const std::vector<Sample> samples = {
      {.name = "Identity", .graph = "graph g { input %x: f32[2,3] %y = Identity(%x) output %y }"},
      {.name = "Reshape with a computed extent",
       .graph = R"(graph g {
         input %x: f32[2,3,4]
         constant %s: i64[2] = {0, -1}
         %y = Reshape(%x, %s)
         output %y })"},
      {.name = "Flatten at axis 2",
       .graph = "graph g { input %x: f32[2,3,4] %y = Flatten(%x) {axis=2} output %y }"},
  };
  return samples;
}

}  // namespace marvin
