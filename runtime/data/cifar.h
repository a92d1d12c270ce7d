// The binary version of CIFAR-10 and CIFAR-100 (https://www.cs.toronto.edu/~kriz/cifar.html).
#pragma once

#include <span>
#include <string>

#include "runtime/data/dataset.h"

namespace marvin {

// A record is its labels, a byte each of which the last is used, and the red, green and blue planes of 32x32.
struct CifarFormat {
  int64_t label_bytes;
  int64_t classes;
};
constexpr CifarFormat kCifar10{1, 10};
constexpr CifarFormat kCifar100{2, 100};  // coarse label, fine label

// The records of all files in turn. Throws Error, naming the file, on a file that is missing, empty or not a whole
// number of records, and on a label out of range.
Dataset read_cifar(std::span<const std::string> paths, const CifarFormat& format);

}  // namespace marvin
