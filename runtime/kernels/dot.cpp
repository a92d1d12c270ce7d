#include "runtime/kernels/dot.h"

#include <algorithm>
#include <cstring>

#include "runtime/kernels/avx512.h"

namespace marvin {

DotScheme dot_scheme(int a_bits, int b_bits, int64_t products_in_group) {
  constexpr int64_t kFewestGroups = 16, kLimit = (int64_t{1} << 31) - 1;
  const auto groups = [&](int bits) { return (kLimit >> (a_bits + bits - 2)) / products_in_group; };
  if (groups(b_bits) >= kFewestGroups) return {false, groups(b_bits)};
  return {true, groups(9)};  // a lower byte is a word of nine bits
}

#if defined(__x86_64__)

namespace {

// ---- Interleaving ---------------------------------------------------------------------------------------------------

alignas(64) constexpr int8_t kZeros[64] = {};

// Four quarters, each of four elements of four positions: position by position becomes element by element.
MARVIN_VNNI inline __m512i transposed_bytes(__m512i quarters) {
  const __m128i bytes = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_shuffle_epi8(quarters, _mm512_broadcast_i32x4(bytes));
}
// Sixteen elements of four positions that follow each other.
MARVIN_VNNI inline __m512i transposed(__m512i positions) {
  const __m512i dwords = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return transposed_bytes(_mm512_permutexvar_epi32(dwords, positions));
}

MARVIN_VNNI inline const int8_t* element(const int8_t* source, int32_t offset, int64_t v) {
  return offset < 0 ? kZeros : source + offset + v;
}

// Masked stores are slow, and few are needed.
MARVIN_VNNI inline void store(void* to, __mmask16 mask, __m512i group) {
  mask == 0xffff ? _mm512_storeu_si512(to, group) : _mm512_mask_storeu_epi32(to, mask, group);
}

// A group's elements from v on, kElements (16, 32 or 64) of them.
template <int kElements>
MARVIN_VNNI inline void interleave_group(const int8_t* source, const int32_t* at, int64_t v, __m512i shift,
                                         std::byte* out) {
  const int8_t* from[4];
  for (int i = 0; i < 4; ++i) from[i] = element(source, at[i], v);
  const auto put = [&](int i, __m512i quarters)
                       MARVIN_VNNI { _mm512_storeu_si512(out + i * 64, _mm512_xor_si512(quarters, shift)); };
  const auto load16 = [&](int i) MARVIN_VNNI { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from[i])); };
  const auto load32 = [&](int i) MARVIN_VNNI { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from[i])); };
  if constexpr (kElements == 16) {
    __m512i rows = _mm512_castsi128_si512(load16(0));
    rows = _mm512_inserti32x4(rows, load16(1), 1);
    rows = _mm512_inserti32x4(rows, load16(2), 2);
    rows = _mm512_inserti32x4(rows, load16(3), 3);
    put(0, transposed(rows));
  } else {
    const __m512i lower = _mm512_setr_epi32(0, 8, 16, 24, 1, 9, 17, 25, 2, 10, 18, 26, 3, 11, 19, 27);
    const __m512i upper = _mm512_or_si512(lower, _mm512_set1_epi32(4));
    const auto put32 = [&](int i, __m512i first, __m512i second) MARVIN_VNNI {
      put(i, transposed_bytes(_mm512_permutex2var_epi32(first, lower, second)));
      put(i + 1, transposed_bytes(_mm512_permutex2var_epi32(first, upper, second)));
    };
    if constexpr (kElements == 32) {
      put32(0, _mm512_inserti64x4(_mm512_castsi256_si512(load32(0)), load32(1), 1),
            _mm512_inserti64x4(_mm512_castsi256_si512(load32(2)), load32(3), 1));
    } else {
      const __m512i a = _mm512_loadu_si512(from[0]), b = _mm512_loadu_si512(from[1]);
      const __m512i c = _mm512_loadu_si512(from[2]), d = _mm512_loadu_si512(from[3]);
      put32(0, _mm512_shuffle_i64x2(a, b, 0x44), _mm512_shuffle_i64x2(c, d, 0x44));
      put32(2, _mm512_shuffle_i64x2(a, b, 0xee), _mm512_shuffle_i64x2(c, d, 0xee));
    }
  }
}

