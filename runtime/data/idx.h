// The idx files of the MNIST family (http://yann.lecun.com/exdb/mnist): big-endian, here of unsigned bytes.
#pragma once

#include <string>

#include "runtime/data/dataset.h"

namespace marvin {

// Images of rank 3 (n h w) or 4 (n c h w) with their labels; plain or gzip. Throws Error, naming the file, on a file
// that is missing, truncated, too long or of another kind, on counts that differ and on a data set without samples.
Dataset read_idx_pair(const std::string& images_path, const std::string& labels_path);

}  // namespace marvin
