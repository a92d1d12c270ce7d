#pragma once

#include <istream>

#include "runtime/report/json.h"

namespace marvin {

// Reads the whole of `text`. Throws Error when it is no JSON, on numbers that no double holds, and on a key that an
// object has twice, which Json would pass over.
Json parse_strictly(std::istream& text);

}  // namespace marvin
