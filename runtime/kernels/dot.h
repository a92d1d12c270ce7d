// Integer products by the dot product instructions of AVX-512 VNNI: tiles of sums of products of interleaved words.
//
// An instruction multiplies groups of four bytes, or of two 16-bit words, lane by lane and adds each group's products
// to a 32-bit lane, modulo 2^32; a sum that fits an int32 is therefore exact whatever it passed through on the way.
// Operands are interleaved: group by group, and in each the elements of a group side by side, out[group][element][k in
// group]. Needs vnni_is_available().
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace marvin {

constexpr int64_t kDotLanes = 16;      // sums of a vector
constexpr int64_t kDotGroupBytes = 4;  // of an element in a group: four bytes, or two words
constexpr int64_t kDotVectorBytes = kDotLanes * kDotGroupBytes;
constexpr int64_t kDotVectors = 3;  // of a tile at most
constexpr int64_t kDotRows = 16;    // of a tile at most
constexpr int64_t kDotTileLanes = kDotVectors * kDotLanes;
constexpr int64_t kDotTileSums = kDotRows * kDotTileLanes;

// The rows that a tile of so many vectors had best have when `rows` are left: few vectors leave registers for more
// rows.
constexpr int64_t dot_rows(int64_t vectors, int64_t rows) {
  const int64_t most = vectors == 1 ? 16 : vectors == 2 ? 12 : 8;
  return rows >= most ? most : rows < 8 ? rows : 8;
}

// What of a word is multiplied: all of it, or its upper or lower byte (word = 256 * high + low, low in [0, 255]).
enum class WordPart : uint8_t { whole, high, low };
constexpr int16_t part_of(int16_t word, WordPart part) {
  return static_cast<int16_t>(part == WordPart::whole ? word : part == WordPart::high ? word >> 8 : word & 255);
}

// How words of a_bits and b_bits are multiplied: the second operand whole, or a byte at a time where an int32 would
// hold sums of few products of whole words.
struct DotScheme {
  bool split = false;
  int64_t most_groups = 0;  // that an int32 sum holds
};
DotScheme dot_scheme(int a_bits, int b_bits, int64_t products_in_group);

// out[p / g][v][p % g] = source[offsets[p] + v] for v in [0, width), zeros where an offset is negative; g is 4 for
// bytes and 2 for words. The number of offsets is a multiple of g. Nothing behind the last group is
// written.
void interleave(const int8_t* source, std::span<const int32_t> offsets, int64_t width, int8_t* out);
void interleave(const int8_t* source, std::span<const int32_t> offsets, int64_t width, WordPart part, int16_t* out);
void interleave(const int16_t* source, std::span<const int32_t> offsets, int64_t width, WordPart part, int16_t* out);
// The same with 128 added to every element, zeros included.
void interleave_unsigned(const int8_t* source, std::span<const int32_t> offsets, int64_t width, uint8_t* out);

// sums[v] += the bytes of element v in all groups. Up to 15 sums behind the last are written, too.
void add_up(const int8_t* interleaved, int64_t groups, int64_t width, int32_t* sums);

// A stretch of groups that are adjacent in both operands, and where it begins, in bytes.
struct DotRun {
  int64_t row = 0, lane = 0;
  int64_t groups = 0;
};

// Row r of the tile reads the group at rows + r * row_pitch + run.row + i * row_step, vector v the kDotLanes groups at
// lanes[v] + run.lane + i * lane_step, i < run.groups.
struct DotTile {
  const std::byte* rows = nullptr;
  int64_t row_pitch = 0, row_step = 0;
  const std::byte* lanes[kDotVectors] = {};
  int64_t lane_step = 0;
  int64_t vector_count = 0, row_count = 0;  // 1 to kDotVectors, dot_rows()

  int64_t row_lanes() const { return vector_count * kDotLanes; }
  int64_t sums() const { return row_count * row_lanes(); }
};

// sums[row][vector][lane], dense in the rows and vectors that the tile has: the sum over all runs of products of signed
// bytes (rows) and unsigned bytes (lanes), or of 16-bit words.
void dot_bytes(const DotTile& tile, std::span<const DotRun> runs, int32_t* sums);
void dot_words(const DotTile& tile, std::span<const DotRun> runs, int32_t* sums);

// totals[row][vector][lane] += factor * the sums that dot_words gives, taken over at most so many groups at a time
// (which an int32 holds, by dot_scheme).
void add_dot_words(const DotTile& tile, std::span<const DotRun> runs, int64_t most_groups, int32_t factor,
                   int64_t* totals);

// What a tile's sums are finished to: y[r * pitch + lane] = float32(sum - 128 * excess) * scale + bias[lane] for the
// lanes [0, columns), all of the tile's but some of its last vector's. bias may be null.
struct DotResult {
  const int32_t* excess = nullptr;
  float scale = 1;
  const float* bias = nullptr;
  int64_t columns = 0;
  float* y = nullptr;
  int64_t pitch = 0;
};
// Of rows and of lanes that are 128 too large: excess[r] is the sum of the row's bytes.
void dot_bytes(const DotTile& tile, const DotRun& run, const DotResult& result);
// Of rows that are 128 too large, unsigned bytes, and of signed lanes: excess[lane] is the sum of the lane's bytes.
void dot_unsigned_bytes(const DotTile& tile, std::span<const DotRun> runs, const DotResult& result);

// totals[i] += factor * sums[i]; the count is a multiple of 16, here and below.
void add_sums(const int32_t* sums, int64_t count, int32_t factor, int64_t* totals);
// y[i] = float32(totals[i]) * scale. The scale is a power of two.
void round_totals(const int64_t* totals, int64_t count, float scale, float* y);
void round_totals(const int32_t* totals, int64_t count, float scale, float* y);
// The same of sums with lanes that are 128 too large: excess is the sum of the row's bytes.
void round_unsigned(const int32_t* sums, int64_t count, int32_t excess, float scale, float* y);

}  // namespace marvin
