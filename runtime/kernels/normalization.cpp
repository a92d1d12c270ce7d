#include "runtime/kernels/normalization.h"

#include <algorithm>
#include <cmath>

#include "runtime/kernels/moments.h"
#include "runtime/kernels/parallel.h"

namespace marvin {
namespace {

// ---- Blocks ---------------------------------------------------------------------------------------------------------

// The blocks of one channel: a piece of a plane where planes are large, else as many whole planes as fit.
class ChannelBlocks {
 public:
  explicit ChannelBlocks(const ChannelShape& shape)
      : shape_(shape), planes_(std::max<int64_t>(1, MomentsBlock::kElements / std::max<int64_t>(1, shape.inner))) {}

  // Calls body(plane, first element, planes, elements of each).
  template <class Body>
  void each(Body&& body) const {
    for (int64_t n = 0; n < shape_.batch; n += planes_) {
      const int64_t planes = std::min(planes_, shape_.batch - n);
      for (int64_t first = 0; first < shape_.inner; first += MomentsBlock::kElements) {
        body(n, first, planes, std::min(MomentsBlock::kElements, shape_.inner - first));
      }
    }
  }

  // Where the block's elements are, or a copy in `room` where many short rows would be slow.
  MomentsBlock at(const float* x, int64_t channel, int64_t n, int64_t first, int64_t planes, int64_t length,
                  float* room) const {
    const int64_t step = shape_.channels * shape_.inner;
    const float* from = x + n * step + channel * shape_.inner + first;
    if (planes == 1 || length % (2 * kLanes) == 0) return {from, planes, length, step};
    for (int64_t row = 0; row < planes; ++row) std::copy_n(from + row * step, length, room + row * length);
    return {room, 1, planes * length, 0};
  }

