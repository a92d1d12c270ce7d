// Pooling of regions of row-major float32 images x[n][c][h][w] into y[region][c][out_h][out_w].
#pragma once

#include <cstdint>

namespace marvin {

struct RoiShape {
  int64_t n = 1, c = 1, h = 1, w = 1;
  int64_t regions = 0, out_h = 1, out_w = 1;
  float scale = 1;  // of the regions' coordinates to x's

  int64_t bins() const { return out_h * out_w; }
  int64_t y_elements() const { return regions * c * bins(); }
};

struct RoiAlignShape : RoiShape {
  int64_t sampling_ratio = 0;  // samples per bin along each axis; 0: as many as it has elements
  bool half_pixel = true;      // coordinates are of the elements' corners; else of their centers, and sizes at least 1
  bool takes_max = false;      // of the samples' weighted elements; else the mean of the samples
};

// Mask R-CNN's pooling: samples at regular places of every bin, interpolated bilinearly. rois[region][x1, y1, x2, y2]
// in the image images[region], which is in [0, n). Returns the first region that is not finite or too large to sample,
// or -1; nothing is computed then.
int64_t first_bad_region(const RoiAlignShape& shape, const float* rois);
void roi_align(const RoiAlignShape& shape, const float* x, const float* rois, const int64_t* images, float* y);
// dx; x is read for takes_max alone.
void roi_align_grad(const RoiAlignShape& shape, const float* dy, const float* x, const float* rois,
                    const int64_t* images, float* dx);

// Fast R-CNN's pooling: the largest element of every bin, whose borders are rounded to elements; 0 where it has none.
// rois[region][image, x1, y1, x2, y2]. taps: where in its plane each is, -1 for none; may be null.
void max_roi_pool(const RoiShape& shape, const float* x, const float* rois, float* y, int32_t* taps);
void max_roi_pool_grad(const RoiShape& shape, const float* dy, const float* rois, const int32_t* taps, float* dx);

}  // namespace marvin