MARVIN_VNNI void interleave_bytes(const int8_t* source, std::span<const int32_t> offsets, int64_t width, __m512i shift,
                                  std::byte* out) {
  const int64_t groups = static_cast<int64_t>(offsets.size()) / 4;
  const __m128i adjacent = _mm_setr_epi32(0, 16, 32, 48);
  for (int64_t j = 0; j < groups; ++j, out += width * kDotGroupBytes) {
    const int32_t* at = offsets.data() + 4 * j;
    if (width == 16) {
      const __m128i expected = _mm_add_epi32(_mm_set1_epi32(at[0]), adjacent);
      const __m128i all = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
      if (at[0] >= 0 && _mm_cmpneq_epi32_mask(all, expected) == 0)
        _mm512_storeu_si512(out, _mm512_xor_si512(transposed(_mm512_loadu_si512(source + at[0])), shift));
      else
        interleave_group<16>(source, at, 0, shift, out);
      continue;
    }
    int64_t v = 0;
    for (; v + 64 <= width; v += 64) interleave_group<64>(source, at, v, shift, out + v * kDotGroupBytes);
    for (; v + 32 <= width; v += 32) interleave_group<32>(source, at, v, shift, out + v * kDotGroupBytes);
    for (; v + 16 <= width; v += 16) interleave_group<16>(source, at, v, shift, out + v * kDotGroupBytes);
    if (v == width) continue;
    const __mmask16 mask = static_cast<__mmask16>((1 << (width - v)) - 1);
    const auto load = [&](int i) MARVIN_VNNI { return _mm_maskz_loadu_epi8(mask, element(source, at[i], v)); };
    __m512i rows = _mm512_castsi128_si512(load(0));
    rows = _mm512_inserti32x4(rows, load(1), 1);
    rows = _mm512_inserti32x4(rows, load(2), 2);
    rows = _mm512_inserti32x4(rows, load(3), 3);
    store(out + v * kDotGroupBytes, mask, _mm512_xor_si512(transposed(rows), shift));
  }
}

MARVIN_VNNI inline __m256i load_words(const int8_t* source, int32_t offset, int64_t v, __mmask16 mask) {
  return offset < 0 ? _mm256_setzero_si256() : _mm256_cvtepi8_epi16(_mm_maskz_loadu_epi8(mask, source + offset + v));
}
MARVIN_VNNI inline __m256i load_words(const int16_t* source, int32_t offset, int64_t v, __mmask16 mask) {
  return offset < 0 ? _mm256_setzero_si256() : _mm256_maskz_loadu_epi16(mask, source + offset + v);
}

template <class From>
MARVIN_VNNI void interleave_words(const From* source, std::span<const int32_t> offsets, int64_t width, WordPart part,
                                  int16_t* out) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21,
                                         5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  const int64_t groups = static_cast<int64_t>(offsets.size()) / 2;
  for (int64_t j = 0; j < groups; ++j) {
    for (int64_t v = 0; v < width; v += kDotLanes) {
      const __mmask16 mask = width - v >= kDotLanes ? 0xffff : static_cast<__mmask16>((1 << (width - v)) - 1);
      const __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(load_words(source, offsets[2 * j], v, mask)),
                                              load_words(source, offsets[2 * j + 1], v, mask), 1);
      __m512i group = _mm512_permutexvar_epi16(order, both);
      if (part == WordPart::high) group = _mm512_srai_epi16(group, 8);
      if (part == WordPart::low) group = _mm512_and_si512(group, _mm512_set1_epi16(255));
      store(out + (j * width + v) * 2, mask, group);
    }
  }
}

