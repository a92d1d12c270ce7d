// What models are trained and evaluated on: named arrays in memory whose first axis is the samples.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/ir/tensor.h"

namespace marvin {

struct NamedArray {
  std::string name;
  Tensor values;
};

enum class DataKind : uint8_t {
  images,  // "input" u8[n,c,h,w], which a Preprocess turns into float32, and "labels" i64[n]
  arrays,  // arrays under the names of the graph's inputs, fed as they are
};

// In an image data set "input" stands for the one data input of the graph. In either kind "labels" are the labels.
struct Dataset {
  DataKind kind = DataKind::arrays;
  std::vector<NamedArray> arrays;  // at least one; equal first extents of at least 1
  int64_t classes = 0;             // labels are in [0, classes); 0 where unknown
  std::string source;              // the file, for messages; empty where there is none

  int64_t samples() const { return arrays.front().values.type().shape[0]; }
  // None when there is no such array.
  const NamedArray* find(std::string_view name) const;
};

struct DataSplits {
  Dataset train;
  std::optional<Dataset> test;
};

// Throws Error, naming the source, unless the arrays have equal first extents of at least 1.
void check_samples(const Dataset& dataset, const std::string& source);
// One more than the largest label; 0 when there is none. Throws Error unless the labels are integers.
int64_t count_classes(const Tensor& labels);

// "60,000 images 1x28x28, 10 classes", "500 samples: x f32[3,8], labels i64, 4 classes".
std::string describe(const Dataset& dataset);

}  // namespace marvin
