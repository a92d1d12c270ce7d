#include "runtime/kernels/normalization_rows.h"

#include <algorithm>

#include "runtime/kernels/avx512.h"
#include "runtime/kernels/parallel.h"

namespace marvin {
namespace {

constexpr int64_t kLanes = 16;
constexpr int64_t kSums = 4;

// ---- On any machine -------------------------------------------------------------------------------------------------

// Adds term(row, channel) up for the channels [first, first + count), of which there are at most kLanes.
template <class Term>
[[gnu::always_inline]] inline void sum_plain(int64_t rows, int64_t first, int64_t count, Term term, float* sums) {
  float parts[kSums][kLanes] = {};
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t lane = 0; lane < count; ++lane) parts[r % kSums][lane] += term(r, first + lane);
  for (int64_t lane = 0; lane < count; ++lane)
    sums[lane] = (parts[0][lane] + parts[1][lane]) + (parts[2][lane] + parts[3][lane]);
}

MARVIN_CLONES void row_moments_plain(const float* x, int64_t rows, int64_t channels, float* mean, float* rest,
                                     float* squares) {
  const float share = 1.0f / static_cast<float>(rows);
  for (int64_t c = 0; c < channels; c += kLanes) {
    const int64_t n = std::min(kLanes, channels - c);
    sum_plain(
        rows, c, n, [&](int64_t r, int64_t k) { return x[r * channels + k]; }, mean + c);
    for (int64_t k = c; k < c + n; ++k) mean[k] *= share;
    const auto away = [&](int64_t r, int64_t k) { return x[r * channels + k] - mean[k]; };
    sum_plain(rows, c, n, away, rest + c);
    sum_plain(
        rows, c, n, [&](int64_t r, int64_t k) { return away(r, k) * away(r, k); }, squares + c);
    for (int64_t k = c; k < c + n; ++k) {
      squares[k] -= rest[k] * rest[k] * share;
      rest[k] *= share;
    }
  }
}

MARVIN_CLONES void row_products_plain(const float* dy, const float* x, const float* mean, int64_t rows,
                                      int64_t channels, float* sum, float* product) {
  for (int64_t c = 0; c < channels; c += kLanes) {
    const int64_t n = std::min(kLanes, channels - c);
    const auto at = [&](int64_t r, int64_t k) { return r * channels + k; };
    sum_plain(
        rows, c, n, [&](int64_t r, int64_t k) { return dy[at(r, k)]; }, sum + c);
    sum_plain(
        rows, c, n, [&](int64_t r, int64_t k) { return dy[at(r, k)] * (x[at(r, k)] - mean[k]); }, product + c);
  }
}

MARVIN_CLONES void row_sums_plain(const float* x, int64_t rows, int64_t channels, float* sum) {
  for (int64_t c = 0; c < channels; c += kLanes) {
    const int64_t n = std::min(kLanes, channels - c);
    sum_plain(
        rows, c, n, [&](int64_t r, int64_t k) { return x[r * channels + k]; }, sum + c);
  }
}

MARVIN_CLONES void scale_rows_plain(const float* x, int64_t rows, int64_t channels, const RowScaling& args, float* y) {
  for (int64_t r = 0; r < rows; ++r, x += channels, y += channels) {
#pragma GCC ivdep
    for (int64_t c = 0; c < channels; ++c) y[c] = (x[c] - args.mean[c]) * args.factor[c] + args.bias[c];
  }
}

MARVIN_CLONES void combine_rows_plain(const float* dy, const float* x, int64_t rows, int64_t channels,
                                      const RowCombination& args, float* dx) {
  for (int64_t r = 0; r < rows; ++r, dy += channels, x += channels, dx += channels) {
#pragma GCC ivdep
    for (int64_t c = 0; c < channels; ++c) {
      dx[c] = args.factor[c] * (dy[c] - args.offset[c] - (x[c] - args.mean[c]) * args.slope[c]);
    }
  }
}

// ---- With AVX-512 ---------------------------------------------------------------------------------------------------

#if defined(__x86_64__)

__mmask16 lanes_from(int64_t first, int64_t channels) {
  return channels - first >= kLanes ? 0xffff
                                    : static_cast<__mmask16>((1 << std::max<int64_t>(0, channels - first)) - 1);
}

// Of whole vectors: masks take time of the units that add.
template <bool kFull>
MARVIN_AVX512 inline __m512 load(__mmask16 mask, const float* from) {
  return kFull ? _mm512_loadu_ps(from) : _mm512_maskz_loadu_ps(mask, from);
}

MARVIN_AVX512 inline __m512 total(const __m512* parts) {
  return _mm512_add_ps(_mm512_add_ps(parts[0], parts[1]), _mm512_add_ps(parts[2], parts[3]));
}

template <bool kFull>
MARVIN_AVX512 void row_moments_avx512(const float* x, int64_t rows, int64_t channels, float* mean, float* rest,
                                      float* squares) {
  const __m512 share = _mm512_set1_ps(1.0f / static_cast<float>(rows));
  for (int64_t c = 0; c < channels; c += kLanes) {
    const __mmask16 mask = lanes_from(c, channels);
    __m512 sums[kSums] = {}, away_sums[kSums] = {}, square_sums[kSums] = {};
    const auto add = [&](int64_t r, int k)
                         MARVIN_AVX512 { sums[k] = _mm512_add_ps(sums[k], load<kFull>(mask, x + r * channels + c)); };
    int64_t r = 0;
    for (; r + kSums <= rows; r += kSums) add(r, 0), add(r + 1, 1), add(r + 2, 2), add(r + 3, 3);
    for (int k = 0; r + k < rows; ++k) add(r + k, k);
    const __m512 means = _mm512_mul_ps(total(sums), share);
    const auto add_away = [&](int64_t row, int k) MARVIN_AVX512 {
      const __m512 away = _mm512_sub_ps(load<kFull>(mask, x + row * channels + c), means);
      away_sums[k] = _mm512_add_ps(away_sums[k], away);
      square_sums[k] = _mm512_add_ps(square_sums[k], _mm512_mul_ps(away, away));
    };
    for (r = 0; r + kSums <= rows; r += kSums)
      add_away(r, 0), add_away(r + 1, 1), add_away(r + 2, 2), add_away(r + 3, 3);
    for (int k = 0; r + k < rows; ++k) add_away(r + k, k);
    const __m512 away = total(away_sums);
    const __m512 both = _mm512_sub_ps(total(square_sums), _mm512_mul_ps(_mm512_mul_ps(away, away), share));
    _mm512_mask_storeu_ps(mean + c, mask, means);
    _mm512_mask_storeu_ps(rest + c, mask, _mm512_mul_ps(away, share));
    _mm512_mask_storeu_ps(squares + c, mask, both);
  }
}

template <bool kFull>
MARVIN_AVX512 void row_products_avx512(const float* dy, const float* x, const float* mean, int64_t rows,
                                       int64_t channels, float* sum, float* product) {
  for (int64_t c = 0; c < channels; c += kLanes) {
    const __mmask16 mask = lanes_from(c, channels);
    const __m512 means = load<kFull>(mask, mean + c);
    __m512 sums[kSums] = {}, products[kSums] = {};
    const auto add = [&](int64_t r, int k) MARVIN_AVX512 {
      const __m512 slope = load<kFull>(mask, dy + r * channels + c);
      const __m512 away = _mm512_sub_ps(load<kFull>(mask, x + r * channels + c), means);
      sums[k] = _mm512_add_ps(sums[k], slope);
      products[k] = _mm512_add_ps(products[k], _mm512_mul_ps(slope, away));
    };
    int64_t r = 0;
    for (; r + kSums <= rows; r += kSums) add(r, 0), add(r + 1, 1), add(r + 2, 2), add(r + 3, 3);
    for (int k = 0; r + k < rows; ++k) add(r + k, k);
    _mm512_mask_storeu_ps(sum + c, mask, total(sums));
    _mm512_mask_storeu_ps(product + c, mask, total(products));
  }
}

template <bool kFull>
MARVIN_AVX512 void row_sums_avx512(const float* x, int64_t rows, int64_t channels, float* sum) {
  for (int64_t c = 0; c < channels; c += kLanes) {
    const __mmask16 mask = lanes_from(c, channels);
    __m512 sums[kSums] = {};
    const auto add = [&](int64_t r, int k)
                         MARVIN_AVX512 { sums[k] = _mm512_add_ps(sums[k], load<kFull>(mask, x + r * channels + c)); };
    int64_t r = 0;
    for (; r + kSums <= rows; r += kSums) add(r, 0), add(r + 1, 1), add(r + 2, 2), add(r + 3, 3);
    for (int k = 0; r + k < rows; ++k) add(r + k, k);
    _mm512_mask_storeu_ps(sum + c, mask, total(sums));
  }
}

// The channels are taken in strips that leave their vectors in registers from row to row.
template <int kVectors>
MARVIN_AVX512 void scale_strip(const float* x, int64_t rows, int64_t channels, int64_t first, const RowScaling& args,
                               float* y) {
  __mmask16 mask[kVectors];
  __m512 mean[kVectors], factor[kVectors], bias[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    const int64_t c = first + v * kLanes;
    mask[v] = lanes_from(c, channels);
    mean[v] = _mm512_maskz_loadu_ps(mask[v], args.mean + c);
    factor[v] = _mm512_maskz_loadu_ps(mask[v], args.factor + c);
    bias[v] = _mm512_maskz_loadu_ps(mask[v], args.bias + c);
  }
  for (int64_t r = 0; r < rows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      const int64_t at = r * channels + first + v * kLanes;
      const __m512 away = _mm512_sub_ps(_mm512_maskz_loadu_ps(mask[v], x + at), mean[v]);
      _mm512_mask_storeu_ps(y + at, mask[v], _mm512_add_ps(_mm512_mul_ps(away, factor[v]), bias[v]));
    }
  }
}

