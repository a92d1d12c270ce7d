#include "runtime/kernels/quantize_row.h"

#include <algorithm>
#include <cmath>

#include "runtime/kernels/avx512.h"
#include "runtime/kernels/parallel.h"
#include "runtime/kernels/random.h"

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

// Rounding up is decided by 16 random bits: a fraction, in units of 2^-16, and these carry over or do not. Two elements
// share 32 bits: those at positions p and p + 16 of the 32 that begin at a multiple of 32.
constexpr uint32_t kDrawers = 16;
constexpr float kUnits = 65536;
[[gnu::always_inline]] inline int32_t half_at(const Row& row, uint32_t position) {
  const uint32_t bits = random_bits(row.random, position / (2 * kDrawers) * kDrawers + position % kDrawers);
  return static_cast<int32_t>(position / kDrawers % 2 == 0 ? bits & 0xffff : bits >> 16);
}

// Quantizes one element, into lane `lane` of the tally.
template <bool kStochastic>
[[gnu::always_inline]] inline int32_t quantize_one(float x, const Row& row, uint32_t i, LaneTally& tally,
                                                   int64_t lane) {
  const float scaled = x * row.scale;
  float bounded = scaled > row.low ? scaled : row.low;
  bounded = bounded < row.high ? bounded : row.high;
  float rounded;
  if constexpr (kStochastic) {
    const float units = std::rint(bounded * kUnits);
    const float whole = std::floor(units * (1 / kUnits));
    const float half = static_cast<float>(half_at(row, row.first + i * row.stride));
    rounded = whole + static_cast<float>(units - whole * kUnits + half >= kUnits);
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

// half_at() of sixteen positions.
MARVIN_AVX512 inline __m512i halves_at(RandomRow row, __m512i position) {
  const __m512i lane = _mm512_and_si512(position, _mm512_set1_epi32(kDrawers - 1));
  const __m512i drawer = _mm512_or_si512(_mm512_slli_epi32(_mm512_srli_epi32(position, 5), 4), lane);
  const __m512i shift = _mm512_and_si512(position, _mm512_set1_epi32(kDrawers));
  return _mm512_and_si512(_mm512_srlv_epi32(random_vector(row, drawer), shift), _mm512_set1_epi32(0xffff));
}

MARVIN_AVX512 inline __m512 rounded_by(__m512 bounded, __m512i halves) {
  const __m512 one = _mm512_set1_ps(1.0f), all = _mm512_set1_ps(kUnits);
  const __m512 units = _mm512_roundscale_ps(_mm512_mul_ps(bounded, all), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512 whole =
      _mm512_roundscale_ps(_mm512_mul_ps(units, _mm512_set1_ps(1 / kUnits)), _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  const __m512 fraction = _mm512_sub_ps(units, _mm512_mul_ps(whole, all));
  const __m512 sum = _mm512_add_ps(fraction, _mm512_cvtepi32_ps(halves));
  return _mm512_mask_add_ps(whole, _mm512_cmp_ps_mask(sum, all, _CMP_GE_OQ), whole, one);
}
MARVIN_AVX512 inline __m512 rounded_to_nearest(__m512 bounded) {
  return _mm512_roundscale_ps(bounded, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

// What sixteen elements become before they are rounded.
struct Bounds {
  __m512 scale, low, high;
};
MARVIN_AVX512 inline Bounds bounds_of(const Row& row) {
  return {_mm512_set1_ps(row.scale), _mm512_set1_ps(row.low), _mm512_set1_ps(row.high)};
}
// The second operand of max and min is what they give for NaN.
MARVIN_AVX512 inline __m512 bounded_by(const Bounds& bounds, __m512 scaled) {
  return _mm512_min_ps(_mm512_max_ps(scaled, bounds.low), bounds.high);
}

// quantize_one() of sixteen elements at a time.
template <bool kStochastic, class Word>
MARVIN_AVX512 void quantize_lanes(const float* x, Word* q, int64_t count, const Row& row, LaneTally& tally) {
  const Bounds bounds = bounds_of(row);
  const __m512 zero = _mm512_setzero_ps();
  const __m512i count_one = _mm512_set1_epi32(1);
  __m512 absmax = _mm512_loadu_ps(tally.absmax), sum = _mm512_loadu_ps(tally.abs);
  __m512 sum_quantized = _mm512_loadu_ps(tally.quantized);
  __m512i saturated = _mm512_loadu_si512(tally.saturated), underflowed = _mm512_loadu_si512(tally.underflowed);
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i stride = _mm512_set1_epi32(static_cast<int32_t>(row.stride));
  const __m512i step = _mm512_slli_epi32(stride, 4);
  __m512i position =
      _mm512_add_epi32(_mm512_set1_epi32(static_cast<int32_t>(row.first)), _mm512_mullo_epi32(lanes, stride));
  for (int64_t i = 0; i < count; i += kTallyLanes) {
    const __mmask16 mask = count - i >= kTallyLanes ? 0xffff : static_cast<__mmask16>((1 << (count - i)) - 1);
    // Lanes behind the last element are zeros and count for nothing: zero is in every word's range.
    const __m512 in = _mm512_maskz_loadu_ps(mask, x + i);
    const __m512 scaled = _mm512_mul_ps(in, bounds.scale);
    const __m512 bounded = bounded_by(bounds, scaled);
    __m512 rounded;
    if constexpr (kStochastic) {
      rounded = rounded_by(bounded, halves_at(row.random, position));
    } else {
      rounded = rounded_to_nearest(bounded);
    }
    position = _mm512_add_epi32(position, step);
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

constexpr int64_t kBytes = 64;  // that quantize_bytes() takes at once

MARVIN_AVX512 inline int64_t count_of(const __mmask16* masks) {
  const __mmask32 low = _mm512_kunpackw(masks[1], masks[0]), high = _mm512_kunpackw(masks[3], masks[2]);
  return __builtin_popcountll(_cvtmask64_u64(_mm512_kunpackd(high, low)));
}

// The same for a multiple of 64 elements whose positions follow each other, from a multiple of 32 on. What is counted,
// and the sum of the bytes' magnitudes, is exact and therefore the same in whichever lane.
template <bool kStochastic>
MARVIN_AVX512 void quantize_bytes(const float* x, int8_t* q, int64_t count, const Row& row, LaneTally& tally) {
  // A byte's word in units of 2^-16 fits an int32.
  const __m512 units = _mm512_set1_ps(kStochastic ? kUnits : 1.0f);
  Bounds bounds = bounds_of(row);
  for (__m512* number : {&bounds.scale, &bounds.low, &bounds.high}) *number = _mm512_mul_ps(*number, units);
  const __m512 zero = _mm512_setzero_ps();
  const __m512i lower = _mm512_set1_epi32(0xffff);
  // Of what two rounds of packing lanes of 128 bits make of four vectors.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  __m512 absmax = _mm512_loadu_ps(tally.absmax), sum = _mm512_loadu_ps(tally.abs);
  __m512i magnitudes = _mm512_setzero_si512();
  __m512i drawer = _mm512_add_epi32(_mm512_set1_epi32(static_cast<int32_t>(row.first / 2)), lanes);
  const __m512i next = _mm512_set1_epi32(kDrawers);
  int64_t saturated = 0, underflowed = 0;
  for (int64_t i = 0; i < count; i += kBytes) {
    __m512i words[4], bits;
    __mmask16 moved[4], is_zero[4];
    for (int k = 0; k < 4; ++k) {
      const __m512 in = _mm512_loadu_ps(x + i + k * kTallyLanes);
      const __m512 scaled = _mm512_mul_ps(in, bounds.scale);
      const __m512 bounded = bounded_by(bounds, scaled);
      words[k] = _mm512_cvtps_epi32(bounded);
      if constexpr (kStochastic) {
        if (k == 0) bits = random_vector(row.random, drawer);
        if (k == 2) bits = random_vector(row.random, _mm512_add_epi32(drawer, next));
        const __m512i half = k % 2 == 0 ? _mm512_and_si512(bits, lower) : _mm512_srli_epi32(bits, 16);
        words[k] = _mm512_srai_epi32(_mm512_add_epi32(words[k], half), 16);
      }
      const __m512 magnitude = _mm512_abs_ps(in);
      absmax = _mm512_max_ps(magnitude, absmax);
      sum = _mm512_add_ps(sum, magnitude);
      moved[k] = _mm512_cmp_ps_mask(bounded, scaled, _CMP_NEQ_UQ);
      is_zero[k] = _mm512_cmp_ps_mask(in, zero, _CMP_EQ_OQ);
    }
    drawer = _mm512_add_epi32(drawer, _mm512_add_epi32(next, next));
    const __m512i packed =
        _mm512_packs_epi16(_mm512_packs_epi32(words[0], words[1]), _mm512_packs_epi32(words[2], words[3]));
    const __m512i bytes = _mm512_permutexvar_epi32(order, packed);
    _mm512_storeu_si512(q + i, bytes);
    magnitudes = _mm512_add_epi64(magnitudes, _mm512_sad_epu8(_mm512_abs_epi8(bytes), _mm512_setzero_si512()));
    saturated += count_of(moved);
    // Every zero stays one.
    const __mmask64 zeros = _mm512_cmpeq_epi8_mask(bytes, _mm512_setzero_si512());
    underflowed += __builtin_popcountll(_cvtmask64_u64(zeros)) - count_of(is_zero);
  }
  _mm512_storeu_ps(tally.absmax, absmax);
  _mm512_storeu_ps(tally.abs, sum);
  tally.quantized[0] += static_cast<float>(_mm512_reduce_add_epi64(magnitudes));
  tally.saturated[0] += static_cast<int32_t>(saturated);
  tally.underflowed[0] += static_cast<int32_t>(underflowed);
}

template <bool kStochastic, class Word>
void quantize_avx512(const float* x, Word* q, int64_t count, const Row& row, LaneTally& tally) {
  const bool in_order = row.stride == 1 && row.first % (2 * kDrawers) == 0;
  const bool by_bytes = sizeof(Word) == 1 && (!kStochastic || (in_order && std::isfinite(row.scale * kUnits)));
  const int64_t done = by_bytes ? count / kBytes * kBytes : 0;
  if constexpr (sizeof(Word) == 1) quantize_bytes<kStochastic>(x, q, done, row, tally);
  Row rest = row;
  rest.first += static_cast<uint32_t>(done) * row.stride;
  if (done < count) quantize_lanes<kStochastic>(x + done, q + done, count - done, rest, tally);
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
