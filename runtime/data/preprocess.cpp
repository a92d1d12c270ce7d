#include "runtime/data/preprocess.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "runtime/data/random.h"
#include "runtime/ir/error.h"

namespace marvin {
namespace {

constexpr size_t kBytes = 256;  // values of a pixel

// How often each value occurs in a channel.
std::array<int64_t, kBytes> histogram(const Tensor& images, int64_t channel) {
  const Shape& shape = images.type().shape;
  const int64_t samples = shape[0], pixels = shape[2] * shape[3], stride = shape[1] * pixels;
  const uint8_t* first = images.as<uint8_t>().data() + channel * pixels;
  int64_t counts[kBytes] = {};
#pragma omp parallel for schedule(static) reduction(+ : counts)
  for (int64_t n = 0; n < samples; ++n) {
    for (int64_t i = 0; i < pixels; ++i) ++counts[first[n * stride + i]];
  }
  return std::to_array(counts);
}

// What every value of a pixel becomes.
std::vector<float> make_table(const Preprocess& preprocess, size_t channels) {
  std::vector<float> table(channels * kBytes);
  for (size_t c = 0; c < channels; ++c) {
    for (size_t value = 0; value < kBytes; ++value) {
      float x = static_cast<float>(value);
      if (preprocess.scale) x /= 255.0f;
      if (!preprocess.mean.empty()) x = (x - preprocess.mean[c]) / preprocess.deviation[c];
      table[c * kBytes + value] = x;
    }
  }
  return table;
}

// Of images h w, which have to be in what is cut from the padded ones.
void check_padding(int64_t padding, int64_t height, int64_t width) {
  const int64_t most = std::min(height, width);
  if (padding >= 0 && padding <= most) return;
  throw Error("preprocess: a padding of ", padding, " pixels; images of ", height, "x", width, " take 0 to ", most);
}

void check_normalization(const Preprocess& preprocess, size_t channels) {
  const size_t means = preprocess.mean.size(), deviations = preprocess.deviation.size();
  if (means != deviations || (means != 0 && means != channels)) {
    throw Error("preprocess: ", means, " means and ", deviations, " deviations for images of ", channels,
                " channels; expected one of each per channel");
  }
  for (const float mean : preprocess.mean) {
    if (!std::isfinite(mean)) throw Error("preprocess: the mean ", mean, " is not a finite number");
  }
  for (const float deviation : preprocess.deviation) {
    if (!(deviation > 0) || !std::isfinite(deviation)) {
      throw Error("preprocess: the deviation ", deviation, " is not greater than 0 and finite");
    }
  }
}

}  // namespace

MeanAndDeviation mean_and_deviation(const Dataset& images) {
  const Tensor& stored = images.find("input")->values;
  MeanAndDeviation result;
  for (int64_t channel = 0; channel < stored.type().shape[1]; ++channel) {
    const std::array<int64_t, kBytes> counts = histogram(stored, channel);
    double count = 0, sum = 0, squares = 0;
    for (size_t value = 0; value < kBytes; ++value) {
      count += static_cast<double>(counts[value]);
      sum += static_cast<double>(counts[value]) * static_cast<double>(value) / 255;
    }
    const double mean = sum / count;
    for (size_t value = 0; value < kBytes; ++value) {
      const double distance = static_cast<double>(value) / 255 - mean;
      squares += static_cast<double>(counts[value]) * distance * distance;
    }
    const bool constant = std::find(counts.begin(), counts.end(), static_cast<int64_t>(count)) != counts.end();
    result.mean.push_back(static_cast<float>(mean));
    result.deviation.push_back(constant ? 1.0f : static_cast<float>(std::sqrt(squares / count)));
  }
  return result;
}

ImageTransform::ImageTransform(const Preprocess& preprocess, const Shape& stored)
    : preprocess_(preprocess), stored_(stored), shape_(stored) {
  check_normalization(preprocess, static_cast<size_t>(stored[0]));
  check_padding(preprocess.pad, shape_[1], shape_[2]);
  shape_[1] += 2 * preprocess.pad;
  shape_[2] += 2 * preprocess.pad;
  if (preprocess.crop) check_padding(preprocess.crop_padding, shape_[1], shape_[2]);
  table_ = make_table(preprocess, static_cast<size_t>(stored[0]));
}

View ImageTransform::random_view(uint64_t bits) const {
  View view = plain_view();
  if (preprocess_.crop) {
    const int64_t places = 2 * preprocess_.crop_padding + 1;
    view.top += below(places, random_bits(bits, 0)) - preprocess_.crop_padding;
    view.left += below(places, random_bits(bits, 1)) - preprocess_.crop_padding;
  }
  view.mirrored = preprocess_.flip && random_bits(bits, 2) % 2 == 1;
  return view;
}

void ImageTransform::write(const uint8_t* image, const View& view, float* out) const {
  const int64_t stored_height = stored_[1], stored_width = stored_[2], height = shape_[1], width = shape_[2];
  // Columns [begin, end) of the window lie on the stored image.
  const int64_t begin = std::clamp<int64_t>(-view.left, 0, width);
  const int64_t end = std::clamp<int64_t>(stored_width - view.left, begin, width);
  const int64_t step = view.mirrored ? -1 : 1;
  for (int64_t c = 0; c < shape_[0]; ++c) {
    const float* table = table_.data() + c * static_cast<int64_t>(kBytes);
    for (int64_t y = 0; y < height; ++y, out += width) {
      const int64_t row = y + view.top;
      const bool outside = row < 0 || row >= stored_height;
      if (outside || end - begin < width) std::fill(out, out + width, table[0]);
      if (outside) continue;
      const uint8_t* source = image + (c * stored_height + row) * stored_width;
      float* target = view.mirrored ? out + width - 1 : out;
      for (int64_t x = begin; x < end; ++x) target[x * step] = table[source[x + view.left]];
    }
  }
}

}  // namespace marvin
