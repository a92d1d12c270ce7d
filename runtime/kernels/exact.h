// Integer products in floating-point containers, exact to the last bit: the bounds, and the loops around a BLAS call.
//
// A word of wl bits is at least -2^(wl-1), so a product of two is at most 2^(wl_a + wl_b - 2) in magnitude, and so is
// k times that any partial sum of k products, in whatever order they are added. While this stays within the integers
// that the container holds (2^24 in float32, 2^53 in float64) every addition is exact, fused or not. Longer sums are
// cut into chunks, whose exact results are added up in a wider type and rounded to float32 once, at the end.
#pragma once

#include <cstdint>

namespace marvin {

using int128_t = __int128;

// The widest word in an integer container of this many bytes (1, 2 or 4): 8, 16 or 24 bits.
constexpr int word_bits(int container_bytes) { return container_bytes == 1 ? 8 : container_bytes == 2 ? 16 : 24; }

// Whether a sum of k products stays within +-limit: k * 2^(wl_a + wl_b - 2) <= limit.
constexpr bool sum_fits(int64_t k, int wl_a, int wl_b, int64_t limit) { return k <= limit >> (wl_a + wl_b - 2); }

// Whether an int32 accumulator is exact. At 8 x 8 bits up to k = 131,071.
constexpr bool int32_is_exact(int64_t k, int wl_a, int wl_b) { return sum_fits(k, wl_a, wl_b, (int64_t{1} << 31) - 1); }

// How many products a float32 sum holds exactly: 2^(26 - wl_a - wl_b), none when that is below one. 1024 at 8 x 8 bits.
constexpr int64_t exact_chunk_f32(int wl_a, int wl_b) { return (int64_t{1} << 26) >> (wl_a + wl_b); }

// The same for float64: 2^(55 - wl_a - wl_b), 128 at 24 x 24 bits.
constexpr int64_t exact_chunk_f64(int wl_a, int wl_b) { return (int64_t{1} << 55) >> (wl_a + wl_b); }

// What a whole sum is held in.
enum class Sum : uint8_t { f32, f64, i64, i128 };

// For 8 x 8 bits in float32 chunks: f32 when one chunk holds the whole sum, else f64, which is exact up to k = 2^39.
constexpr Sum sum_for_f32(int64_t k) { return k <= exact_chunk_f32(8, 8) ? Sum::f32 : Sum::f64; }

// For float64 chunks: f64 when one chunk holds the whole sum, i64 up to 2^62, i128 beyond.
constexpr Sum sum_for_f64(int64_t k, int wl_a, int wl_b) {
  if (k <= exact_chunk_f64(wl_a, wl_b)) return Sum::f64;
  return sum_fits(k, wl_a, wl_b, int64_t{1} << 62) ? Sum::i64 : Sum::i128;
}
constexpr int64_t bytes_of(Sum sum) { return sum == Sum::f32 ? 4 : sum == Sum::i128 ? 16 : 8; }

// The elements of a quantized operand, in a container of 1, 2 or 4 bytes.
struct Words {
  const void* data = nullptr;
  int bytes = 1;
};

// Calls body(pointer to the int8_t or int16_t at an offset) for words of one or two bytes.
template <class Body>
void visit_short(Words words, int64_t offset, Body&& body) {
  words.bytes == 1 ? body(static_cast<const int8_t*>(words.data) + offset)
                   : body(static_cast<const int16_t*>(words.data) + offset);
}

// Converts the words, exactly. Threads share the work. The float32 form takes words of one byte.
void widen(Words from, int64_t count, float* to);
void widen(Words from, int64_t count, double* to);

// sums[i] = part[i] when `first`, else sums[i] + part[i].
void add_part(const float* part, int64_t count, bool first, double* sums);
// The same for sums of type `sum`, i64 or i128.
void add_part(const double* part, int64_t count, bool first, Sum sum, void* sums);

// y[i] = float32(sums[i]) * scale. The scale is a power of two, so there is one rounding. y may be the sums, if f32.
void round_sums(const void* sums, Sum sum, int64_t count, float scale, float* y);

}  // namespace marvin
