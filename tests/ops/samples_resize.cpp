#include "tests/ops/samples.h"

namespace marvin {

std::span<const Sample> resize_samples() {
  static const std::vector<Sample> samples = {
      {.name = "Interpolate, rows and columns", .graph = R"(graph g {
         input %x: f32[2,3,9]
         constant %index: i64[2,3] = {0, 1, 2, 2, 2, 0}
         constant %weight: f32[2,3] = {0.25, 0.5, 0.25, 1, -0.5, 0.125}
         %rows = Interpolate(%x, %index, %weight) {axis=1}
         %columns = Interpolate(%x, %index, %weight) {axis=-1}
         output %rows output %columns })"},
      {.name = "Resize, nearest, twice as large", .graph = R"(graph g {
         input %x: f32[1,2,3,9]
         constant %scales: f32[4] = {1, 1, 2, 2}
         %y = Resize(%x, _, %scales) {nearest_mode="floor", coordinate_transformation_mode="asymmetric"}
         output %y })"},
      {.name = "Resize, linear, one axis smaller and one larger", .graph = R"(graph g {
         input %x: f32[1,2,5,9]
         constant %sizes: i64[4] = {1, 2, 3, 13}
         %y = Resize(%x, _, _, %sizes) {mode="linear"}
         output %y })"},
      {.name = "Resize, linear, aligned corners, listed axes", .graph = R"(graph g {
         input %x: f32[4,3,2]
         constant %sizes: i64[2] = {3, 6}
         %y = Resize(%x, _, _, %sizes) {mode="linear", axes=[-1,0], coordinate_transformation_mode="align_corners"}
         output %y })"},
      {.name = "Resize, cubic, without what is outside", .graph = R"(graph g {
         input %x: f32[1,1,4,5]
         constant %scales: f32[4] = {1, 1, 1.7, 0.6}
         %y = Resize(%x, _, %scales) {mode="cubic", cubic_coeff_a=-0.5, exclude_outside=1}
         output %y })"},
      {.name = "Resize, antialiased, the ratio kept", .graph = R"(graph g {
         input %x: f32[1,1,9,8]
         constant %sizes: i64[2] = {3, 7}
         %y = Resize(%x, _, _, %sizes) {mode="linear", antialias=1, axes=[2,3], keep_aspect_ratio_policy="not_larger"}
         output %y })"},
      {.name = "Resize, cropped, partly outside", .graph = R"(graph g {
         input %x: f32[1,1,4,5]
         constant %roi: f32[8] = {0, 0, 0.25, -0.5, 1, 1, 0.75, 1.25}
         constant %sizes: i64[4] = {1, 1, 3, 6}
         %y = Resize(%x, %roi, _, %sizes) {mode="linear", coordinate_transformation_mode="tf_crop_and_resize",
                                           extrapolation_value=7.0}
         output %y })"},
      {.name = "Resize of integers",
       .graph = R"(graph g {
         input %x: u8[2,3]
         constant %scales: f32[2] = {2, 1.5}
         %nearest = Resize(%x, _, %scales)
         %linear = Resize(%x, _, %scales) {mode="linear"}
         output %nearest output %linear })",
       .differentiable = false},
      {.name = "Upsample", .graph = R"(graph g {
         input %x: f32[1,2,3,4]
         constant %scales: f32[4] = {1, 1, 2, 3}
         %y = Upsample(%x, %scales) {mode="linear"}
         output %y })"},
  };
  return samples;
}

}  // namespace marvin
