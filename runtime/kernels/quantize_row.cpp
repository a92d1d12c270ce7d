#include "runtime/kernels/quantize_row.h"

#include <algorithm>
#include <cmath>

#include "runtime/kernels/dot.h"
#include "runtime/kernels/parallel.h"
#include "runtime/kernels/random.h"

#if defined(__x86_64__)
#if !defined(__clang__)
// GCC 12 warns of its own header's _mm512_undefined_*.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>
#define MARVIN_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))
#endif

namespace marvin {
namespace {

// What the elements of a row share.
struct Row {
  float scale, low, high;
  RandomRow random;
  uint32_t first, stride;  // the lower halves of the random positions: first + i * stride

  Row(const QuantizeRule& rule, uint64_t position, uint64_t step)
      : scale(rule.scale),
        low(static_cast<float>(rule.min)),
        high(static_cast<float>(rule.max)),
        random(random_row(rule.key, position)),
        first(static_cast<uint32_t>(position)),
        stride(static_cast<uint32_t>(step)) {}
};

// Quantizes one element, into lane `lane` of the tally.
template <bool kStochastic>
[[gnu::always_inline]] inline int32_t quantize_one(float x, const Row& row, uint32_t i, LaneTally& tally,
                                                   int64_t lane) {
  const float scaled = x * row.scale;
  float bounded = scaled > row.low ? scaled : row.low;
  bounded = bounded < row.high ? bounded : row.high;
  float rounded;
  if constexpr (kStochastic) {
    const uint32_t bits = random_bits(row.random, row.first + i * row.stride);
    const float u = static_cast<float>(static_cast<int32_t>(bits >> 8)) * 0x1p-24f;
    const float whole = std::floor(bounded);
    rounded = whole + static_cast<float>((bounded - whole) + u >= 1.0f);
  } else {
    rounded = std::rint(bounded);
  }
  const float magnitude = std::fabs(x);
  tally.absmax[lane] = magnitude > tally.absmax[lane] ? magnitude : tally.absmax[lane];
  tally.abs[lane] += magnitude;
  tally.quantized[lane] += std::fabs(rounded);
  tally.saturated[lane] += bounded != scaled;
  tally.underflowed[lane] += (rounded == 0.0f) & (x != 0.0f);
  return static_cast<int32_t>(rounded);
}

template <bool kStochastic, class Word>
MARVIN_CLONES void quantize_plain(const float* x, Word* q, int64_t count, const Row& row, LaneTally& tally) {
  for (int64_t i = 0; i < count; ++i)
    q[i] = static_cast<Word>(quantize_one<kStochastic>(x[i], row, static_cast<uint32_t>(i), tally, i % kTallyLanes));
}

#if defined(__x86_64__)

// random_bits() of sixteen elements.
MARVIN_AVX512 inline __m512i random_vector(RandomRow row, __m512i index) {
  const __m512i factors[] = {_mm512_set1_epi32(static_cast<int32_t>(0xed5ad4bb)),
                             _mm512_set1_epi32(static_cast<int32_t>(0xac4c1b51)),
                             _mm512_set1_epi32(static_cast<int32_t>(0x31848bab))};
  __m512i x = _mm512_xor_si512(index, _mm512_set1_epi32(static_cast<int32_t>(row.before)));
  x = _mm512_mullo_epi32(_mm512_xor_si512(x, _mm512_srli_epi32(x, 17)), factors[0]);
  x = _mm512_add_epi32(x, _mm512_set1_epi32(static_cast<int32_t>(row.after)));
  x = _mm512_mullo_epi32(_mm512_xor_si512(x, _mm512_srli_epi32(x, 11)), factors[1]);
  x = _mm512_mullo_epi32(_mm512_xor_si512(x, _mm512_srli_epi32(x, 15)), factors[2]);
  return _mm512_xor_si512(x, _mm512_srli_epi32(x, 14));
}

MARVIN_AVX512 inline void store_words(int8_t* q, __mmask16 mask, __m512i words) {
  _mm512_mask_cvtepi32_storeu_epi8(q, mask, words);
}
MARVIN_AVX512 inline void store_words(int16_t* q, __mmask16 mask, __m512i words) {
  _mm512_mask_cvtepi32_storeu_epi16(q, mask, words);
}
MARVIN_AVX512 inline void store_words(int32_t* q, __mmask16 mask, __m512i words) {
  _mm512_mask_storeu_epi32(q, mask, words);
}

// quantize_one() of sixteen elements at a time.
template <bool kStochastic, class Word>
MARVIN_AVX512 void quantize_avx512(const float* x, Word* q, int64_t count, const Row& row, LaneTally& tally) {
  const __m512 scale = _mm512_set1_ps(row.scale), low = _mm512_set1_ps(row.low), high = _mm512_set1_ps(row.high);
  const __m512 zero = _mm512_setzero_ps(), one = _mm512_set1_ps(1.0f);
  const __m512i count_one = _mm512_set1_epi32(1);
  __m512 absmax = _mm512_loadu_ps(tally.absmax), sum = _mm512_loadu_ps(tally.abs);
  __m512 sum_quantized = _mm512_loadu_ps(tally.quantized);
  __m512i saturated = _mm512_loadu_si512(tally.saturated), underflowed = _mm512_loadu_si512(tally.underflowed);
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i stride = _mm512_set1_epi32(static_cast<int32_t>(row.stride));
  const __m512i step = _mm512_slli_epi32(stride, 4);
  __m512i index =
      _mm512_add_epi32(_mm512_set1_epi32(static_cast<int32_t>(row.first)), _mm512_mullo_epi32(lanes, stride));
  for (int64_t i = 0; i < count; i += kTallyLanes) {
    const __mmask16 mask = count - i >= kTallyLanes ? 0xffff : static_cast<__mmask16>((1 << (count - i)) - 1);
    // Lanes behind the last element are zeros and count for nothing: zero is in every word's range.
    const __m512 in = _mm512_maskz_loadu_ps(mask, x + i);
    const __m512 scaled = _mm512_mul_ps(in, scale);
    // The second operand of max and min is what they give for NaN.
    const __m512 bounded = _mm512_min_ps(_mm512_max_ps(scaled, low), high);
    __m512 rounded;
    if constexpr (kStochastic) {
      const __m512i bits = _mm512_srli_epi32(random_vector(row.random, index), 8);
      index = _mm512_add_epi32(index, step);
      const __m512 u = _mm512_mul_ps(_mm512_cvtepi32_ps(bits), _mm512_set1_ps(0x1p-24f));
      const __m512 whole = _mm512_roundscale_ps(bounded, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
      const __m512 rest = _mm512_add_ps(_mm512_sub_ps(bounded, whole), u);
      rounded = _mm512_mask_add_ps(whole, _mm512_cmp_ps_mask(rest, one, _CMP_GE_OQ), whole, one);
    } else {
      rounded = _mm512_roundscale_ps(bounded, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    }
    const __m512 magnitude = _mm512_abs_ps(in);
    absmax = _mm512_max_ps(magnitude, absmax);
    sum = _mm512_add_ps(sum, magnitude);
    sum_quantized = _mm512_add_ps(sum_quantized, _mm512_abs_ps(rounded));
    const __mmask16 moved = _mm512_cmp_ps_mask(bounded, scaled, _CMP_NEQ_UQ);
    saturated = _mm512_mask_add_epi32(saturated, moved, saturated, count_one);
    const __mmask16 vanished =
        _mm512_mask_cmp_ps_mask(_mm512_cmp_ps_mask(in, zero, _CMP_NEQ_UQ), rounded, zero, _CMP_EQ_OQ);
    underflowed = _mm512_mask_add_epi32(underflowed, vanished, underflowed, count_one);
    store_words(q + i, mask, _mm512_cvttps_epi32(rounded));
  }
  _mm512_storeu_ps(tally.absmax, absmax);
  _mm512_storeu_ps(tally.abs, sum);
  _mm512_storeu_ps(tally.quantized, sum_quantized);
  _mm512_storeu_si512(tally.saturated, saturated);
  _mm512_storeu_si512(tally.underflowed, underflowed);
}

template <bool kStochastic, class Word>
void quantize_run(const float* x, Word* q, int64_t count, const Row& row, LaneTally& tally) {
  if (avx512_is_available()) return quantize_avx512<kStochastic>(x, q, count, row, tally);
  quantize_plain<kStochastic>(x, q, count, row, tally);
}

#else

template <bool kStochastic, class Word>
void quantize_run(const float* x, Word* q, int64_t count, const Row& row, LaneTally& tally) {
  quantize_plain<kStochastic>(x, q, count, row, tally);
}

#endif

}  // namespace

template <class Word>
void quantize_row(const float* x, Word* q, int64_t count, const QuantizeRule& rule, uint64_t position, uint64_t stride,
                  LaneTally& tally) {
  if (!rule.stochastic) return quantize_run<false>(x, q, count, Row(rule, position, stride), tally);
  // Where positions pass a multiple of 2^32 a new row begins. Its first element is counted in the first lane again.
  const uint64_t room = (0x100000000 - (position & 0xffffffff) + stride - 1) / stride;
  const auto head = static_cast<int64_t>(std::min<uint64_t>(static_cast<uint64_t>(count), room));
  quantize_run<true>(x, q, head, Row(rule, position, stride), tally);
  if (head < count) {
    quantize_row(x + head, q + head, count - head, rule, position + static_cast<uint64_t>(head) * stride, stride,
                 tally);
  }
}

template void quantize_row(const float*, int8_t*, int64_t, const QuantizeRule&, uint64_t, uint64_t, LaneTally&);
template void quantize_row(const float*, int16_t*, int64_t, const QuantizeRule&, uint64_t, uint64_t, LaneTally&);
template void quantize_row(const float*, int32_t*, int64_t, const QuantizeRule&, uint64_t, uint64_t, LaneTally&);

}  // namespace marvin