// ---- Tiles ----------------------------------------------------------------------------------------------------------

struct Bytes {
  MARVIN_VNNI static __m512i add(__m512i sum, __m512i lanes, __m512i row) {
    return _mm512_dpbusd_epi32(sum, lanes, row);
  }
};
struct UnsignedRows {
  MARVIN_VNNI static __m512i add(__m512i sum, __m512i lanes, __m512i row) {
    return _mm512_dpbusd_epi32(sum, row, lanes);
  }
};
struct Shorts {
  MARVIN_VNNI static __m512i add(__m512i sum, __m512i lanes, __m512i row) {
    return _mm512_dpwssd_epi32(sum, lanes, row);
  }
};

// What becomes of a tile's sums: stored as they are, or finished.
struct AsSums {
  int32_t* out;
  template <int kRows, int kVectors>
  MARVIN_VNNI void put(const __m512i (&sums)[kRows][kVectors]) const {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 3
      for (int v = 0; v < kVectors; ++v) _mm512_storeu_si512(out + (r * kVectors + v) * kDotLanes, sums[r][v]);
  }
};
// Excesses are of rows, or of lanes.
template <bool kOfLanes>
struct AsResult {
  const DotResult& result;
  template <int kRows, int kVectors>
  MARVIN_VNNI void put(const __m512i (&sums)[kRows][kVectors]) const {
    const __m512 scale = _mm512_set1_ps(result.scale);
    const int64_t in_last = result.columns - (kVectors - 1) * kDotLanes;
    const __mmask16 last = in_last >= kDotLanes ? 0xffff : static_cast<__mmask16>((1 << in_last) - 1);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const __m512i of_row = _mm512_set1_epi32(kOfLanes ? 0 : result.excess[r]);
      float* y = result.y + r * result.pitch;
#pragma GCC unroll 3
      for (int v = 0; v < kVectors; ++v) {
        const __mmask16 mask = v + 1 < kVectors ? 0xffff : last;
        const __m512i excess = kOfLanes ? _mm512_maskz_loadu_epi32(mask, result.excess + v * kDotLanes) : of_row;
        const __m512i sum = _mm512_sub_epi32(sums[r][v], _mm512_slli_epi32(excess, 7));
        __m512 value = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale);
        if (result.bias) value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(mask, result.bias + v * kDotLanes));
        mask == 0xffff ? _mm512_storeu_ps(y + v * kDotLanes, value)
                       : _mm512_mask_storeu_ps(y + v * kDotLanes, mask, value);
      }
    }
  }
};

template <class Dot, int kRows, int kVectors, class As>
MARVIN_VNNI void multiply_tile(const DotTile& tile, std::span<const DotRun> runs, const As& as) {
  __m512i sums[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; ++v) sums[r][v] = _mm512_setzero_si512();
  for (const DotRun& run : runs) {
    const std::byte* row = tile.rows + run.row;
    const std::byte* lanes[kVectors];
    for (int v = 0; v < kVectors; ++v) lanes[v] = tile.lanes[v] + run.lane;
    for (int64_t i = 0; i < run.groups; ++i) {
      __m512i loaded[kVectors];
#pragma GCC unroll 3
      for (int v = 0; v < kVectors; ++v) loaded[v] = _mm512_loadu_si512(lanes[v] + i * tile.lane_step);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        int32_t group;  // which may begin at any byte
        std::memcpy(&group, row + r * tile.row_pitch + i * tile.row_step, sizeof group);
        const __m512i each = _mm512_set1_epi32(group);
#pragma GCC unroll 3
        for (int v = 0; v < kVectors; ++v) sums[r][v] = Dot::add(sums[r][v], loaded[v], each);
      }
    }
  }
  as.put(sums);
}

