#include "runtime/kernels/winograd_transforms.h"

#include <algorithm>

#include "runtime/kernels/avx512.h"

namespace marvin::winograd {

#if defined(__x86_64__)

namespace {

using Vector = __m512;
struct Tile {
  Vector at[4][4];
};

MARVIN_AVX512 inline Vector load(const Images& images, const Place& place, int64_t channel, __mmask16 mask) {
  if (place.row < 0 || place.row >= images.height || place.column < 0 || place.column >= images.width)
    return _mm512_setzero_ps();
  const int64_t position = (place.image * images.height + place.row) * images.width + place.column;
  return _mm512_maskz_loadu_ps(mask, images.data + position * images.channels + channel);
}

// d' = B' d B, of 4x4 inputs.
MARVIN_AVX512 inline void input_points(Tile& d) {
#pragma GCC unroll 4
  for (Vector(&row)[4] : d.at) {
    const Vector a = row[0], b = row[1], c = row[2], e = row[3];
    row[0] = a - c, row[1] = b + c, row[2] = c - b, row[3] = b - e;
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const Vector a = d.at[0][i], b = d.at[1][i], c = d.at[2][i], e = d.at[3][i];
    d.at[0][i] = a - c, d.at[1][i] = b + c, d.at[2][i] = c - b, d.at[3][i] = b - e;
  }
}

// A dy A', of 2x2 gradients in the corner.
MARVIN_AVX512 inline void gradient_points(Tile& d) {
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    const Vector a = d.at[i][0], b = d.at[i][1];
    d.at[i][1] = a + b, d.at[i][2] = a - b, d.at[i][3] = -b;
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const Vector a = d.at[0][i], b = d.at[1][i];
    d.at[1][i] = a + b, d.at[2][i] = a - b, d.at[3][i] = -b;
  }
}

// A' m A, 2x2 outputs into the corner.
MARVIN_AVX512 inline void outputs_of(Tile& m) {
#pragma GCC unroll 4
  for (Vector(&row)[4] : m.at) {
    const Vector sum = row[0] + row[1] + row[2], difference = row[1] - row[2] - row[3];
    row[0] = sum, row[1] = difference;
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    const Vector sum = m.at[0][i] + m.at[1][i] + m.at[2][i], difference = m.at[1][i] - m.at[2][i] - m.at[3][i];
    m.at[0][i] = sum, m.at[1][i] = difference;
  }
}

// G w G', of 3x3 weights in the corner.
MARVIN_AVX512 inline void tap_points(Tile& w) {
  const Vector half = _mm512_set1_ps(0.5f);
#pragma GCC unroll 3
  for (int i = 0; i < 3; ++i) {
    const Vector a = w.at[i][0], b = w.at[i][1] * half, c = w.at[i][2], mean = (a + c) * half;
    w.at[i][1] = mean + b, w.at[i][2] = mean - b, w.at[i][3] = c;
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const Vector a = w.at[0][i], b = w.at[1][i] * half, c = w.at[2][i], mean = (a + c) * half;
    w.at[1][i] = mean + b, w.at[2][i] = mean - b, w.at[3][i] = c;
  }
}

// G' m G, 3x3 gradients of weights into the corner.
MARVIN_AVX512 inline void taps_of(Tile& m) {
  const Vector half = _mm512_set1_ps(0.5f);
#pragma GCC unroll 4
  for (Vector(&row)[4] : m.at) {
    const Vector mean = (row[1] + row[2]) * half, difference = (row[1] - row[2]) * half;
    row[0] = row[0] + mean, row[1] = difference, row[2] = mean + row[3];
  }
#pragma GCC unroll 3
  for (int i = 0; i < 3; ++i) {
    const Vector mean = (m.at[1][i] + m.at[2][i]) * half, difference = (m.at[1][i] - m.at[2][i]) * half;
    m.at[0][i] = m.at[0][i] + mean, m.at[2][i] = mean + m.at[3][i], m.at[1][i] = difference;
  }
}

MARVIN_AVX512 inline void store_points(const Tile& tile, float* to, int64_t pitch) {
#pragma GCC unroll 16
  for (int64_t i = 0; i < kPoints; ++i) _mm512_storeu_ps(to + i * pitch, tile.at[i / 4][i % 4]);
}

MARVIN_AVX512 inline Tile load_points(const float* from, int64_t pitch) {
  Tile tile;
#pragma GCC unroll 16
  for (int64_t i = 0; i < kPoints; ++i) tile.at[i / 4][i % 4] = _mm512_loadu_ps(from + i * pitch);
  return tile;
}

}  // namespace

