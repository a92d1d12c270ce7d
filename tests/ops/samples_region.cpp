#include "tests/ops/samples.h"

namespace marvin {

std::span<const Sample> region_samples() {
  static const std::vector<Sample> samples = {
      {.name = "GridSample, linear, zeros outside",
       .graph = R"(graph g {
         input %x: f32[2,3,4,5]
         input %grid: f32[2,2,3,2]
         %y = GridSample(%x, %grid)
         output %y })",
       .low = -1.3f,
       .high = 1.3f,
       .tolerance = 1e-2},
      {.name = "GridSample, linear, border",
       .graph = R"(graph g {
         input %x: f32[1,2,4,5]
         input %grid: f32[1,3,3,2]
         %y = GridSample(%x, %grid) {padding_mode="border", align_corners=1}
         output %y })",
       .low = -1.4f,
       .high = 1.2f,
       .tolerance = 1e-2},
      {.name = "GridSample, linear, reflection",
       .graph = R"(graph g {
         input %x: f32[1,2,3,3]
         input %grid: f32[1,3,3,2]
         %y = GridSample(%x, %grid) {padding_mode="reflection"}
         output %y })",
       .low = -2,
       .high = 2,
       .tolerance = 1e-2},
      {.name = "GridSample, cubic, zeros outside",
       .graph = R"(graph g {
         input %x: f32[1,2,5,6]
         input %grid: f32[1,3,3,2]
         %y = GridSample(%x, %grid) {mode="cubic"}
         output %y })",
       .low = -1.3f,
       .high = 1.3f,
       .tolerance = 1e-2},
      {.name = "GridSample, cubic, reflection",
       .graph = R"(graph g {
         input %x: f32[1,2,5,6]
         input %grid: f32[1,3,3,2]
         %y = GridSample(%x, %grid) {mode="cubic", padding_mode="reflection", align_corners=1}
         output %y })",
       .low = -1.3f,
       .high = 1.3f,
       .tolerance = 1e-2},
      {.name = "GridSample, nearest, a constant grid", .graph = R"(graph g {
         input %x: f32[1,2,3,4]
         constant %grid: f32[1,2,2,2] = {-0.9, 0.2, 0.6, -0.7, 0.1, 1.4, 0.35, 0.4}
         %y = GridSample(%x, %grid) {mode="nearest"}
         output %y })"},
      {.name = "GridSample of volumes",
       .graph = R"(graph g {
         input %x: f32[1,2,3,2,4]
         input %grid: f32[1,2,1,2,3]
         %y = GridSample(%x, %grid) {align_corners=1}
         output %y })",
       .tolerance = 1e-2},
      {.name = "GridSampleGrad",
       .graph = R"(graph g {
         input %dy: f32[1,2,2]
         input %x: f32[1,2,5]
         input %grid: f32[1,2,1]
         %dx, %dgrid = GridSampleGrad(%dy, %x, %grid)
         output %dx output %dgrid })",
       .differentiable = false},
      {.name = "AffineGrid", .graph = R"(graph g {
         input %theta: f32[2,2,3]
         constant %size: i64[4] = {2, 3, 4, 5}
         %grid = AffineGrid(%theta, %size)
         output %grid })"},
      {.name = "AffineGrid of volumes, aligned corners", .graph = R"(graph g {
         input %theta: f32[1,3,4]
         constant %size: i64[5] = {1, 3, 2, 1, 3}
         %grid = AffineGrid(%theta, %size) {align_corners=1}
         output %grid })"},
      {.name = "RoiAlign, mean", .graph = R"(graph g {
         input %x: f32[2,3,6,7]
         constant %rois: f32[3,4] = {0, 0, 5, 4, 1.5, 2, 9, 9, 3, 3, 3.5, 3.25}
         constant %images: i64[3] = {0, 1, 1}
         %y = RoiAlign(%x, %rois, %images) {output_height=2, output_width=3, sampling_ratio=2, spatial_scale=0.75}
         output %y })"},
      {.name = "RoiAlign, mean, as many samples as elements, of centers", .graph = R"(graph g {
         input %x: f32[1,2,6,7]
         constant %rois: f32[2,4] = {0, 0, 6, 5, 2, 2, 2.5, 2.5}
         constant %images: i64[2] = {0, 0}
         %y = RoiAlign(%x, %rois, %images) {output_height=2, output_width=2,
                                            coordinate_transformation_mode="output_half_pixel"}
         output %y })"},
      {.name = "RoiAlign, largest",
       .graph = R"(graph g {
         input %x: f32[1,2,5,5]
         constant %rois: f32[2,4] = {0, 0, 4, 4, 3, 3, 8, 8}
         constant %images: i64[2] = {0, 0}
         %y = RoiAlign(%x, %rois, %images) {output_height=2, output_width=2, sampling_ratio=2, mode="max"}
         output %y })",
       .low = -8,
       .high = 8},
      {.name = "RoiAlignGrad",
       .graph = R"(graph g {
         input %dy: f32[1,2,1,1]
         input %x: f32[1,2,4,4]
         constant %rois: f32[1,4] = {0, 0, 3, 2}
         constant %images: i64[1] = {0}
         %dx = RoiAlignGrad(%dy, %x, %rois, %images)
         output %dx })",
       .differentiable = false},
      {.name = "MaxRoiPool",
       .graph = R"(graph g {
         input %x: f32[2,2,6,7]
         constant %rois: f32[3,5] = {0, 0, 0, 5, 4, 1, 2, 2, 12, 12, 1, 40, 40, 41, 41}
         %y, %taps = MaxRoiPool(%x, %rois) {pooled_shape=[2,2], spatial_scale=0.5}
         output %y output %taps })",
       .low = -64,
       .high = 64},
      {.name = "MaxRoiPoolGrad",
       .graph = R"(graph g {
         input %dy: f32[1,1,2,1]
         constant %rois: f32[1,5] = {0, 0, 0, 3, 3}
         constant %taps: i32[1,1,2,1] = {3, -1}
         %dx = MaxRoiPoolGrad(%dy, %rois, %taps) {pooled_shape=[2,1], input_shape=[1,1,3,3]}
         output %dx })",
       .differentiable = false},
  };
  return samples;
}

}  // namespace marvin
