// Convolution over up to three axes on raw memory: its sizes, and the kernels that define its results.
//
// Memory: float32 operands are x[n][c][d][h][w], w[o][c/groups][kd][kh][kw], y[n][o][od][oh][ow]; integer operands are
// x[n][d][h][w][c], w[o][kd][kh][kw][c/groups], dy[n][od][oh][ow][o]. Results are float32 and in the first of these
// orders.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "runtime/kernels/exact.h"

namespace marvin {

// Output position i reads the inputs i * stride - pad + tap * dilation where they exist.
struct ConvAxis {
  int64_t in = 1, kernel = 1, out = 1;
  int64_t stride = 1, dilation = 1;
  int64_t pad = 0;  // before the first input; that behind the last follows from `out`, and may be negative

  int64_t pad_end() const { return (out - 1) * stride + (kernel - 1) * dilation + 1 - in - pad; }
  bool operator==(const ConvAxis&) const = default;
};

struct ConvShape {
  int64_t n = 1, c = 1, o = 1;
  int64_t groups = 1;            // divides c and o
  std::array<ConvAxis, 3> axes;  // depth, height, width; those that an operand lacks are of extent 1

  int64_t group_c() const { return c / groups; }
  int64_t group_o() const { return o / groups; }
  int64_t in_pixels() const { return axes[0].in * axes[1].in * axes[2].in; }
  int64_t out_pixels() const { return axes[0].out * axes[1].out * axes[2].out; }
  int64_t taps() const { return axes[0].kernel * axes[1].kernel * axes[2].kernel; }
  int64_t x_elements() const { return n * c * in_pixels(); }
  int64_t w_elements() const { return o * group_c() * taps(); }
  int64_t y_elements() const { return n * o * out_pixels(); }
  // Height and width, after the depth unless that is of extent 1.
  std::span<const ConvAxis> spatial() const { return std::span(axes).subspan(axes[0] == ConvAxis{} ? 1 : 0); }
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
