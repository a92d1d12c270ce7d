// Rounding floats to fixed point words, and what is observed on the way.
#pragma once

#include <cstddef>
#include <cstdint>

namespace marvin {

// How the elements of the source, seen as [n, channels, pixels], are laid out in the result: in the same order, or with
// channels innermost. A matrix or vector has pixels 1, and both are the same.
struct QuantizeShape {
  int64_t n = 1, channels = 1, pixels = 1;
  bool channels_last = false;
  int64_t elements() const { return n * channels * pixels; }
};

struct QuantizeRule {
  float scale = 1;    // 2^fl
  float unscale = 1;  // 2^-fl
  int32_t min = 0, max = 0;
  bool stochastic = false;  // floor(rint(x * scale * 2^16) * 2^-16 + u), u one of 2^16 numbers in [0, 1);
                            // otherwise to nearest, ties to even
  uint64_t key = 0;         // of the random draws; the draw of an element depends on its channels-last position alone
};

// Bytes of scratch that quantize() wants.
int64_t quantize_scratch_bytes(const QuantizeShape& shape);

// q[i] = clamp(round(x[i] * scale), min, max), in Word (int8_t, int16_t or int32_t). NaN becomes min. The elements are
// those from `first` on, a multiple of kQuantizeBlock (else the shape is of all of them): pointers are at that element.
// What quantize_stats() wants is left in the scratch, which belongs to the whole.
constexpr int64_t kQuantizeBlock = 2048;
template <class Word>
void quantize(const QuantizeShape& shape, const QuantizeRule& rule, const float* x, Word* q, std::byte* scratch,
              int64_t first = 0);

// Five floats: largest |x|, mean |x|, mean |q * unscale|, the share of elements that were clamped, and the share that
// is not zero but became zero. Same bits for every number of threads.
void quantize_stats(const QuantizeShape& shape, float unscale, const std::byte* scratch, float* stats);

// The first two of the stats above, zeros for the others, without quantizing; in two steps as well.
void observe(const float* x, int64_t count, std::byte* scratch, int64_t first = 0);
void observe_stats(int64_t count, const std::byte* scratch, float* stats);

}  // namespace marvin
