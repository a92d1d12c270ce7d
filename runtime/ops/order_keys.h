// Elements of any type as integers in the same order: so that sorting is compiled once.
#pragma once

#include "runtime/ir/type.h"

namespace marvin {

// keys[i * key_step] of the elements x[i * step], i < n: less where the element is less, equal where it is equal. 0 and
// -0 are equal, and NaNs are equal to each other and greater than all numbers.
void order_keys(DType dtype, const void* x, int64_t step, uint64_t* keys, int64_t key_step, int64_t n);

}  // namespace marvin
