#include "tests/ops/samples.h"

namespace marvin {

std::span<const Sample> fourier_samples() {
  static const std::vector<Sample> samples = {
      {.name = "FourierTransform of complex numbers", .graph = R"(graph g {
         input %x: f32[2,12,3,2]
         %y = FourierTransform(%x) {axis=1, points=12}
         output %y })"},
      {.name = "FourierTransform, inverse, filled up", .graph = R"(graph g {
         input %x: f32[5,2]
         %y = FourierTransform(%x) {axis=0, points=7, inverse=1}
         output %y })"},
      {.name = "DFT of real numbers, one side, cut off", .graph = R"(graph g {
         input %x: f32[2,3,10,1]
         constant %length: i64[] = {8}
         %y = DFT(%x, %length) {onesided=1}
         output %y })"},
      {.name = "DFT, inverse, along an axis", .graph = R"(graph g {
         input %x: f32[4,6,2]
         constant %axis: i64[] = {0}
         %y = DFT(%x, _, %axis) {inverse=1}
         output %y })"},
      {.name = "STFT with a window", .graph = R"(graph g {
         input %x: f32[2,20,1] input %window: f32[8]
         constant %step: i64[] = {4}
         %y = STFT(%x, %step, %window)
         output %y })"},
      {.name = "STFT of complex numbers", .graph = R"(graph g {
         input %x: f32[1,11,2]
         constant %step: i64[] = {3}
         constant %length: i64[] = {5}
         %y = STFT(%x, %step, _, %length) {onesided=0}
         output %y })"},
  };
  return samples;
}

}  // namespace marvin