template <int kVectors>
MARVIN_AVX512 void combine_strip(const float* dy, const float* x, int64_t rows, int64_t channels, int64_t first,
                                 const RowCombination& args, float* dx) {
  __mmask16 mask[kVectors];
  __m512 mean[kVectors], factor[kVectors], offset[kVectors], slope[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    const int64_t c = first + v * kLanes;
    mask[v] = lanes_from(c, channels);
    mean[v] = _mm512_maskz_loadu_ps(mask[v], args.mean + c);
    factor[v] = _mm512_maskz_loadu_ps(mask[v], args.factor + c);
    offset[v] = _mm512_maskz_loadu_ps(mask[v], args.offset + c);
    slope[v] = _mm512_maskz_loadu_ps(mask[v], args.slope + c);
  }
  for (int64_t r = 0; r < rows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      const int64_t at = r * channels + first + v * kLanes;
      const __m512 away = _mm512_sub_ps(_mm512_maskz_loadu_ps(mask[v], x + at), mean[v]);
      const __m512 rest = _mm512_sub_ps(_mm512_maskz_loadu_ps(mask[v], dy + at), offset[v]);
      const __m512 both = _mm512_sub_ps(rest, _mm512_mul_ps(away, slope[v]));
      _mm512_mask_storeu_ps(dx + at, mask[v], _mm512_mul_ps(factor[v], both));
    }
  }
}

