// The rules of MuPPET (Rajagopal et al., ICML 2020, arXiv 2006.09049) as pure functions.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/precision/policy.h"

namespace marvin {

// The exponent of a tensor's scale in words of `bits`: floor(log2(min(|(2^(bits-1) - 0.5) / largest|,
// |(2^(bits-1) + 0.5) / smallest|))), of values in [smallest, largest], not both zero; within [-100, 100].
int8_t muppet_scale(int bits, double largest, double smallest);

// The mean, over the weights that have seen gradients, of sum |g|^2 / |sum g|^2; those whose gradients cancel out are
// left out. 1 where there are none.
double muppet_diversity(std::span<const SlotWindow> windows);

// 1 + 1.5 exp(-0.1 epoch), epochs counted from 0.
double muppet_threshold(int64_t epoch);

// Whether `diversity` has fallen below the largest one seen by more than the threshold; follows the largest one.
bool muppet_violates(double diversity, int64_t epoch, double& largest);

}  // namespace marvin
