// Archives of numpy arrays: a zip file of .npy files.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "runtime/data/dataset.h"

namespace marvin {

// The arrays in the order of the archive, row-major whatever the file's order; stored or deflated. Throws Error, naming
// the file and the array, on a file that is missing or damaged, on other element types than the little-endian f4 f8 i1
// i2 i4 i8 u1 b1, and on entries that are not as large as their header says.
std::vector<NamedArray> read_npz(const std::string& path);

// Stores one or more row-major arrays, uncompressed, so that numpy.load reads them. Written under a temporary name,
// synced and renamed: `path` is either as it was or complete. Throws Error when it cannot be written.
void write_npz(const std::string& path, std::span<const NamedArray> arrays);

}  // namespace marvin