// Calls strip<vectors>(first channel) for strips of four vectors, and one for the rest.
template <class Strip>
void each_strip(int64_t channels, Strip&& strip) {
  for (int64_t first = 0; first < channels; first += 4 * kLanes) {
    switch ((std::min(4 * kLanes, channels - first) + kLanes - 1) / kLanes) {
      case 1:
        strip.template operator()<1>(first);
        break;
      case 2:
        strip.template operator()<2>(first);
        break;
      case 3:
        strip.template operator()<3>(first);
        break;
      default:
        strip.template operator()<4>(first);
    }
  }
}

#endif

}  // namespace

void row_moments(const float* x, int64_t rows, int64_t channels, float* mean, float* rest, float* squares) {
#if defined(__x86_64__)
  if (avx512_is_available()) {
    return channels % kLanes == 0 ? row_moments_avx512<true>(x, rows, channels, mean, rest, squares)
                                  : row_moments_avx512<false>(x, rows, channels, mean, rest, squares);
  }
#endif
  row_moments_plain(x, rows, channels, mean, rest, squares);
}

void row_products(const float* dy, const float* x, const float* mean, int64_t rows, int64_t channels, float* sum,
                  float* product) {
#if defined(__x86_64__)
  if (avx512_is_available()) {
    return channels % kLanes == 0 ? row_products_avx512<true>(dy, x, mean, rows, channels, sum, product)
                                  : row_products_avx512<false>(dy, x, mean, rows, channels, sum, product);
  }
#endif
  row_products_plain(dy, x, mean, rows, channels, sum, product);
}

void row_sums(const float* x, int64_t rows, int64_t channels, float* sum) {
#if defined(__x86_64__)
  if (avx512_is_available()) {
    return channels % kLanes == 0 ? row_sums_avx512<true>(x, rows, channels, sum)
                                  : row_sums_avx512<false>(x, rows, channels, sum);
  }
#endif
  row_sums_plain(x, rows, channels, sum);
}

void scale_rows(const float* x, int64_t rows, int64_t channels, const RowScaling& args, float* y) {
#if defined(__x86_64__)
  if (avx512_is_available()) {
    return each_strip(channels,
                      [&]<int kVectors>(int64_t first) { scale_strip<kVectors>(x, rows, channels, first, args, y); });
  }
#endif
  scale_rows_plain(x, rows, channels, args, y);
}

void combine_rows(const float* dy, const float* x, int64_t rows, int64_t channels, const RowCombination& args,
                  float* dx) {
#if defined(__x86_64__)
  if (avx512_is_available()) {
    return each_strip(channels, [&]<int kVectors>(int64_t first) {
      combine_strip<kVectors>(dy, x, rows, channels, first, args, dx);
    });
  }
#endif
  combine_rows_plain(dy, x, rows, channels, args, dx);
}

}  // namespace marvin