template <class Dot, int kVectors, class As>
void with_rows(const DotTile& tile, std::span<const DotRun> runs, const As& as) {
  switch (tile.row_count) {
    case 1:
      return multiply_tile<Dot, 1, kVectors>(tile, runs, as);
    case 2:
      return multiply_tile<Dot, 2, kVectors>(tile, runs, as);
    case 3:
      return multiply_tile<Dot, 3, kVectors>(tile, runs, as);
    case 4:
      return multiply_tile<Dot, 4, kVectors>(tile, runs, as);
    case 5:
      return multiply_tile<Dot, 5, kVectors>(tile, runs, as);
    case 6:
      return multiply_tile<Dot, 6, kVectors>(tile, runs, as);
    case 7:
      return multiply_tile<Dot, 7, kVectors>(tile, runs, as);
    case 8:
      return multiply_tile<Dot, 8, kVectors>(tile, runs, as);
    default:
      return multiply_tile<Dot, dot_rows(kVectors, kDotRows), kVectors>(tile, runs, as);
  }
}

template <class Dot, class As>
void with_vectors(const DotTile& tile, std::span<const DotRun> runs, const As& as) {
  if (tile.vector_count == 1) return with_rows<Dot, 1>(tile, runs, as);
  if (tile.vector_count == 2) return with_rows<Dot, 2>(tile, runs, as);
  with_rows<Dot, 3>(tile, runs, as);
}

}  // namespace

MARVIN_VNNI void interleave(const int8_t* source, std::span<const int32_t> offsets, int64_t width, int8_t* out) {
  interleave_bytes(source, offsets, width, _mm512_setzero_si512(), reinterpret_cast<std::byte*>(out));
}
MARVIN_VNNI void interleave_unsigned(const int8_t* source, std::span<const int32_t> offsets, int64_t width,
                                     uint8_t* out) {
  interleave_bytes(source, offsets, width, _mm512_set1_epi8(-128), reinterpret_cast<std::byte*>(out));
}
void interleave(const int8_t* source, std::span<const int32_t> offsets, int64_t width, WordPart part, int16_t* out) {
  interleave_words(source, offsets, width, part, out);
}
void interleave(const int16_t* source, std::span<const int32_t> offsets, int64_t width, WordPart part, int16_t* out) {
  interleave_words(source, offsets, width, part, out);
}

MARVIN_VNNI void add_up(const int8_t* interleaved, int64_t groups, int64_t width, int32_t* sums) {
  const __m512i ones = _mm512_set1_epi8(1);
  constexpr int64_t kChains = 4;
  for (int64_t v = 0; v < width; v += kDotLanes) {
    const int8_t* from = interleaved + v * kDotGroupBytes;
    const int64_t step = width * kDotGroupBytes;
    __m512i chains[kChains] = {_mm512_loadu_si512(sums + v)};
    int64_t j = 0;
    for (; j + kChains <= groups; j += kChains, from += kChains * step)
#pragma GCC unroll 4
      for (int64_t c = 0; c < kChains; ++c)
        chains[c] = _mm512_dpbusd_epi32(chains[c], ones, _mm512_loadu_si512(from + c * step));
    for (; j < groups; ++j, from += step) chains[0] = _mm512_dpbusd_epi32(chains[0], ones, _mm512_loadu_si512(from));
    const __m512i even = _mm512_add_epi32(chains[0], chains[2]), odd = _mm512_add_epi32(chains[1], chains[3]);
    _mm512_storeu_si512(sums + v, _mm512_add_epi32(even, odd));
  }
}

void dot_bytes(const DotTile& tile, std::span<const DotRun> runs, int32_t* sums) {
  with_vectors<Bytes>(tile, runs, AsSums{sums});
}
void dot_bytes(const DotTile& tile, const DotRun& run, const DotResult& result) {
  with_vectors<Bytes>(tile, {&run, 1}, AsResult<false>{result});
}
void dot_unsigned_bytes(const DotTile& tile, std::span<const DotRun> runs, const DotResult& result) {
  with_vectors<UnsignedRows>(tile, runs, AsResult<true>{result});
}
void dot_words(const DotTile& tile, std::span<const DotRun> runs, int32_t* sums) {
  with_vectors<Shorts>(tile, runs, AsSums{sums});
}

