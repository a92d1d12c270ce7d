// The header of a .npy file, versions 1 to 3 (numpy.lib.format): magic string, version, length, a Python dictionary.
#pragma once

#include <string>
#include <string_view>

#include "runtime/ir/type.h"

namespace marvin {

struct NpyHeader {
  Type type;
  bool fortran_order = false;  // the first axis varies fastest
};

constexpr std::string_view kNpyMagic = "\x93NUMPY";

// Reads "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }". Throws Error on text of another form and on
// element types that are not little-endian f4 f8 i1 i2 i4 i8 u1 b1.
NpyHeader parse_npy_dictionary(std::string_view text);

// What stands in front of the elements of a row-major array: version 1, a multiple of 64 bytes.
std::string npy_header(const Type& type);

}  // namespace marvin
