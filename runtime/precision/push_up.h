// MARViN's second question: how many bits must stay so that learning can go on? The rules of the AdaPT paper
// (arXiv 2107.13490) as pure functions.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "runtime/precision/fixed_point.h"

namespace marvin {

// How boldly words grow; escalates while the loss stalls.
enum class Strategy : uint8_t { min, mean, max };
std::string_view name_of(Strategy strategy);

// The gradient diversity of a window of `count` unit-norm gradients whose sum has the norm `sum_norm`: 1 when all point
// the same way, sqrt(count) when they are orthogonal, infinity when they cancel out.
double gradient_diversity(int64_t count, double sum_norm);

// Bits to add to a word of which `bits` are in use: with L = ln(diversity) - 1, s1 = max(ceil(1 / L^2), 1) and
// s2 = max(min(ceil(32 L^2), 32) - bits, 0), the smaller, mean or larger one by strategy; 1 where L is not positive.
int push_up(double diversity, int bits, Strategy strategy);

// The format of `kept` with `bits` more: FL = min(fl + bits, 32), WL = min(max(wl, FL) + 1, 32), and then with at least
// `buff` bits before the point: FL <= 32 - buff, WL >= FL + buff. Words have at most 32 bits.
FixedPoint with_bits(FixedPoint kept, int bits, int buff);

// ceil(gamma * n + (1 - gamma) * lookback) with n = ceil(clamp(longest / diversity, shortest, longest)): steps until a
// slot decides again. Diverse gradients shorten it.
int64_t adapt_lookback(double diversity, int64_t lookback, int64_t shortest, int64_t longest, double gamma);

// One bin more when the look-back is just the longest, one fewer when it is just the shortest, within [lowest,
// highest].
int adapt_resolution(int64_t lookback, int64_t shortest, int64_t longest, int resolution, int lowest, int highest);

// min while the loss is below its mean over the look-back, otherwise one rung up: min, mean, max.
Strategy adapt_strategy(Strategy strategy, double loss, double mean_loss);

// The same over the last losses: once there are more than `lookback` of them, `loss` is compared with their sum divided
// by `lookback` (in magnitude), and all but the last `lookback` are dropped. Appends `loss`.
Strategy adapt_strategy(Strategy strategy, double loss, int64_t lookback, std::vector<double>& losses);

}  // namespace marvin
