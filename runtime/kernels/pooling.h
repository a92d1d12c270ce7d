// Pooling of row-major planes: n c d h w is n*c planes of up to three axes; images have depth 1.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace marvin {

// One axis: window o covers the inputs o*stride - pad_begin + k*dilation for k in [0, kernel), where they exist.
struct PoolAxis {
  int64_t in = 1, out = 1, kernel = 1, stride = 1, dilation = 1, pad_begin = 0, pad_end = 0;
};

// Windows over planes. A tap is an element of a window, counted row-major: (kd * kernel_h + kh) * kernel_w + kw.
struct Pool {
  int64_t planes = 1;
  std::array<PoolAxis, 3> axes;  // depth, height, width

  int64_t taps() const { return axes[0].kernel * axes[1].kernel * axes[2].kernel; }
  int64_t in_elements() const { return axes[0].in * axes[1].in * axes[2].in; }      // of one plane
  int64_t out_elements() const { return axes[0].out * axes[1].out * axes[2].out; }  // of one plane
};

// What stands for the tap of a window that lies in the padding altogether.
template <class Tap>
constexpr Tap kNoTap = static_cast<Tap>(-1);

// y: the largest element of every window, NaN when it holds one, the least that there is (-infinity) where it is all
// padding. taps: which one, the first of equals; may be null. T is float, uint8_t or int8_t. Tap is uint8_t for windows
// of up to 255 elements, else int32_t.
template <class T, class Tap>
void max_pool(const Pool& pool, const T* x, T* y, Tap* taps);

// dx: every dy added at the tap that its window took. dx may not overlap dy.
void max_pool_grad(const Pool& pool, const float* dy, const uint8_t* taps, float* dx);
void max_pool_grad(const Pool& pool, const float* dy, const int32_t* taps, float* dx);

// The taps as positions in the whole input tensor. Within a plane they count row-major, or column-major.
template <class Tap>
void tap_positions(const Pool& pool, const Tap* taps, bool column_major, int64_t* positions);

// y: the mean of every window over the elements that exist, or that exist or are padding.
void average_pool(const Pool& pool, bool count_padding, const float* x, float* y);
void average_pool_grad(const Pool& pool, bool count_padding, const float* dy, float* dx);

// y: (sum |x|^p)^(1/p) over every window, p at least 1. The gradient is 0 where y is.
void lp_pool(const Pool& pool, int64_t p, const float* x, float* y);
void lp_pool_grad(const Pool& pool, int64_t p, const float* dy, const float* x, const float* y, float* dx);

// One number per plane.
template <class Tap>
void global_max_pool(int64_t planes, int64_t plane_elements, const float* x, float* y, Tap* taps);
void global_average_pool(int64_t planes, int64_t plane_elements, const float* x, float* y);
void global_average_pool_grad(int64_t planes, int64_t plane_elements, const float* dy, float* dx);

}  // namespace marvin
