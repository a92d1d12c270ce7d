#include "runtime/kernels/exact.h"

#include "runtime/kernels/parallel.h"

namespace marvin {
namespace {

constexpr int64_t kBlock = 1 << 13;

// One clone set per pair of types: target_clones does not go with templates.
#define MARVIN_WIDEN(From, To)                                              \
  MARVIN_CLONES void widen_block(const From* from, int64_t count, To* to) { \
    for (int64_t i = 0; i < count; ++i) to[i] = static_cast<To>(from[i]);   \
  }
MARVIN_WIDEN(int8_t, float)
MARVIN_WIDEN(int8_t, double)
MARVIN_WIDEN(int16_t, double)
MARVIN_WIDEN(int32_t, double)
#undef MARVIN_WIDEN

#define MARVIN_ADD(Part, Total)                                                            \
  MARVIN_CLONES void add_block(const Part* part, int64_t count, bool first, Total* sums) { \
    if (first) {                                                                           \
      for (int64_t i = 0; i < count; ++i) sums[i] = static_cast<Total>(part[i]);           \
    } else {                                                                               \
      for (int64_t i = 0; i < count; ++i) sums[i] += static_cast<Total>(part[i]);          \
    }                                                                                      \
  }
MARVIN_ADD(float, double)
MARVIN_ADD(double, int64_t)
#undef MARVIN_ADD

// A chunk's result is at most 2^53, so int64 is a step on the way.
void add_block(const double* part, int64_t count, bool first, int128_t* sums) {
  for (int64_t i = 0; i < count; ++i) sums[i] = (first ? 0 : sums[i]) + static_cast<int64_t>(part[i]);
}

#define MARVIN_ROUND(Total)                                                                 \
  MARVIN_CLONES void round_block(const Total* sums, int64_t count, float scale, float* y) { \
    for (int64_t i = 0; i < count; ++i) y[i] = static_cast<float>(sums[i]) * scale;         \
  }
MARVIN_ROUND(float)
MARVIN_ROUND(double)
MARVIN_ROUND(int64_t)
#undef MARVIN_ROUND

void round_block(const int128_t* sums, int64_t count, float scale, float* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = static_cast<float>(sums[i]) * scale;
}

template <class From, class To>
void widen_all(const void* from, int64_t count, To* to) {
  parallel_blocks(count, kBlock, [=](int64_t begin, int64_t end) {
    widen_block(static_cast<const From*>(from) + begin, end - begin, to + begin);
  });
}

template <class Part, class Total>
void add_all(const Part* part, int64_t count, bool first, void* sums) {
  parallel_blocks(count, kBlock, [=](int64_t begin, int64_t end) {
    add_block(part + begin, end - begin, first, static_cast<Total*>(sums) + begin);
  });
}

template <class Total>
void round_all(const void* sums, int64_t count, float scale, float* y) {
  parallel_blocks(count, kBlock, [=](int64_t begin, int64_t end) {
    round_block(static_cast<const Total*>(sums) + begin, end - begin, scale, y + begin);
  });
}

}  // namespace

void widen(Words from, int64_t count, float* to) { widen_all<int8_t>(from.data, count, to); }

void widen(Words from, int64_t count, double* to) {
  if (from.bytes == 1) return widen_all<int8_t>(from.data, count, to);
  if (from.bytes == 2) return widen_all<int16_t>(from.data, count, to);
  widen_all<int32_t>(from.data, count, to);
}

void add_part(const float* part, int64_t count, bool first, double* sums) {
  add_all<float, double>(part, count, first, sums);
}

void add_part(const double* part, int64_t count, bool first, Sum sum, void* sums) {
  if (sum == Sum::i64) return add_all<double, int64_t>(part, count, first, sums);
  add_all<double, int128_t>(part, count, first, sums);
}

void round_sums(const void* sums, Sum sum, int64_t count, float scale, float* y) {
  if (sum == Sum::f32) return round_all<float>(sums, count, scale, y);
  if (sum == Sum::f64) return round_all<double>(sums, count, scale, y);
  if (sum == Sum::i64) return round_all<int64_t>(sums, count, scale, y);
  round_all<int128_t>(sums, count, scale, y);
}

}  // namespace marvin
