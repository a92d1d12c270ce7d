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
// element types that are not little-endian f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 b1.
NpyHeader parse_npy_dictionary(std::string_view text);

// How numpy holds the type: as itself, or where numpy has none such as numbers (i4 in i8, u4 in u8) or as its bits, an
// element to an element: bf16 in u16, floats of 8 and 4 bits in u8.
DType numpy_dtype(DType dtype);

// What numpy's astype() takes for the type: "f4" for f32.
std::string numpy_code(DType dtype);

// What stands in front of the elements of a row-major array, of its numpy_dtype: version 1, a multiple of 64 bytes.
std::string npy_header(const Type& type);

}  // namespace marvin