 private:
  const ChannelShape& shape_;
  int64_t planes_;
};

// ---- Statistics -----------------------------------------------------------------------------------------------------

Moments channel_moments(const ChannelBlocks& blocks, const float* x, int64_t channel) {
  Moments total;
  float room[MomentsBlock::kElements];
  blocks.each([&](auto... where) { total.add(moments_of(blocks.at(x, channel, where..., room))); });
  return total;
}

struct GradientSums {
  double dy = 0, dy_x = 0;  // sum dy, sum dy * (x - mean)
};

MARVIN_CLONES void add_block(const MomentsBlock& dys, const MomentsBlock& xs, float mean, GradientSums& total) {
  Lanes sum_a = {}, sum_b = {}, product_a = {}, product_b = {};
  float sum = 0, product = 0;
  for (int64_t row = 0; row < dys.rows; ++row) {
    const float *dy = dys.x + row * dys.step, *x = xs.x + row * xs.step;
    int64_t i = 0;
    for (; i + 2 * kLanes <= dys.length; i += 2 * kLanes) {
      const Lanes dy_a = lanes_at(dy + i), dy_b = lanes_at(dy + i + kLanes);
      sum_a += dy_a;
      sum_b += dy_b;
      product_a += dy_a * (lanes_at(x + i) - mean);
      product_b += dy_b * (lanes_at(x + i + kLanes) - mean);
    }
    for (; i < dys.length; ++i) {
      sum += dy[i];
      product += dy[i] * (x[i] - mean);
    }
  }
  total.dy += static_cast<double>(sum_of(sum_a, sum_b) + sum);
  total.dy_x += static_cast<double>(sum_of(product_a, product_b) + product);
}

GradientSums channel_sums(const ChannelBlocks& blocks, const float* dy, const float* x, int64_t channel, float mean) {
  GradientSums total;
  float dy_room[MomentsBlock::kElements], x_room[MomentsBlock::kElements];
  blocks.each([&](auto... where) {
    add_block(blocks.at(dy, channel, where..., dy_room), blocks.at(x, channel, where..., x_room), mean, total);
  });
  return total;
}

// ---- Planes ---------------------------------------------------------------------------------------------------------

// y = (x - mean) * factor + bias over the planes of a channel, which begin every `step` elements.
MARVIN_CLONES void normalize(const float* x, int64_t planes, int64_t step, int64_t inner, float mean, float factor,
                             float bias, float* y) {
  for (int64_t n = 0; n < planes; ++n, x += step, y += step) {
#pragma GCC ivdep
    for (int64_t i = 0; i < inner; ++i) y[i] = (x[i] - mean) * factor + bias;
  }
}

// dx = factor * (dy - offset - (x - mean) * slope) over the planes of a channel.
MARVIN_CLONES void combine(const float* dy, const float* x, int64_t planes, int64_t step, int64_t inner, float mean,
                           float factor, float offset, float slope, float* dx) {
  for (int64_t n = 0; n < planes; ++n, dy += step, x += step, dx += step) {
#pragma GCC ivdep
    for (int64_t i = 0; i < inner; ++i) dx[i] = factor * (dy[i] - offset - (x[i] - mean) * slope);
  }
}

template <class Body>
void each_channel(const ChannelShape& shape, Body&& body) {
#pragma omp parallel for schedule(static) if (shape.elements() >= kParallelElements)
  for (int64_t channel = 0; channel < shape.channels; ++channel) body(channel);
}

void put(float* vector, int64_t channel, double value) {
  if (vector) vector[channel] = static_cast<float>(value);
}

void finish_channel(const ChannelShape& shape, const BatchNorm& args, int64_t c, double mean, double variance) {
  const double inv_std = 1 / std::sqrt(variance + args.epsilon);
  const float scale = args.scale[c], bias = args.bias[c];
  put(args.saved_mean, c, mean);
  put(args.saved_inv_std, c, inv_std);
  normalize(args.x + c * shape.inner, shape.batch, shape.channels * shape.inner, shape.inner, static_cast<float>(mean),
            static_cast<float>(inv_std) * scale, bias, args.y + c * shape.inner);
}

}  // namespace

void batch_norm_training(const ChannelShape& shape, const BatchNorm& args) {
  const ChannelBlocks blocks(shape);
  each_channel(shape, [&](int64_t c) {
    const Moments moments = channel_moments(blocks, args.x, c);
    const double variance = moments.squares / moments.count;
    const double given_mean = args.mean[c], given_variance = args.variance[c];
    finish_channel(shape, args, c, moments.mean, variance);
    put(args.running_mean, c, args.momentum * given_mean + (1 - args.momentum) * moments.mean);
    put(args.running_variance, c, args.momentum * given_variance + (1 - args.momentum) * variance);
  });
}

void batch_norm_inference(const ChannelShape& shape, const BatchNorm& args) {
  each_channel(shape, [&](int64_t c) {
    const double mean = args.mean[c], variance = args.variance[c];
    finish_channel(shape, args, c, mean, variance);
    put(args.running_mean, c, mean);
    put(args.running_variance, c, variance);
  });
}

void batch_norm_grad(const ChannelShape& shape, bool constant_statistics, const BatchNormGrad& args) {
  const ChannelBlocks blocks(shape);
  const double count = static_cast<double>(shape.batch * shape.inner);
  each_channel(shape, [&](int64_t c) {
    const float mean = args.mean[c], inv_std = args.inv_std[c], factor = args.scale[c] * inv_std;
    GradientSums sums;
    if (!constant_statistics || args.dscale || args.dbias) sums = channel_sums(blocks, args.dy, args.x, c, mean);
    const double offset = constant_statistics ? 0 : sums.dy / count;
    const double slope = constant_statistics ? 0 : sums.dy_x / count * inv_std * inv_std;
    if (args.dx) {
      combine(args.dy + c * shape.inner, args.x + c * shape.inner, shape.batch, shape.channels * shape.inner,
              shape.inner, mean, factor, static_cast<float>(offset), static_cast<float>(slope),
              args.dx + c * shape.inner);
    }
    put(args.dscale, c, sums.dy_x * inv_std);
    put(args.dbias, c, sums.dy);
  });
}

}  // namespace marvin