MARVIN_AVX512 void transform_inputs(const Images& x, const Place& place, float* to, int64_t point_pitch) {
  for (int64_t channel = 0; channel < ceil_div(x.channels, kTileColumns) * kTileColumns; channel += kLanes) {
    const __mmask16 mask = first_lanes(x.channels - channel);
    Tile tile;
#pragma GCC unroll 16
    for (int64_t i = 0; i < kPoints; ++i)
      tile.at[i / 4][i % 4] = load(x, {place.image, place.row + i / 4, place.column + i % 4}, channel, mask);
    input_points(tile);
    store_points(tile, to + channel, point_pitch);
  }
}

MARVIN_AVX512 void transform_gradients(const Images& dy, const Place& place, float* to, int64_t point_pitch) {
  for (int64_t channel = 0; channel < dy.channels; channel += kLanes) {
    const __mmask16 mask = first_lanes(dy.channels - channel);
    Tile tile;
#pragma GCC unroll 4
    for (int64_t i = 0; i < 4; ++i)
      tile.at[i / 2][i % 2] = load(dy, {place.image, place.row + i / 2, place.column + i % 2}, channel, mask);
    gradient_points(tile);
    store_points(tile, to + channel, point_pitch);
  }
}

MARVIN_AVX512 void transform_taps(const float* taps, bool turned, float* to, int64_t point_pitch) {
  for (int64_t v = 0; v < kTileColumns; v += kLanes) {
    Tile tile;
#pragma GCC unroll 9
    for (int64_t i = 0; i < kTaps; ++i)
      tile.at[i / 3][i % 3] = _mm512_loadu_ps(taps + (turned ? kTaps - 1 - i : i) * kTileColumns + v);
    tap_points(tile);
    store_points(tile, to + v, point_pitch);
  }
}

MARVIN_AVX512 void transform_products(const float* products, const Place& place, int64_t channel, const float* bias,
                                      const Outputs& out) {
  for (int64_t v = 0; v < kTileColumns && channel + v < out.channels; v += kLanes) {
    const __mmask16 mask = first_lanes(out.channels - channel - v);
    Tile tile = load_points(products + v, kRows * kTileColumns);
    outputs_of(tile);
    const Vector added = bias ? _mm512_maskz_loadu_ps(mask, bias + channel + v) : _mm512_setzero_ps();
#pragma GCC unroll 4
    for (int64_t i = 0; i < 4; ++i) {
      const int64_t row = place.row + i / 2, column = place.column + i % 2;
      if (row >= out.height || column >= out.width) continue;
      float* to = out.data + ((place.image * out.height + row) * out.width + column) * out.channels + channel + v;
      const Vector y = tile.at[i / 2][i % 2] + added;
      // Masked stores are slow, and few are needed.
      mask == 0xffff ? _mm512_storeu_ps(to, y) : _mm512_mask_storeu_ps(to, mask, y);
    }
  }
}

MARVIN_AVX512 void transform_sums(const float* sums, float* taps) {
  for (int64_t v = 0; v < kTileColumns; v += kLanes) {
    Tile tile = load_points(sums + v, kTileRows * kTileColumns);
    taps_of(tile);
#pragma GCC unroll 9
    for (int64_t i = 0; i < kTaps; ++i) _mm512_storeu_ps(taps + i * kTileColumns + v, tile.at[i / 3][i % 3]);
  }
}

#else

// Nothing calls these where avx512_is_available() says no.
void transform_inputs(const Images&, const Place&, float*, int64_t) {}
void transform_gradients(const Images&, const Place&, float*, int64_t) {}
void transform_taps(const float*, bool, float*, int64_t) {}
void transform_products(const float*, const Place&, int64_t, const float*, const Outputs&) {}
void transform_sums(const float*, float*) {}

#endif

}  // namespace marvin::winograd
