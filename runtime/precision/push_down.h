// The paper's push-down: the shortest word, and the fewest bits behind the point, with which weights still have the
// same histogram. `released` follows the authors' program to the letter, `sound` does what it means.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/precision/fixed_point.h"

namespace marvin {

// ceil((low + high) / 2).
constexpr int upper_middle(int low, int high) { return (low + high + 1) / 2; }

// The released program's search for the fractional length in [low, high]; `loses(bits)` says whether a test fails. It
// tests the lower end, not the middle.
template <class Loses>
int released_fraction(int low, int high, Loses&& loses) {
  for (int left = high - low; left > 0 && high - low > 0; --left) {
    const int middle = upper_middle(low, high);
    (loses(low) ? low : high) = middle;
    if (high - low <= 1) break;
  }
  return low;
}

// And for the word length. It returns the longest word that is known to fail, or `low`.
template <class Loses>
int released_word(int low, int high, Loses&& loses) {
  for (int left = high - low; left > 0; --left) {
    const int middle = upper_middle(low, high);
    (loses(middle) ? low : high) = middle;
    if (high - low <= 1) break;
  }
  return low;
}

// The fewest bits in [low, high] that lose nothing, `high` where none do, given that more bits never hurt.
template <class Loses>
int sound_bits(int low, int high, Loses&& loses) {
  while (low < high) {
    const int middle = (low + high) / 2;
    if (loses(middle)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

// What the released program takes for the divergence of two histograms of probabilities: it gives them to a function of
// logarithms, and gets sum(exp(q) * (q - p)) / r. Zero where they are equal, but not there alone, and of either sign.
double pseudo_divergence(std::span<const double> p, std::span<const double> q);

// Its value for the histograms of `values` and of those rounded stochastically in `format` (draws from `key`), in
// `resolution` bins over the values' range; what rounding moves outside counts nowhere. Zero without spread.
double released_divergence(std::span<const float> values, FixedPoint format, int resolution, uint64_t key);

// First the fractional length at the word length as it is, from 4 on, then the word length from that on. Neither ever
// grows. `values` are the weights (released: the first row alone).
FixedPoint released_push_down(std::span<const float> values, FixedPoint format, int resolution, uint64_t key);
// With `divergence` of divergence.h, and nothing lost up to `tolerance` nats.
FixedPoint sound_push_down(std::span<const float> values, FixedPoint format, int resolution, double tolerance);

}  // namespace marvin
