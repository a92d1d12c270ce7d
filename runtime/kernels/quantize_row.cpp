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

// Rounding up is decided by 16 random bits: a fraction, in units of 2^-16, and these carry over or do not. Drawn for
// every element, two share 32 bits: those at positions p and p + 16 of the 32 that begin at a multiple of 32.
constexpr uint32_t kDrawers = 16;
constexpr float kUnits = 65536;
// Stratified, 2^16 elements share a draw and are this far from each other: 2^16 over the golden ratio, and odd, so that
// all their numbers differ.
constexpr uint32_t kStride = 40503, kStratum = 1 << 16;

template <Rounding kRounding>
[[gnu::always_inline]] inline int32_t half_at(const Row& row, uint32_t position) {
  if constexpr (kRounding == Rounding::stratified)
    return static_cast<int32_t>((random_bits(row.random, position / kStratum) + position * kStride) & 0xffff);
  const uint32_t bits = random_bits(row.random, position / (2 * kDrawers) * kDrawers + position % kDrawers);
  return static_cast<int32_t>(position / kDrawers % 2 == 0 ? bits & 0xffff : bits >> 16);
}

// Quantizes one element, into lane `lane` of the tally.
template <Rounding kRounding>
[[gnu::always_inline]] inline int32_t quantize_one(float x, const Row& row, uint32_t i, LaneTally& tally,
                                                   int64_t lane) {
  const float scaled = x * row.scale;
  float bounded = scaled > row.low ? scaled : row.low;
  bounded = bounded < row.high ? bounded : row.high;
  float rounded;
  if constexpr (kRounding != Rounding::nearest) {
    const float units = std::rint(bounded * kUnits);
    const float whole = std::floor(units * (1 / kUnits));
    const float half = static_cast<float>(half_at<kRounding>(row, row.first + i * row.stride));
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

template <Rounding kRounding, class Word>
MARVIN_CLONES void quantize_plain(const float* x, Word* q, int64_t count, const Row& row, LaneTally& tally) {
  for (int64_t i = 0; i < count; ++i)
    q[i] = static_cast<Word>(quantize_one<kRounding>(x[i], row, static_cast<uint32_t>(i), tally, i % kTallyLanes));
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
template <Rounding kRounding>
MARVIN_AVX512 inline __m512i halves_at(RandomRow row, __m512i position) {
  if constexpr (kRounding == Rounding::stratified) {
    const __m512i base = random_vector(row, _mm512_srli_epi32(position, 16));
    const __m512i offset = _mm512_mullo_epi32(position, _mm512_set1_epi32(kStride));
    return _mm512_and_si512(_mm512_add_epi32(base, offset), _mm512_set1_epi32(0xffff));
  }
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
template <Rounding kRounding, class Word>
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
    if constexpr (kRounding != Rounding::nearest) {
      rounded = rounded_by(bounded, halves_at<kRounding>(row.random, position));
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

// Words in units of 2^-16, with their random numbers added.
MARVIN_AVX512 inline __m512i carried(__m512i units, __m512i halves) {
  return _mm512_srai_epi32(_mm512_add_epi32(units, halves), 16);
}

// Rounds elements whose positions follow each other, from a multiple of 64 on, sixteen by sixteen, the k-th of each 64;
// in units of 2^-16, but to nearest they are words already.
template <Rounding kRounding>
struct Rounder;

template <>
struct Rounder<Rounding::nearest> {
  MARVIN_AVX512 Rounder(const Row&) {}
  MARVIN_AVX512 __m512i round(__m512i words, int) { return words; }
};

template <>
struct Rounder<Rounding::stochastic> {
  __m512i drawer, bits;
  RandomRow random;

  MARVIN_AVX512 Rounder(const Row& row) : random(row.random) {
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    drawer = _mm512_add_epi32(_mm512_set1_epi32(static_cast<int32_t>(row.first / 2)), lanes);
  }
  MARVIN_AVX512 __m512i round(__m512i words, int k) {
    if (k % 2 == 1) return carried(words, _mm512_srli_epi32(bits, 16));
    bits = random_vector(random, drawer);
    drawer = _mm512_add_epi32(drawer, _mm512_set1_epi32(kDrawers));
    return carried(words, _mm512_and_si512(bits, _mm512_set1_epi32(0xffff)));
  }
};

template <>
struct Rounder<Rounding::stratified> {
  __m512i base, offset;  // the stratum's draw; what the positions add to it
  uint32_t position;
  RandomRow random;

  MARVIN_AVX512 Rounder(const Row& row) : position(row.first), random(row.random) {
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i first = _mm512_add_epi32(_mm512_set1_epi32(static_cast<int32_t>(row.first)), lanes);
    offset = _mm512_mullo_epi32(first, _mm512_set1_epi32(kStride));
    draw();
  }
  MARVIN_AVX512 void draw() {
    base = _mm512_set1_epi32(static_cast<int32_t>(random_bits(random, position / kStratum)));
  }
  MARVIN_AVX512 __m512i round(__m512i words, int) {
    if (position % kStratum == 0) draw();
    const __m512i half = _mm512_and_si512(_mm512_add_epi32(base, offset), _mm512_set1_epi32(0xffff));
    offset = _mm512_add_epi32(offset, _mm512_set1_epi32(kTallyLanes * kStride));
    position += kTallyLanes;
    return carried(words, half);
  }
};

// quantize_one() of a multiple of 64 elements whose positions follow each other, from a multiple of 64 on. What is
// counted, and the sum of the bytes' magnitudes, is exact and therefore the same in whichever lane.
template <Rounding kRounding>
MARVIN_AVX512 void quantize_bytes(const float* x, int8_t* q, int64_t count, const Row& row, LaneTally& tally) {
  // A byte's word in units of 2^-16 fits an int32.
  const __m512 units = _mm512_set1_ps(kRounding == Rounding::nearest ? 1.0f : kUnits);
  Bounds bounds = bounds_of(row);
  for (__m512* number : {&bounds.scale, &bounds.low, &bounds.high}) *number = _mm512_mul_ps(*number, units);
  const __m512 zero = _mm512_setzero_ps();
  // Of what two rounds of packing lanes of 128 bits make of four vectors.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  __m512 absmax = _mm512_loadu_ps(tally.absmax), sum = _mm512_loadu_ps(tally.abs);
  __m512i magnitudes = _mm512_setzero_si512();
  Rounder<kRounding> rounder(row);
  int64_t saturated = 0, underflowed = 0;
  for (int64_t i = 0; i < count; i += kBytes) {
    __m512i words[4];
    __mmask16 moved[4], is_zero[4];
    for (int k = 0; k < 4; ++k) {
      const __m512 in = _mm512_loadu_ps(x + i + k * kTallyLanes);
      const __m512 scaled = _mm512_mul_ps(in, bounds.scale);
      const __m512 bounded = bounded_by(bounds, scaled);
      words[k] = _mm512_cvtps_epi32(bounded);
      words[k] = rounder.round(words[k], k);
      const __m512 magnitude = _mm512_abs_ps(in);
      absmax = _mm512_max_ps(magnitude, absmax);
      sum = _mm512_add_ps(sum, magnitude);
      moved[k] = _mm512_cmp_ps_mask(bounded, scaled, _CMP_NEQ_UQ);
      is_zero[k] = _mm512_cmp_ps_mask(in, zero, _CMP_EQ_OQ);
    }
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

template <Rounding kRounding, class Word>
void quantize_avx512(const float* x, Word* q, int64_t count, const Row& row, LaneTally& tally) {
  const bool in_order = row.stride == 1 && row.first % kBytes == 0;
  const bool by_bytes =
      sizeof(Word) == 1 && (kRounding == Rounding::nearest || (in_order && std::isfinite(row.scale * kUnits)));
  const int64_t done = by_bytes ? count / kBytes * kBytes : 0;
  if constexpr (sizeof(Word) == 1) quantize_bytes<kRounding>(x, q, done, row, tally);
  Row rest = row;
  rest.first += static_cast<uint32_t>(done) * row.stride;
  if (done < count) quantize_lanes<kRounding>(x + done, q + done, count - done, rest, tally);
}

template <Rounding kRounding, class Word>
void quantize_run(const float* x, Word* q, int64_t count, const Row& row, LaneTally& tally) {
  if (avx512_is_available()) return quantize_avx512<kRounding>(x, q, count, row, tally);
  quantize_plain<kRounding>(x, q, count, row, tally);
}

#else

template <Rounding kRounding, class Word>
void quantize_run(const float* x, Word* q, int64_t count, const Row& row, LaneTally& tally) {
  quantize_plain<kRounding>(x, q, count, row, tally);
}

#endif

}  // namespace

template <class Word>
void quantize_row(const float* x, Word* q, int64_t count, const QuantizeRule& rule, uint64_t position, uint64_t stride,
                  LaneTally& tally) {
  const Row row(rule, position, stride);
  if (rule.rounding == Rounding::nearest) return quantize_run<Rounding::nearest>(x, q, count, row, tally);
  // Where positions pass a multiple of 2^32 a new row begins. Its first element is counted in the first lane again.
  const uint64_t room = (0x100000000 - (position & 0xffffffff) + stride - 1) / stride;
  const auto head = static_cast<int64_t>(std::min<uint64_t>(static_cast<uint64_t>(count), room));
  rule.rounding == Rounding::stochastic ? quantize_run<Rounding::stochastic>(x, q, head, row, tally)
                                        : quantize_run<Rounding::stratified>(x, q, head, row, tally);
  if (head < count) {
    quantize_row(x + head, q + head, count - head, rule, position + static_cast<uint64_t>(head) * stride, stride,
                 tally);
  }
}

template void quantize_row(const float*, int8_t*, int64_t, const QuantizeRule&, uint64_t, uint64_t, LaneTally&);
template void quantize_row(const float*, int16_t*, int64_t, const QuantizeRule&, uint64_t, uint64_t, LaneTally&);
template void quantize_row(const float*, int32_t*, int64_t, const QuantizeRule&, uint64_t, uint64_t, LaneTally&);

}  // namespace marvin
