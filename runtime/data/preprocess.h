// From stored images (unsigned bytes) to what a model is fed.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/data/dataset.h"

namespace marvin {

// In this order, as torchvision does: pad, crop, flip, scale, normalise. The default changes nothing but the type.
struct Preprocess {
  bool scale = false;            // x / 255, into [0,1]
  std::vector<float> mean;       // per channel: (x - mean) / deviation, where there are any
  std::vector<float> deviation;  // of the same length; greater than 0
  int64_t pad = 0;               // pixels of value 0 on each side: 28x28 with 2 becomes 32x32
  // Augmentation, in training only.
  bool crop = false;         // a window of the same size at a random place of the image padded by crop_padding
  int64_t crop_padding = 4;  // pixels of value 0 on each side
  bool flip = false;         // left and right exchanged for every second image, at random

  bool operator==(const Preprocess&) const = default;
};

struct MeanAndDeviation {
  std::vector<float> mean, deviation;
};
// Per channel over all pixels of an image data set scaled to [0,1]; the deviation is the population's, and 1 for a
// channel that is constant. Computed in float64 from exact counts, so the same for any number of threads.
MeanAndDeviation mean_and_deviation(const Dataset& images);

// Where the window on a stored image starts, and whether it is mirrored.
struct View {
  int64_t top = 0, left = 0;
  bool mirrored = false;
};

// Writes images as float32 with the arithmetic of PyTorch: each operation rounded to float32, in the order x / 255,
// - mean, / deviation. A pixel outside of the stored image has the value 0 before these.
class ImageTransform {
 public:
  // For stored images c h w. Throws Error when the means and deviations are not one per channel, a deviation is not
  // greater than 0, or a padding is negative or larger than the image that it is put around.
  ImageTransform(const Preprocess& preprocess, const Shape& stored);

  // c h w as written.
  const Shape& shape() const { return shape_; }
  View plain_view() const { return {-preprocess_.pad, -preprocess_.pad, false}; }
  View random_view(uint64_t bits) const;
  void write(const uint8_t* image, const View& view, float* out) const;

 private:
  Preprocess preprocess_;
  Shape stored_, shape_;
  std::vector<float> table_;  // [channel][byte]
};

}  // namespace marvin