void add_dot_words(const DotTile& tile, std::span<const DotRun> runs, int64_t most_groups, int32_t factor,
                   int64_t* totals) {
  constexpr size_t kChunk = 32;
  int32_t sums[kDotTileSums];
  DotRun chunk[kChunk];
  size_t size = 0;
  int64_t room = most_groups;
  const auto flush = [&] {
    if (size > 0) dot_words(tile, std::span(chunk, size), sums);
    if (size > 0) add_sums(sums, tile.sums(), factor, totals);
    size = 0;
    room = most_groups;
  };
  for (DotRun run : runs) {
    while (run.groups > 0) {
      const int64_t groups = std::min(room, run.groups);
      chunk[size++] = {run.row, run.lane, groups};
      run = {run.row + groups * tile.row_step, run.lane + groups * tile.lane_step, run.groups - groups};
      room -= groups;
      if (room == 0 || size == kChunk) flush();
    }
  }
  flush();
}

MARVIN_VNNI void add_sums(const int32_t* sums, int64_t count, int32_t factor, int64_t* totals) {
  const __m512i factors = _mm512_set1_epi64(factor);
  for (int64_t i = 0; i < count; i += 8) {
    const __m512i wide = _mm512_cvtepi32_epi64(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(sums + i)));
    const __m512i total = _mm512_loadu_si512(totals + i);
    _mm512_storeu_si512(totals + i, _mm512_add_epi64(total, _mm512_mul_epi32(wide, factors)));
  }
}

MARVIN_VNNI void round_totals(const int64_t* totals, int64_t count, float scale, float* y) {
  for (int64_t i = 0; i < count; i += 8)
    _mm256_storeu_ps(y + i, _mm256_mul_ps(_mm512_cvtepi64_ps(_mm512_loadu_si512(totals + i)), _mm256_set1_ps(scale)));
}

MARVIN_VNNI void round_unsigned(const int32_t* sums, int64_t count, int32_t excess, float scale, float* y) {
  const __m512i less = _mm512_set1_epi32(static_cast<int32_t>(128 * static_cast<uint32_t>(excess)));
  for (int64_t i = 0; i < count; i += 16) {
    const __m512i sum = _mm512_sub_epi32(_mm512_loadu_si512(sums + i), less);
    _mm512_storeu_ps(y + i, _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_set1_ps(scale)));
  }
}

void round_totals(const int32_t* totals, int64_t count, float scale, float* y) {
  round_unsigned(totals, count, 0, scale, y);
}

#else

// Nothing calls these where vnni_is_available() says no.
void interleave(const int8_t*, std::span<const int32_t>, int64_t, int8_t*) {}
void interleave(const int8_t*, std::span<const int32_t>, int64_t, WordPart, int16_t*) {}
void interleave(const int16_t*, std::span<const int32_t>, int64_t, WordPart, int16_t*) {}
void interleave_unsigned(const int8_t*, std::span<const int32_t>, int64_t, uint8_t*) {}
void add_up(const int8_t*, int64_t, int64_t, int32_t*) {}
void dot_bytes(const DotTile&, std::span<const DotRun>, int32_t*) {}
void dot_words(const DotTile&, std::span<const DotRun>, int32_t*) {}
void add_dot_words(const DotTile&, std::span<const DotRun>, int64_t, int32_t, int64_t*) {}
void dot_bytes(const DotTile&, const DotRun&, const DotResult&) {}
void dot_unsigned_bytes(const DotTile&, std::span<const DotRun>, const DotResult&) {}
void add_sums(const int32_t*, int64_t, int32_t, int64_t*) {}
void round_totals(const int64_t*, int64_t, float, float*) {}
void round_totals(const int32_t*, int64_t, float, float*) {}
void round_unsigned(const int32_t*, int64_t, int32_t, float, float*) {}

#endif

}  // namespace marvin
