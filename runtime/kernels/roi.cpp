#include "runtime/kernels/roi.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "runtime/kernels/parallel.h"

namespace marvin {
namespace {

constexpr int64_t kMostSamples = 1 << 12;  // along one axis of a bin

// ---- RoiAlign -------------------------------------------------------------------------------------------------------

// A region along one axis.
struct Extent {
  float start, bin;
  int64_t samples;  // per bin

  Extent(const RoiAlignShape& shape, float begin, float end, int64_t bins) {
    const float shift = shape.half_pixel ? 0.5f : 0.0f;
    start = begin * shape.scale - shift;
    float size = end * shape.scale - shift - start;
    if (!shape.half_pixel) size = std::max(size, 1.0f);
    bin = size / static_cast<float>(bins);
    samples =
        shape.sampling_ratio > 0 ? shape.sampling_ratio : static_cast<int64_t>(std::ceil(std::clamp(bin, 0.0f, 1e9f)));
  }
  float place(int64_t o, int64_t sample) const {
    return start + static_cast<float>(o) * bin +
           (static_cast<float>(sample) + 0.5f) * bin / static_cast<float>(samples);
  }
};

// The two elements along one axis that a place is interpolated from; none where it is outside of the image.
struct Neighbours {
  bool exists = false;
  int64_t low = 0, high = 0;
  float share = 0;  // of `high`

  Neighbours(float place, int64_t extent) {
    if (!(place >= -1 && place <= static_cast<float>(extent))) return;
    exists = true;
    place = std::max(place, 0.0f);
    low = std::min(static_cast<int64_t>(place), extent - 1);
    high = std::min(low + 1, extent - 1);
    share = low == high ? 0 : place - static_cast<float>(low);
  }
};

// The four elements of one sample.
struct Sample {
  std::array<int64_t, 4> offset;
  std::array<float, 4> weight;

  Sample(const Neighbours& y, const Neighbours& x, int64_t width)
      : offset{y.low * width + x.low, y.low * width + x.high, y.high * width + x.low, y.high * width + x.high},
        weight{(1 - y.share) * (1 - x.share), (1 - y.share) * x.share, y.share * (1 - x.share), y.share * x.share} {}
};

// Calls body(sample) for the samples of a bin that are in the image, and returns how many it has in all.
template <class Body>
int64_t each_sample(const RoiAlignShape& shape, const float* roi, int64_t bin, Body&& body) {
  const Extent width(shape, roi[0], roi[2], shape.out_w), height(shape, roi[1], roi[3], shape.out_h);
  for (int64_t i = 0; i < height.samples; ++i) {
    const Neighbours y(height.place(bin / shape.out_w, i), shape.h);
    for (int64_t j = 0; y.exists && j < width.samples; ++j) {
      const Neighbours x(width.place(bin % shape.out_w, j), shape.w);
      if (x.exists) body(Sample(y, x, shape.w));
    }
  }
  return height.samples * width.samples;
}

// The largest weighted element of a bin's samples, and where it is; a sample outside of the image is 0.
struct Largest {
  float value = -std::numeric_limits<float>::infinity(), weight = 0;
  int64_t offset = 0;

  Largest(const RoiAlignShape& shape, const float* roi, int64_t bin, const float* plane) {
    int64_t seen = 0;
    const int64_t samples = each_sample(shape, roi, bin, [&](const Sample& sample) {
      ++seen;
      for (size_t i = 0; i < 4; ++i)
        take(sample.weight[i] * plane[sample.offset[i]], sample.weight[i], sample.offset[i]);
    });
    if (seen < samples || samples == 0) take(0, 0, 0);
  }

 private:
  void take(float candidate, float by, int64_t from) {
    if (!(candidate > value)) return;
    value = candidate;
    weight = by;
    offset = from;
  }
};

void average_bin(const RoiAlignShape& shape, const float* x, const float* roi, int64_t bin, float* y) {
  const int64_t plane = shape.h * shape.w, bins = shape.bins();
  for (int64_t c = 0; c < shape.c; ++c) y[c * bins] = 0;
  const int64_t samples = each_sample(shape, roi, bin, [&](const Sample& sample) {
    for (int64_t c = 0; c < shape.c; ++c) {
      float sum = 0;
      for (size_t i = 0; i < 4; ++i) sum += sample.weight[i] * x[c * plane + sample.offset[i]];
      y[c * bins] += sum;
    }
  });
  for (int64_t c = 0; c < shape.c; ++c) y[c * bins] /= static_cast<float>(std::max<int64_t>(1, samples));
}

// Adds the gradients of channels [begin, end) of a bin. dx and x are the image's.
void spread_bin(const RoiAlignShape& shape, const float* dy, const float* x, const float* roi, int64_t bin,
                int64_t begin, int64_t end, float* dx) {
  const int64_t plane = shape.h * shape.w, bins = shape.bins();
  if (shape.takes_max) {
    for (int64_t c = begin; c < end; ++c) {
      const Largest largest(shape, roi, bin, x + c * plane);
      dx[c * plane + largest.offset] += dy[c * bins] * largest.weight;
    }
    return;
  }
  const int64_t samples = each_sample(shape, roi, bin, [](const Sample&) {});
  const float share = 1 / static_cast<float>(std::max<int64_t>(1, samples));
  each_sample(shape, roi, bin, [&](const Sample& sample) {
    for (int64_t c = begin; c < end; ++c) {
      const float gradient = dy[c * bins] * share;
      for (size_t i = 0; i < 4; ++i) dx[c * plane + sample.offset[i]] += gradient * sample.weight[i];
    }
  });
}

// ---- MaxRoiPool -----------------------------------------------------------------------------------------------------

// The elements of a bin along one axis.
struct BinRange {
  int64_t begin, end;

