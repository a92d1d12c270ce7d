#include "runtime/data/dataset.h"

#include <algorithm>

#include "runtime/ir/error.h"

namespace marvin {
namespace {

std::string with_separators(int64_t count) {
  std::string digits = std::to_string(count);
  for (int64_t i = static_cast<int64_t>(digits.size()) - 3; i > 0; i -= 3)
    digits.insert(static_cast<size_t>(i), 1, ',');
  return digits;
}

std::string sample_text(const Type& type) {
  const Shape sample(type.shape.begin() + 1, type.shape.end());
  return sample.empty() ? std::string(name_of(type.dtype)) : text_of(Type{type.dtype, sample});
}

}  // namespace

const NamedArray* Dataset::find(std::string_view name) const {
  const auto found =
      std::find_if(arrays.begin(), arrays.end(), [&](const NamedArray& array) { return array.name == name; });
  return found == arrays.end() ? nullptr : &*found;
}

void check_samples(const Dataset& dataset, const std::string& source) {
  if (dataset.arrays.empty()) throw Error(source, ": holds no arrays");
  for (const NamedArray& array : dataset.arrays) {
    if (array.values.type().rank() == 0) {
      throw Error(source, ": array '", array.name, "' is a scalar; expected an array whose first axis is the samples");
    }
    if (array.values.type().shape[0] == 0) throw Error(source, ": array '", array.name, "' holds no samples");
    const NamedArray& first = dataset.arrays.front();
    if (array.values.type().shape[0] != first.values.type().shape[0]) {
      throw Error(source, ": '", first.name, "' holds ", first.values.type().shape[0], " samples but '", array.name,
                  "' ", array.values.type().shape[0], "; expected as many");
    }
  }
}

int64_t count_classes(const Tensor& labels) {
  const std::vector<int64_t> values = to_int64(labels);
  int64_t largest = -1;
  for (const int64_t value : values) largest = std::max(largest, value);
  return largest + 1;
}

std::string describe(const Dataset& dataset) {
  std::string text = with_separators(dataset.samples());
  if (dataset.kind == DataKind::images) {
    const Shape& shape = dataset.find("input")->values.type().shape;
    text += cat(" images ", shape[1], "x", shape[2], "x", shape[3]);
  } else {
    text += " samples";
    for (size_t i = 0; i < dataset.arrays.size(); ++i) {
      const NamedArray& array = dataset.arrays[i];
      text += cat(i == 0 ? ": " : ", ", array.name, " ", sample_text(array.values.type()));
    }
  }
  if (dataset.classes > 0) text += cat(", ", with_separators(dataset.classes), " classes");
  return text;
}

}  // namespace marvin
