#include <optional>
#include <type_traits>

#include "runtime/kernels/conv.h"

namespace marvin {
namespace {

// Along depth, height and width.
using Place = std::array<int64_t, 3>;

// Where the elements of an image [n][channels][d][h][w] are.
template <class T>
struct Image {
  const T* data;
  int64_t step_n, step_channel;
  Place steps;

  // A member of ConvAxis says how long the axes are.
  Image(const T* elements, int64_t channels, const ConvShape& s, int64_t ConvAxis::*extent) : data(elements) {
    const int64_t d = s.axes[0].*extent, h = s.axes[1].*extent, w = s.axes[2].*extent;
    step_n = channels * d * h * w;
    step_channel = std::is_floating_point_v<T> ? d * h * w : 1;
    const int64_t pixel = std::is_floating_point_v<T> ? 1 : channels;
    steps = {h * w * pixel, w * pixel, pixel};
  }
  T at(int64_t n, int64_t channel, const Place& place) const {
    return data[n * step_n + channel * step_channel + place[0] * steps[0] + place[1] * steps[1] + place[2] * steps[2]];
  }
};

// A sum that is exact for words, and as good as exact for float32.
template <class T>
using Total = std::conditional_t<std::is_floating_point_v<T>, double, int128_t>;

Place place_of(const ConvShape& s, int64_t index, int64_t ConvAxis::*extent) {
  const int64_t h = s.axes[1].*extent, w = s.axes[2].*extent;
  return {index / w / h, index / w % h, index % w};
}

// The input that an output reads through a tap.
std::optional<Place> input_at(const ConvShape& s, const Place& out, const Place& tap) {
  Place in;
  for (size_t i = 0; i < 3; ++i) {
    const ConvAxis& axis = s.axes[i];
    in[i] = out[i] * axis.stride + tap[i] * axis.dilation - axis.pad;
    if (in[i] < 0 || in[i] >= axis.in) return {};
  }
  return in;
}

// The output that reads an input through a tap.
std::optional<Place> output_at(const ConvShape& s, const Place& in, const Place& tap) {
  Place out;
  for (size_t i = 0; i < 3; ++i) {
    const ConvAxis& axis = s.axes[i];
    const int64_t scaled = in[i] + axis.pad - tap[i] * axis.dilation;
    out[i] = scaled / axis.stride;
    if (scaled < 0 || scaled % axis.stride != 0 || out[i] >= axis.out) return {};
  }
  return out;
}

template <class A, class B>
void forward(const ConvShape& s, const A* x_data, const B* w_data, float scale, const float* bias, float* y) {
  const Image<A> x(x_data, s.c, s, &ConvAxis::in);
  const Image<B> w(w_data, s.group_c(), s, &ConvAxis::kernel);
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t n = 0; n < s.n; ++n) {
    for (int64_t o = 0; o < s.o; ++o) {
      const int64_t first_c = o / s.group_o() * s.group_c();
      for (int64_t pixel = 0; pixel < s.out_pixels(); ++pixel) {
        const Place out = place_of(s, pixel, &ConvAxis::out);
        Total<A> sum = 0;
        for (int64_t t = 0; t < s.taps(); ++t) {
          const Place tap = place_of(s, t, &ConvAxis::kernel);
          const std::optional<Place> in = input_at(s, out, tap);
          for (int64_t c = 0; in && c < s.group_c(); ++c)
            sum += static_cast<Total<A>>(x.at(n, first_c + c, *in)) * w.at(o, c, tap);
        }
        y[(n * s.o + o) * s.out_pixels() + pixel] = static_cast<float>(sum) * scale + (bias ? bias[o] : 0.0f);
      }
    }
  }
}

template <class A, class B>
void input_grad(const ConvShape& s, const A* dy_data, const B* w_data, float scale, float* dx) {
  const Image<A> dy(dy_data, s.o, s, &ConvAxis::out);
  const Image<B> w(w_data, s.group_c(), s, &ConvAxis::kernel);
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t n = 0; n < s.n; ++n) {
    for (int64_t c = 0; c < s.c; ++c) {
      const int64_t first_o = c / s.group_c() * s.group_o();
      for (int64_t pixel = 0; pixel < s.in_pixels(); ++pixel) {
        const Place in = place_of(s, pixel, &ConvAxis::in);
        Total<A> sum = 0;
        for (int64_t t = 0; t < s.taps(); ++t) {
          const Place tap = place_of(s, t, &ConvAxis::kernel);
          const std::optional<Place> out = output_at(s, in, tap);
          for (int64_t o = first_o; out && o < first_o + s.group_o(); ++o)
            sum += static_cast<Total<A>>(dy.at(n, o, *out)) * w.at(o, c % s.group_c(), tap);
        }
        dx[(n * s.c + c) * s.in_pixels() + pixel] = static_cast<float>(sum) * scale;
      }
    }
  }
}

template <class A, class B>
void weight_grad(const ConvShape& s, const A* x_data, const B* dy_data, float scale, float* dw) {
  const Image<A> x(x_data, s.c, s, &ConvAxis::in);
  const Image<B> dy(dy_data, s.o, s, &ConvAxis::out);
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t o = 0; o < s.o; ++o) {
    for (int64_t c = 0; c < s.group_c(); ++c) {
      const int64_t channel = o / s.group_o() * s.group_c() + c;
      for (int64_t t = 0; t < s.taps(); ++t) {
        const Place tap = place_of(s, t, &ConvAxis::kernel);
        Total<A> sum = 0;
        for (int64_t pixel = 0; pixel < s.out_pixels(); ++pixel) {
          const Place out = place_of(s, pixel, &ConvAxis::out);
          const std::optional<Place> in = input_at(s, out, tap);
          for (int64_t n = 0; in && n < s.n; ++n)
            sum += static_cast<Total<A>>(x.at(n, channel, *in)) * dy.at(n, o, out);
        }
        dw[(o * s.group_c() + c) * s.taps() + t] = static_cast<float>(sum) * scale;
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