  BinRange(float scale, float first, float last, int64_t bin, int64_t bins, int64_t extent) {
    const float start = std::round(first * scale), size = std::max(std::round(last * scale) - start + 1, 1.0f);
    const float step = size / static_cast<float>(bins);
    const auto limited = [&](float place) {
      return static_cast<int64_t>(place > 0 ? std::min(place, static_cast<float>(extent)) : 0.0f);
    };
    begin = limited(start + std::floor(static_cast<float>(bin) * step));
    end = limited(start + std::ceil(static_cast<float>(bin + 1) * step));
  }
};

}  // namespace

int64_t first_bad_region(const RoiAlignShape& shape, const float* rois) {
  for (int64_t r = 0; r < shape.regions; ++r, rois += 4) {
    const Extent width(shape, rois[0], rois[2], shape.out_w), height(shape, rois[1], rois[3], shape.out_h);
    if (!std::isfinite(width.bin) || !std::isfinite(height.bin) || width.samples > kMostSamples ||
        height.samples > kMostSamples) {
      return r;
    }
  }
  return -1;
}

void roi_align(const RoiAlignShape& shape, const float* x, const float* rois, const int64_t* images, float* y) {
  const int64_t plane = shape.h * shape.w, bins = shape.bins();
#pragma omp parallel for schedule(static) if (shape.y_elements() >= kParallelElements)
  for (int64_t i = 0; i < shape.regions * bins; ++i) {
    const int64_t region = i / bins, bin = i % bins;
    const float* image = x + images[region] * shape.c * plane;
    float* to = y + region * shape.c * bins + bin;
    if (!shape.takes_max) {
      average_bin(shape, image, rois + region * 4, bin, to);
      continue;
    }
    for (int64_t c = 0; c < shape.c; ++c)
      to[c * bins] = Largest(shape, rois + region * 4, bin, image + c * plane).value;
  }
}

void roi_align_grad(const RoiAlignShape& shape, const float* dy, const float* x, const float* rois,
                    const int64_t* images, float* dx) {
  constexpr int64_t kChannels = 16;  // that one thread adds to
  const int64_t plane = shape.h * shape.w, bins = shape.bins(), stripes = (shape.c + kChannels - 1) / kChannels;
  std::fill_n(dx, shape.n * shape.c * plane, 0.0f);
#pragma omp parallel for schedule(static) if (shape.y_elements() >= kParallelElements)
  for (int64_t stripe = 0; stripe < stripes; ++stripe) {
    const int64_t begin = stripe * kChannels, end = std::min(begin + kChannels, shape.c);
    for (int64_t i = 0; i < shape.regions * bins; ++i) {
      const int64_t region = i / bins, bin = i % bins, image = images[region] * shape.c * plane;
      spread_bin(shape, dy + region * shape.c * bins + bin, x + image, rois + region * 4, bin, begin, end, dx + image);
    }
  }
}

void max_roi_pool(const RoiShape& shape, const float* x, const float* rois, float* y, int32_t* taps) {
  const int64_t plane = shape.h * shape.w;
#pragma omp parallel for schedule(static) if (shape.y_elements() >= kParallelElements)
  for (int64_t i = 0; i < shape.y_elements(); ++i) {
    const int64_t ow = i % shape.out_w, oh = i / shape.out_w % shape.out_h, c = i / shape.bins() % shape.c;
    const float* roi = rois + i / shape.bins() / shape.c * 5;
    const float* image = x + (static_cast<int64_t>(roi[0]) * shape.c + c) * plane;
    const BinRange rows(shape.scale, roi[2], roi[4], oh, shape.out_h, shape.h);
    const BinRange columns(shape.scale, roi[1], roi[3], ow, shape.out_w, shape.w);
    int64_t best = -1;
    for (int64_t h = rows.begin; h < rows.end; ++h)
      for (int64_t w = columns.begin; w < columns.end; ++w)
        if (best < 0 || image[h * shape.w + w] > image[best]) best = h * shape.w + w;
    y[i] = best < 0 ? 0 : image[best];
    if (taps) taps[i] = static_cast<int32_t>(best);
  }
}

void max_roi_pool_grad(const RoiShape& shape, const float* dy, const float* rois, const int32_t* taps, float* dx) {
  const int64_t plane = shape.h * shape.w, bins = shape.bins();
  std::fill_n(dx, shape.n * shape.c * plane, 0.0f);
#pragma omp parallel for schedule(static) if (shape.y_elements() >= kParallelElements)
  for (int64_t c = 0; c < shape.c; ++c) {
    for (int64_t i = 0; i < shape.regions * bins; ++i) {
      const int64_t region = i / bins, at = (region * shape.c + c) * bins + i % bins;
      const int64_t image = static_cast<int64_t>(rois[region * 5]);
      if (taps[at] >= 0) dx[(image * shape.c + c) * plane + taps[at]] += dy[at];
    }
  }
}

}  // namespace marvin
