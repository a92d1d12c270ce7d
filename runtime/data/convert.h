// Arrays as what reads them wants them: element types that differ without a difference in meaning.
#pragma once

#include <cstddef>

#include "runtime/data/dataset.h"

namespace marvin {

// Whether elements of `from` can be read where `to` is expected: the same type; floats of 16 and 32 bits for each
// other; and for what numpy has no type for what stands in its place (numpy_dtype), which for i4 may be its byte in u8.
bool can_feed(DType from, DType to);

// Writes `count` elements as `to`: floats of 16 bits rounded to nearest, halves to even; other pairs of can_feed, and
// integers as integers of other widths, unchanged. Returns the index of the first element that does not fit; `count`
// when all do.
int64_t convert_elements(DType from, const std::byte* source, DType to, std::byte* target, int64_t count);

// Writes the whole array where an input of the type is read. Throws Error naming the array, and the element where one
// does not fit.
void feed_array(const NamedArray& array, const Type& input, std::byte* target);

// The integer `element` of the array, as text.
std::string integer_text(DType dtype, const std::byte* elements, int64_t element);

}  // namespace marvin
