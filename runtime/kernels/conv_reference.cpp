#include <type_traits>

#include "runtime/kernels/conv.h"

namespace marvin {
namespace {

// Where the elements of an image [n][channels][h][w] are.
struct ImageStrides {
  int64_t n, channel, h, w;
};

template <class T>
ImageStrides image_strides(int64_t channels, int64_t h, int64_t w) {
  if (std::is_floating_point_v<T>) return {channels * h * w, h * w, w, 1};
  return {h * w * channels, 1, w * channels, channels};
}

template <class T>
struct Image {
  const T* data;
  ImageStrides stride;

  Image(const T* elements, int64_t channels, int64_t h, int64_t w)
      : data(elements), stride(image_strides<T>(channels, h, w)) {}
  T at(int64_t n, int64_t channel, int64_t h, int64_t w) const {
    return data[n * stride.n + channel * stride.channel + h * stride.h + w * stride.w];
  }
};

// A sum that is exact for words, and as good as exact for float32.
template <class T>
using Total = std::conditional_t<std::is_floating_point_v<T>, double, int128_t>;

// Calls body(i, tap) for every tap whose input position i for output position `out` is inside [0, extent).
template <class Body>
void for_taps(int64_t out, int64_t stride, int64_t dilation, int64_t pad, int64_t taps, int64_t extent, Body body) {
  for (int64_t tap = 0; tap < taps; ++tap) {
    const int64_t i = out * stride + tap * dilation - pad;
    if (i >= 0 && i < extent) body(i, tap);
  }
}

template <class A, class B>
void forward(const ConvShape& s, const A* x_data, const B* w_data, float scale, const float* bias, float* y) {
  const Image<A> x(x_data, s.c, s.h, s.w);
  const Image<B> w(w_data, s.group_c(), s.kh, s.kw);
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t n = 0; n < s.n; ++n) {
    for (int64_t o = 0; o < s.o; ++o) {
      const int64_t first_c = o / s.group_o() * s.group_c();
      for (int64_t oh = 0; oh < s.oh; ++oh) {
        for (int64_t ow = 0; ow < s.ow; ++ow) {
          Total<A> sum = 0;
          for_taps(oh, s.stride_h, s.dilation_h, s.pad_top, s.kh, s.h, [&](int64_t h, int64_t kh) {
            for_taps(ow, s.stride_w, s.dilation_w, s.pad_left, s.kw, s.w, [&](int64_t i, int64_t kw) {
              for (int64_t c = 0; c < s.group_c(); ++c)
                sum += static_cast<Total<A>>(x.at(n, first_c + c, h, i)) * w.at(o, c, kh, kw);
            });
          });
          y[((n * s.o + o) * s.oh + oh) * s.ow + ow] = static_cast<float>(sum) * scale + (bias ? bias[o] : 0.0f);
        }
      }
    }
  }
}

// Calls body(out, tap) for every tap through which output position `out` inside [0, extent) reads input position i.
template <class Body>
void for_readers(int64_t i, int64_t stride, int64_t dilation, int64_t pad, int64_t taps, int64_t extent, Body body) {
  for (int64_t tap = 0; tap < taps; ++tap) {
    const int64_t scaled = i + pad - tap * dilation;
    if (scaled >= 0 && scaled % stride == 0 && scaled / stride < extent) body(scaled / stride, tap);
  }
}

template <class A, class B>
void input_grad(const ConvShape& s, const A* dy_data, const B* w_data, float scale, float* dx) {
  const Image<A> dy(dy_data, s.o, s.oh, s.ow);
  const Image<B> w(w_data, s.group_c(), s.kh, s.kw);
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t n = 0; n < s.n; ++n) {
    for (int64_t c = 0; c < s.c; ++c) {
      const int64_t first_o = c / s.group_c() * s.group_o();
      for (int64_t h = 0; h < s.h; ++h) {
        for (int64_t i = 0; i < s.w; ++i) {
          Total<A> sum = 0;
          for_readers(h, s.stride_h, s.dilation_h, s.pad_top, s.kh, s.oh, [&](int64_t oh, int64_t kh) {
            for_readers(i, s.stride_w, s.dilation_w, s.pad_left, s.kw, s.ow, [&](int64_t ow, int64_t kw) {
              for (int64_t o = first_o; o < first_o + s.group_o(); ++o)
                sum += static_cast<Total<A>>(dy.at(n, o, oh, ow)) * w.at(o, c % s.group_c(), kh, kw);
            });
          });
          dx[((n * s.c + c) * s.h + h) * s.w + i] = static_cast<float>(sum) * scale;
        }
      }
    }
  }
}

template <class A, class B>
void weight_grad(const ConvShape& s, const A* x_data, const B* dy_data, float scale, float* dw) {
  const Image<A> x(x_data, s.c, s.h, s.w);
  const Image<B> dy(dy_data, s.o, s.oh, s.ow);
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t o = 0; o < s.o; ++o) {
    for (int64_t c = 0; c < s.group_c(); ++c) {
      const int64_t in = o / s.group_o() * s.group_c() + c;
      for (int64_t kh = 0; kh < s.kh; ++kh) {
        for (int64_t kw = 0; kw < s.kw; ++kw) {
          Total<A> sum = 0;
          for (int64_t n = 0; n < s.n; ++n) {
            for (int64_t oh = 0; oh < s.oh; ++oh) {
              const int64_t h = oh * s.stride_h + kh * s.dilation_h - s.pad_top;
              if (h < 0 || h >= s.h) continue;
              for (int64_t ow = 0; ow < s.ow; ++ow) {
                const int64_t i = ow * s.stride_w + kw * s.dilation_w - s.pad_left;
                if (i >= 0 && i < s.w) sum += static_cast<Total<A>>(x.at(n, in, h, i)) * dy.at(n, o, oh, ow);
              }
            }
          }
          dw[((o * s.group_c() + c) * s.kh + kh) * s.kw + kw] = static_cast<float>(sum) * scale;
        }
      }
    }
  }
}

// Calls body with both operands as pointers to their element types.
template <class Body>
void typed(Words a, Words b, Body body) {
  visit_word_type(a.bytes, [&](auto a_zero) {
    visit_word_type(b.bytes, [&](auto b_zero) {
      body(static_cast<const decltype(a_zero)*>(a.data), static_cast<const decltype(b_zero)*>(b.data));
    });
  });
}

}  // namespace

void conv_reference(const ConvShape& shape, const float* x, const float* w, const float* bias, float* y) {
  forward(shape, x, w, 1.0f, bias, y);
}

void conv_reference(const ConvShape& shape, Words x, Words w, float scale, const float* bias, float* y) {
  typed(x, w, [&](auto* a, auto* b) { forward(shape, a, b, scale, bias, y); });
}

void conv_input_grad_reference(const ConvShape& shape, const float* dy, const float* w, float* dx) {
  input_grad(shape, dy, w, 1.0f, dx);
}

void conv_input_grad_reference(const ConvShape& shape, Words dy, Words w, float scale, float* dx) {
  typed(dy, w, [&](auto* a, auto* b) { input_grad(shape, a, b, scale, dx); });
}

void conv_weight_grad_reference(const ConvShape& shape, const float* x, const float* dy, float* dw) {
  weight_grad(shape, x, dy, 1.0f, dw);
}

void conv_weight_grad_reference(const ConvShape& shape, Words x, Words dy, float scale, float* dw) {
  typed(x, dy, [&](auto* a, auto* b) { weight_grad(shape, a, b, scale, dw); });
}

}  // namespace marvin
