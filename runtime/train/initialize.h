// New weights instead of those that a model came with.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/ir/graph.h"

namespace marvin {

// keep, tnvs, he, xavier.
const std::vector<std::string>& initializer_names();

// Draws the parameters of two and more axes anew, as pure functions of seed and name:
//  * he: normal, of variance 2 / fan_in (He et al. 2015);
//  * xavier: uniform in +-sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010);
//  * tnvs: normal of variance 0.5 / fan_in, cut off at +-sqrt(3) deviations (Kummer et al. 2021).
// Of the others, scales of normalizations and running variances become 1, the rest 0. Fans are those of the product
// that reads the weight. `keep` changes nothing, and `frozen` parameters stay as they are. Throws Error on another
// scheme.
void initialize(Graph& graph, const std::string& scheme, uint64_t seed, const std::vector<ValueId>& frozen = {});

}  // namespace marvin
