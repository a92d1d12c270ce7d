// Batch normalization of row-major float32 [n,c,...]: every channel by the statistics of its elements.
//
// A channel is read once from memory: its elements are taken in blocks of 1024, each summed in float32 around its own
// mean, and blocks are combined in float64 in a fixed order. Channels are shared among threads, so results do not
// depend on how many there are.
#pragma once

#include <cstdint>

namespace marvin {

// x[n][c][s]: s elements in a row belong to one channel.
struct ChannelShape {
  int64_t batch = 1, channels = 1, inner = 1;

  int64_t elements() const { return batch * channels * inner; }
};

// What BatchNormalization reads and writes; vectors have one element per channel, outputs may be null except y. Outputs
// may be written over inputs: a channel is read before it is written.
struct BatchNorm {
  const float *x, *scale, *bias, *mean, *variance;
  float *y, *running_mean, *running_variance, *saved_mean, *saved_inv_std;
  double epsilon = 0;
  double momentum = 0;  // running = momentum * given + (1 - momentum) * of this batch
};

// By the batch's own mean and population variance.
void batch_norm_training(const ChannelShape& shape, const BatchNorm& args);
// By the mean and variance given, which are the running ones, too.
void batch_norm_inference(const ChannelShape& shape, const BatchNorm& args);

// The outputs may be null, and may be written over inputs.
struct BatchNormGrad {
  const float *dy, *x, *scale, *mean, *inv_std;
  float *dx, *dscale, *dbias;
};

// With xhat = (x - mean) * inv_std: dbias = sum dy, dscale = sum dy * xhat, and
// dx = scale * inv_std * (dy - (dbias + xhat * dscale) / count), or without the second term when the statistics are
// constants.
void batch_norm_grad(const ChannelShape& shape, bool constant_statistics, const BatchNormGrad& args);

}  // namespace marvin
