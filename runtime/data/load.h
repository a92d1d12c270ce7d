// From what the user writes after --data to data in memory.
#pragma once

#include <string>

#include "runtime/data/dataset.h"

namespace marvin {

// Where Debian's package dataset-fashion-mnist puts its files.
constexpr const char* kFashionMnistDirectory = "/usr/share/datasets/fashion-mnist";

// `spec` is one of
//   fashion-mnist   the data set of Debian's package dataset-fashion-mnist;
//   a directory     of idx files: X-images-idx3-ubyte and X-labels-idx1-ubyte, each plain or .gz. Where there are two
//                   pairs, that whose X says t10k or test is the test set;
//   a directory     of the binary version of CIFAR-10 (data_batch_1.bin ..., test_batch.bin) or CIFAR-100 (train.bin,
//                   test.bin);
//   X.npz           numpy arrays under the names of the graph's inputs, and `labels`. No test set.
// Throws Error, in one line that names the file, on anything that is missing, damaged or inconsistent.
DataSplits load_data(const std::string& spec);

}  // namespace marvin
