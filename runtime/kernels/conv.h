// Two-dimensional convolution on raw memory: its sizes, and the kernels that define its results.
//
// Memory: float32 operands are x[n][c][h][w], w[o][c/groups][kh][kw], y[n][o][oh][ow]; integer operands are
// x[n][h][w][c], w[o][kh][kw][c/groups], dy[n][oh][ow][o]. Results are float32 and in the first of these orders.
#pragma once

#include <cstdint>

#include "runtime/kernels/exact.h"

namespace marvin {

struct ConvShape {
  int64_t n = 1, c = 1, h = 1, w = 1;  // input
  int64_t o = 1, kh = 1, kw = 1;       // weights
  int64_t oh = 1, ow = 1;              // output
  int64_t groups = 1;                  // divides c and o
  int64_t stride_h = 1, stride_w = 1;
  int64_t dilation_h = 1, dilation_w = 1;
  int64_t pad_top = 0, pad_left = 0;  // those at the other ends follow from oh and ow

  int64_t group_c() const { return c / groups; }
  int64_t group_o() const { return o / groups; }
  int64_t x_elements() const { return n * c * h * w; }
  int64_t w_elements() const { return o * group_c() * kh * kw; }
  int64_t y_elements() const { return n * o * oh * ow; }
  bool operator==(const ConvShape&) const = default;
};

// y from x and w, dx from dy and w, dw from x and dy.
enum class ConvPass : uint8_t { forward, input_grad, weight_grad };

// Calls body(T{}) with the integer type of a word container of so many bytes.
template <class Body>
decltype(auto) visit_word_type(int bytes, Body&& body) {
  if (bytes == 1) return body(int8_t{});
  if (bytes == 2) return body(int16_t{});
  return body(int32_t{});
}

// y = x * w + bias; bias[o] may be null. Sums are taken in float64 and rounded once.
void conv_reference(const ConvShape& shape, const float* x, const float* w, const float* bias, float* y);
// y = float32(exact sum) * scale + bias, for scale a power of two.
void conv_reference(const ConvShape& shape, Words x, Words w, float scale, const float* bias, float* y);

// dx, the gradient of sum(dy * y) by x.
void conv_input_grad_reference(const ConvShape& shape, const float* dy, const float* w, float* dx);
void conv_input_grad_reference(const ConvShape& shape, Words dy, Words w, float scale, float* dx);

// dw, the gradient of sum(dy * y) by w.
void conv_weight_grad_reference(const ConvShape& shape, const float* x, const float* dy, float* dw);
void conv_weight_grad_reference(const ConvShape& shape, Words x, Words dy, float scale, float* dw);

}  // namespace marvin
